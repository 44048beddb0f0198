"""Positions of prompts of different lengths, side by side: aligned at the prompts' ends."""

from __future__ import annotations

from workbench.experiment.experiment import Experiment
from workbench.transformer.recording import Recording


def longest(experiment: Experiment) -> int:
    """How many positions the longest prompts have: the columns of `Findings.positions`."""
    return max(length(recording) for recording in experiment.recordings)


def length(recording: Recording) -> int:
    """How many positions a group's prompts have."""
    return recording.start + recording.n_positions


def columns(recording: Recording, n_columns: int) -> slice:
    """The columns of the positions at which a group's runs are recorded, `start` and after."""
    return slice(n_columns - recording.n_positions, n_columns)
