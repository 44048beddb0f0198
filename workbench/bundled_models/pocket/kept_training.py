"""What a training leaves in its folder: checkpoints, and all that going on follows from."""

from __future__ import annotations

import io
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from workbench.base.abandoned import is_abandoned, writer_token
from workbench.base.progress import silent
from workbench.base.text import shown_path
from workbench.base.work import Stop
from workbench.base.write_file import ABANDONED, write_bytes
from workbench.bundled_models.pocket.recipe import Recipe, Training
from workbench.bundled_models.pocket.vocabulary import make_tokenizer
from workbench.errors import Cancelled, WorkbenchError
from workbench.models.transformers_progress import quiet_transformers

STATE = "training.pt"
KEPT = 100
"""Steps between two times that the state is written."""
FIRST = 300
"""The first checkpoint after 0 comes after this part of the steps: before, nothing is learnt."""


def checkpoint_steps(n: int, steps: int) -> tuple[int, ...]:
    """After which steps n checkpoints are made: 0, then a constant ratio apart, to the last.

    Args:
        n: at least 2.
        steps: of the training.

    Raises:
        WorkbenchError: there are not so many steps.
    """
    if not 2 <= n <= steps + 1:
        raise WorkbenchError(
            f"{n:,} checkpoints of {steps:,} steps cannot be: ask for 2 to {steps + 1:,}."
        )
    if n == 2:
        return 0, steps
    first = max(1, min(steps // FIRST, steps - (n - 2)))
    found = [0, first]
    for i in range(1, n - 1):
        found.append(max(found[-1] + 1, round(first * (steps / first) ** (i / (n - 2)))))
    return tuple(found)


class KeptTraining:
    """A training whose state and checkpoints are kept in a folder.

    Attributes:
        folder: where.
        recipe: what is done.
        steps: after which a checkpoint is made.
    """

    def __init__(self, folder: Path, recipe: Recipe, steps: Sequence[int] = ()) -> None:
        self.folder, self.recipe, self.steps = folder, recipe, tuple(steps)
        self._told = {"recipe": recipe.as_dict(), "checkpoints": list(self.steps)}

    def begun(self) -> Training:
        """The training as it was last kept; a new one if there is none.

        Raises:
            WorkbenchError: the folder holds something else, or another training.
        """
        training = Training(self.recipe)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for half in self.folder.glob(".half-*"):
                if is_abandoned(half, ABANDONED):
                    shutil.rmtree(half, ignore_errors=True)
            occupied = any(self.folder.iterdir())
        except OSError as error:
            raise WorkbenchError(f"{self.folder} cannot be written: {error.strerror}.") from error
        path = self.folder / STATE
        if not path.is_file():
            if occupied:
                raise WorkbenchError(f"There is something in {self.folder}: name a new folder.")
            return training
        try:
            kept: dict[str, Any] = torch.load(path, weights_only=True)
            if {name: kept[name] for name in self._told} == self._told:
                training.go_on(kept)
                return training
        except Exception as error:  # of any kind: the file may hold anything
            raise WorkbenchError(
                f"{shown_path(path)} is damaged: begin anew in another folder."
            ) from error
        raise WorkbenchError(
            f"In {shown_path(self.folder)} a training with other settings was begun: give the same "
            "--seed, --steps and --checkpoints, or name a new folder."
        )

    def after(self, training: Training, cancel: Stop | None = None) -> None:
        """Keep what is to be kept after a step.

        Raises:
            Cancelled: `cancel` was set; the state is kept.
            WorkbenchError: the folder cannot be written to.
        """
        if training.step in self.steps:
            self._checkpoint(training)
        stopped = cancel is not None and cancel.is_set()
        if stopped or training.step % KEPT == 0 or training.step == self.recipe.steps:
            buffer = io.BytesIO()
            torch.save(training.state() | self._told, buffer)
            write_bytes(self.folder / STATE, buffer.getvalue())
        if stopped:
            raise Cancelled

    def _checkpoint(self, training: Training) -> None:
        """A folder with model and tokenizer, there whole or not at all."""
        place = self.folder / f"checkpoint-{training.step}"
        half = self.folder / f".half-{writer_token()}"
        if place.is_dir():  # made before the training was interrupted
            return
        try:
            half.mkdir()
            with quiet_transformers(silent):
                training.model.save_pretrained(half)
            make_tokenizer(self.recipe.length).save_pretrained(half)
            half.rename(place)
        except OSError as error:
            raise WorkbenchError(f"{place} cannot be written: {error.strerror}.") from error
        finally:
            shutil.rmtree(half, ignore_errors=True)

    def ended(self) -> None:
        """All is done: what going on needs is not needed any more."""
        (self.folder / STATE).unlink(missing_ok=True)
