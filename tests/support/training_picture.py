"""The picture of a training in `docs/checkpoints.md`, from the folder of a sweep over it.

`python -m tests.support.training_picture SWEEP.toml CIRCUIT ...` draws, over the steps, how often
the model is right at each task, what the circuit files score at their own tasks, and what some
heads do; a circuit's name begins with its task's. SVG.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from tests.support.paths import ROOT
from workbench.checkpoints.plots import Curves, draw
from workbench.checkpoints.results import does_task
from workbench.pictures.figure import stacked
from workbench.sweeps.cells import read_sweep
from workbench.sweeps.folder import SweepFolder
from workbench.sweeps.results import rows_of
from workbench.sweeps.training import heads_of

TARGET = ROOT / "docs" / "screenshots" / "training.svg"
HEADS = (("a0.h2", "previous"), ("a3.h3", "copying"), ("a3.h3", "induction"))
"""Heads of the training that is shown, and by which number each is followed."""


def main(given: Sequence[str]) -> None:
    """Draw it."""
    sweep = read_sweep(given[0])
    folder = SweepFolder(sweep.folder)
    told = list(zip(sweep.cells, rows_of(sweep, folder), strict=True))
    checkpoints = list(dict.fromkeys(cell.checkpoint for cell in sweep.cells if cell.checkpoint))
    right: Curves = {
        task: [row["clean_accuracy"] for cell, row in told
               if row["task"] == task and cell.kind == "found"]
        for task in dict.fromkeys(row["task"] for _, row in told if row["task"])
    }  # fmt: skip
    share: Curves = {
        name: [
            row["faithfulness"]
            if does_task(row["clean"], row["corrupted"], row["clean_accuracy"])
            else None
            for _, row in told
            if Path(row["file"] or "").stem == name and name.startswith(row["task"])
        ]
        for name in given[1:]
    }
    found = heads_of(sweep.cells, folder)
    heads: Curves = {
        f"{head}, {column}": [one.heads[head][column] for one in found] for head, column in HEADS
    }
    with stacked(6.8, 6.2, 3) as (axes, done):
        draw(axes[0], checkpoints, right, "share right", lines=(0, 1))
        draw(axes[1], checkpoints, share, "faithfulness", lines=(0, 1))
        draw(axes[2], checkpoints, heads, "score of the head", lines=(0, 1))
        for ax in axes[:2]:
            ax.set_xlabel("")
    TARGET.write_bytes(done().file("svg"))
    print(TARGET.relative_to(ROOT))


if __name__ == "__main__":
    main(sys.argv[1:])
