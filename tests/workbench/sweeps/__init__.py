"""Tests of sweeps over cells."""
