"""Which Jacobian lens a model is read through: a given one, or that beside its weights."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.errors import WorkbenchError
from workbench.models.bundled import BundledModel
from workbench.models.source import SHORT_NAMES
from workbench.readouts.jacobian.files import SUFFIXES, load_lens
from workbench.readouts.jacobian.lens import JacobianLens

if TYPE_CHECKING:
    from workbench.models.model import Model

STEM = "jacobian_lens"
"""Name of a lens file in a model's folder."""
OWN = "own"
"""In place of a path: the lens beside the model's weights."""


def lens_beside(model: Model) -> Path | None:
    """The lens file in the folder of a model's weights; None if there is none."""
    short = SHORT_NAMES.get(model.name)
    folder = short.folder if isinstance(short, BundledModel) else Path(model.info.where)
    paths = (folder / f"{STEM}{suffix}" for suffix in reversed(SUFFIXES))
    return next((path for path in paths if path.is_file()), None)


def lens_of(
    model: Model, given: JacobianLens | str | os.PathLike[str] | None = None
) -> JacobianLens:
    """The lens to read a model through.

    Args:
        given: a lens, a lens file, or OWN or None for the one beside the model's weights.

    Raises:
        WorkbenchError: there is none, the file cannot be used, or it is of another model.
    """
    if isinstance(given, JacobianLens):
        return given.check(model)
    if given is not None and given != OWN:
        return load_lens(given).check(model)
    path = lens_beside(model)
    if path is None:
        raise WorkbenchError(
            f"No Jacobian lens of {model.name} is known: fit one with `workbench lens fit "
            f"{model.name} TEXT -o FILE.pt`, and name its file."
        )
    # What lies beside the weights is theirs, whatever the folder was called when it was fitted.
    return load_lens(path).check(model, by_name=False)
