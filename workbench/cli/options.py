"""The arguments and options that several commands share. Importing this loads no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from workbench.experiment.ablations import ABLATIONS

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Pairs = Annotated[
    int | None,
    typer.Option(min=1, help="How many pairs. [default: 32 of a built-in task, all of a file]"),
]
Seed = Annotated[int, typer.Option(help="Seed of the task's generator.")]
Metric = Annotated[
    str | None,
    typer.Option(help="logit_diff, prob_diff, kl or accuracy. [default: the task's own]"),
]
Device = Annotated[
    str | None,
    typer.Option(help="cpu, cuda, cuda:N or mps. [default: the best there is]"),
]
Dtype = Annotated[str | None, typer.Option(help="float32, bfloat16 or float16. [default: float32]")]
Revision = Annotated[str | None, typer.Option(help="Branch, tag or commit of a model of the hub.")]
Bos = Annotated[
    bool | None,
    typer.Option("--bos/--no-bos", help="BOS before the prompts. [default: the tokenizer's own]"),
]
Mismatch = Annotated[
    Literal["refuse", "drop"],
    typer.Option(help="What becomes of pairs whose prompts differ in token length."),
]
Ablation = Annotated[
    str, typer.Option(help=f"What an edge left out carries: {', '.join(ABLATIONS)}.")
]
Means = Annotated[
    str | None,
    typer.Option("--means-from", help="A task or file: take the means over its clean prompts."),
]
ModelName = Annotated[
    str,
    typer.Argument(
        metavar="MODEL", help="A hub id, a folder, a .gguf file, or a short name (pocket, smollm2)."
    ),
]
TaskName = Annotated[str, typer.Argument(metavar="TASK", help="A built-in task, or a task file.")]
CircuitPath = Annotated[Path, typer.Argument(metavar="CIRCUIT", help="A circuit file.")]
