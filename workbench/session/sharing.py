"""Sharing: a model that an open session has loaded serves further sessions too.

Weights are only read: sessions on one model keep runs, circuits and effects of their own, and take
turns at computing (`priority_lock.lock_of`). Importing this loads no torch.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.experiment.settings import ExperimentSettings

if TYPE_CHECKING:
    from workbench.models.model import Model
    from workbench.session.session import Session


def shared_model(settings: ExperimentSettings, beside: Iterable[Session]) -> Model | None:
    """The model that one of these sessions has loaded, if the settings choose the same.

    What chooses a model are its name, device, number format, revision and device map. One that was
    not made by `load_model` is chosen by no settings.

    Args:
        settings: with the model's lasting name, as a session keeps it.
        beside: sessions that are open in this process.
    """
    wanted = (
        *(settings.model, settings.device, settings.dtype, settings.revision),
        settings.device_map,
    )
    for session in beside:
        chosen = session.loaded_model.chosen
        if chosen is not None and wanted == (
            chosen.name, chosen.device, chosen.dtype, chosen.revision, chosen.device_map
        ):  # fmt: skip
            return session.loaded_model
    return None


@dataclass(frozen=True)
class Taken:
    """The memory that an open session takes, in bytes.

    Attributes:
        session: what goes with it: its runs, and its circuit's cells if every edge were kept.
        weights: the model's, which sessions on one model share.
    """

    session: int
    weights: int


def taken(session: Session) -> Taken:
    """What a session takes, as it is predicted when a batch is planned."""
    footprint = session.footprint()
    own = footprint.runs + footprint.probabilities + footprint.circuit
    return Taken(own, session.model.weight_bytes)
