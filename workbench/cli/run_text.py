"""`workbench run`: what the model, and a circuit, say after any text."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli import console, output
from workbench.cli.options import (
    Ablation,
    Bos,
    Device,
    DeviceMap,
    Dtype,
    Json,
    Means,
    ModelName,
    Revision,
    Selecting,
    selecting_options,
)
from workbench.errors import WorkbenchError

if TYPE_CHECKING:
    from workbench.engine.continuation_results import Continuation


@selecting_options
def run_text(
    model: ModelName,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="Any text.")],
    *,
    top: Annotated[
        int, typer.Option(min=1, max=1000, help="How many of the likeliest next tokens.")
    ] = 5,
    tokens: Annotated[
        int, typer.Option(min=0, max=1000, help="Go on, greedily, with so many tokens.")
    ] = 0,
    circuit: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Let the circuit of this file go on, too.")
    ] = None,
    corrupted: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="What is patched from, of the same length in tokens."),
    ] = None,
    selection: Selecting,
    ablation: Ablation = "patching",
    means: Means = None,
    bos: Bos = None,
    device: Device = None,
    device_map: DeviceMap = None,
    dtype: Dtype = None,
    revision: Revision = None,
    as_json: Json = False,
) -> None:
    """Run a text: its likeliest next tokens, and what model and circuit go on with."""
    from workbench.cli.checks import read_circuit, warn_of_empty
    from workbench.experiment.ablations import check_ablation, check_means
    from workbench.formats import NeedsGraph
    from workbench.models.source import find_model
    from workbench.prompts.task_file import check_task

    # What costs nothing to find out comes before what takes seconds.
    find_model(model)
    check_means(means, check_ablation(ablation))
    if means is not None:
        check_task(means)
    loaded = None
    if circuit is None and (selection is not None or corrupted is not None):
        raise WorkbenchError(
            "--corrupted, --edges, --nodes, --select and --signed go with --circuit FILE."
        )
    if circuit is not None:
        tokens = tokens or 10
        with suppress(NeedsGraph):
            loaded = read_circuit(circuit, selection)
    with console.ProgressLine() as progress:
        progress("Starting", None)
        from workbench.engine.continuation import continue_text
        from workbench.experiment.interventions import interventions_of
        from workbench.models.model import load_model

        made = load_model(
            model,
            device=device,
            device_map=device_map,
            dtype=dtype,
            revision=revision,
            progress=progress,
        )
        if circuit is not None:
            loaded = loaded or read_circuit(circuit, selection, made.graph)
            warn_of_empty(loaded, circuit)
        progress("Running the text", None)
        found = continue_text(
            made,
            text,
            loaded,
            corrupted=corrupted,
            n=tokens,
            top=top,
            interventions=() if loaded is None else interventions_of(loaded),
            bos=bos,
            ablation=ablation,
            means=means,
        )
    if as_json:
        output.result_as_json(found.to_json())
    else:
        _report(found)


def _report(found: Continuation) -> None:
    output.line("|".join(found.prompt))
    for one in found.top:
        output.line(f"{one.probability:>8.4f} {one.text!r}")
    if not found.model:
        return
    for name, side in (("model", found.model), ("circuit", found.circuit)):
        if side is not None:
            output.line(f"{name:<8} {''.join(one.text for one in side)!r}")
    output.line(found.definition)
