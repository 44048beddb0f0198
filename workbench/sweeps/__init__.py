"""Sweeps of cells: discoveries over models, tasks, methods, sizes, seeds and ablations."""
