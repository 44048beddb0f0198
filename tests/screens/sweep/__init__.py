"""Tests of the screen of a sweep."""
