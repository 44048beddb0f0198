"""`workbench try`: one typed pair of prompts, in the whole model and in a circuit."""

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
    Metric,
    ModelName,
    Revision,
    Selecting,
    selecting_options,
)
from workbench.errors import WorkbenchError
from workbench.experiment.settings import ExperimentSettings

if TYPE_CHECKING:
    from workbench.engine.trial_results import PairTrial, Standing, TokenChance


@selecting_options
def try_pair(
    model: ModelName,
    circuit: Annotated[
        Path | None,
        typer.Argument(metavar="CIRCUIT", help="A circuit file. [default: the model alone]"),
    ] = None,
    *,
    clean: Annotated[str, typer.Option(help="The prompt that wants one of the answers.")],
    corrupted: Annotated[
        str, typer.Option(help="The other prompt, of the same length in tokens.")
    ] = "",
    answer: Annotated[
        list[str] | None,
        typer.Option(help="A right answer, one token, its space with it: ' Mary'. Repeatable."),
    ] = None,
    wrong: Annotated[
        list[str] | None, typer.Option(help="A wrong answer, one token. Repeatable.")
    ] = None,
    selection: Selecting,
    metric: Metric = None,
    device: Device = None,
    device_map: DeviceMap = None,
    dtype: Dtype = None,
    revision: Revision = None,
    bos: Bos = None,
    ablation: Ablation = "patching",
    means: Means = None,
    k: Annotated[
        int, typer.Option("-k", min=1, max=1000, help="How many of the likeliest tokens.")
    ] = 10,
    as_json: Json = False,
) -> None:
    """Try one typed pair of prompts: what the model, and a circuit, make of it."""
    from tasks.pair import Pair
    from workbench.cli.checks import read_circuit, warn_of_empty, warn_of_other_model
    from workbench.experiment.ablations import check_ablation, check_means
    from workbench.formats import NeedsGraph
    from workbench.models.source import find_model
    from workbench.prompts.task_file import check_task

    # What costs nothing to find out comes before what takes seconds.
    find_model(model)
    check_means(means, check_ablation(ablation))
    if means is not None:
        check_task(means)
    if circuit is None and selection is not None:
        raise WorkbenchError("--edges, --nodes, --select and --signed go with a circuit file.")
    loaded = None
    if circuit is not None:
        with suppress(NeedsGraph):
            loaded = read_circuit(circuit, selection)
            warn_of_other_model(loaded, model)
    pair = Pair(clean, corrupted, tuple(answer or ()), tuple(wrong or ()))
    settings = ExperimentSettings(
        *(model, "one pair"),
        metric=metric,
        device=device,
        device_map=device_map,
        dtype=dtype,
        revision=revision,
        bos=bos,
        ablation=ablation,
        means=means,
    )
    with console.ProgressLine() as progress:
        progress("Starting", None)
        from workbench.engine.pair_trial import oddities
        from workbench.engine.pair_trial import try_pair as trial_of

        made = settings.load_model(progress)
        if circuit is not None:
            loaded = loaded or read_circuit(circuit, selection, made.graph)
            warn_of_empty(loaded, circuit)
        progress("Running the pair", None)
        found = trial_of(made, pair, loaded, under=settings, k=k)
        odd = oddities(made, pair, settings)
    for sentence in odd:
        console.warn(sentence)
    if as_json:
        output.result_as_json(found.to_json())
    else:
        _report(found)


def _report(found: PairTrial) -> None:
    """The trial as text."""
    output.line(f"clean         {_tokens(found.clean_tokens, found.corrupted_tokens)}")
    output.line(f"corrupted     {_tokens(found.corrupted_tokens, found.clean_tokens)}")
    circuit = "" if found.circuit is None else f"   circuit {found.circuit:.6g}"
    output.line(
        f"{found.metric:<14}model {found.clean:.6g}   corrupted {found.corrupted:.6g}{circuit}"
    )
    if found.circuit is not None:
        share = "undefined" if found.faithfulness is None else f"{found.faithfulness:.4f}"
        output.line(f"faithfulness  {share} of this pair, {found.edges:,} edges, {found.ablation}")
    for answer in found.answers:
        named = "answer" if answer.right else "wrong"
        where = [f"model {_standing(answer.clean)}", f"corrupted {_standing(answer.corrupted)}"]
        if answer.circuit is not None:
            where.append(f"circuit {_standing(answer.circuit)}")
        output.line(f"{named:<14}{answer.text!r}: {', '.join(where)}")
    output.line("")
    runs = [("model", found.top_clean), ("corrupted", found.top_corrupted)]
    runs += [("circuit", found.top_circuit)] if found.top_circuit else []
    output.line("".join(f"{name:<30}" for name, _ in runs).rstrip())
    for row in zip(*(tokens for _, tokens in runs), strict=True):
        output.line("".join(f"{_chance(token):<30}" for token in row).rstrip())


def _tokens(tokens: tuple[str, ...], others: tuple[str, ...]) -> str:
    """Tokens parted by bars, those that differ in braces."""
    return "|".join(
        f"{{{mine}}}" if mine != other else mine for mine, other in zip(tokens, others, strict=True)
    )


def _standing(one: Standing) -> str:
    return f"rank {one.rank:,} ({one.probability:.4g})"


def _chance(one: TokenChance) -> str:
    return f"{one.probability:>8.4f} {one.text!r}"
