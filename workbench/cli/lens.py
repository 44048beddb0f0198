"""`workbench lens`: fitting a Jacobian lens to a model, and saying what one is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli import console, output
from workbench.cli.interrupt import first_interrupt
from workbench.cli.options import Device, DeviceMap, Dtype, Json, ModelName, Revision

if TYPE_CHECKING:
    from workbench.readouts.jacobian.lens import JacobianLens

app = typer.Typer(help="Fit a Jacobian lens to a model, or say what one is.")


@app.command()
def fit(
    model: ModelName,
    text: Annotated[Path, typer.Argument(metavar="TEXT", help="A text file: a prompt in a line.")],
    out: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="FILE", help="The lens: .pt, or .safetensors."),
    ],
    *,
    joined: Annotated[
        bool, typer.Option("--join", help="The lines are one text: cut it into prompts.")
    ] = False,
    prompts: Annotated[
        int | None, typer.Option(min=1, help="Read so many prompts. [default: all]")
    ] = None,
    skip: Annotated[
        int, typer.Option(min=0, help="First tokens of each prompt that do not count.")
    ] = 16,
    length: Annotated[
        int | None,
        typer.Option(min=2, help="Tokens of each prompt at most. [default: 128, or all positions]"),
    ] = None,
    device: Device = None,
    device_map: DeviceMap = None,
    dtype: Dtype = None,
    revision: Revision = None,
    as_json: Json = False,
) -> int:
    """Fit a Jacobian lens: what a residual becomes by the last layer, on average over a text.

    Ctrl-C stops it; the same command goes on with what is done.
    """
    from workbench.models.source import find_model

    # What costs nothing to find out comes before what takes seconds.
    find_model(model)
    with console.ProgressLine() as progress:
        progress("Starting", None)
        from workbench.models.model import load_model
        from workbench.readouts.jacobian.files import check_lens_target
        from workbench.readouts.jacobian.resume import fit_lens, texts_in

        check_lens_target(out)
        texts = texts_in(text)
        made = load_model(
            model,
            device=device,
            device_map=device_map,
            dtype=dtype,
            revision=revision,
            progress=progress,
        )

        def tell(words: str, fraction: float) -> None:
            progress("Fitting the lens", fraction)

        with first_interrupt() as cancel:
            found = fit_lens(
                made,
                texts,
                out,
                joined=joined,
                prompts=prompts,
                skip=skip,
                length=length,
                progress=tell,
                cancel=cancel,
            )
    told = {
        "written": [str(out)] if found.complete else [],
        "prompts": found.lens.n_prompts,
        "of": found.n_prompts,
        "too_short": found.too_short,
        "resumed": found.resumed,
        "layers": list(found.lens.layers),
        "d_model": found.lens.d_model,
    }
    if as_json:
        output.as_json(told | {"warnings": console.warned()})
    else:
        _report(found.lens)
        if found.resumed:
            output.line(f"resumed       {found.resumed:,} prompts were done before")
        if found.too_short:
            output.line(f"left out      {found.too_short:,} prompts are too short")
        if found.complete:
            output.line(f"written       {out}")
    if found.complete:
        return 0
    console.say(
        f"workbench: interrupted after {found.lens.n_prompts} of {found.n_prompts} prompts; the "
        "same command goes on from there."
    )
    return console.EXIT_INTERRUPTED


@app.command()
def show(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A lens file.")],
    as_json: Json = False,
) -> None:
    """Say what a lens file holds: of which model it is, and the layers that it reads at."""
    from workbench.readouts.jacobian.files import load_lens

    lens = load_lens(file)
    if as_json:
        names = ("model", "n_layers", "d_model", "n_prompts")
        output.as_json({name: getattr(lens, name) for name in names} | {"layers": lens.layers})
        return
    _report(lens)


def _report(lens: JacobianLens) -> None:
    output.line(f"lens          {lens.words}")
    output.line(f"width         {lens.d_model:,}")
    layers = ["embeddings" if layer < 0 else str(layer) for layer in lens.layers]
    output.line(f"read after    {', '.join(layers)}")
