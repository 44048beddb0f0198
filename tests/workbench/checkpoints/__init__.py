"""Tests of sequences of checkpoints."""
