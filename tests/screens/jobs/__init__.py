"""Tests of jobs in the app."""
