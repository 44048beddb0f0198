"""`workbench neurons`: what an MLP's neurons do, which promote a token, which suffice."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from workbench.cli import console, output
from workbench.cli.checks import check_circuit, pair_index, read_circuit
from workbench.cli.options import Json, Selecting, experiment_options, selecting_options
from workbench.errors import WorkbenchError
from workbench.experiment.settings import ExperimentSettings

if TYPE_CHECKING:
    from workbench.base.progress import Progress
    from workbench.circuits.circuit import Circuit
    from workbench.experiment.experiment import Experiment
    from workbench.neurons.results import NeuronList
    from workbench.readouts.results import Position, TokenValue

DIGITS = 4
"""Digits of every number in the table."""


@experiment_options(optional=True)
@selecting_options
def neurons(
    node: Annotated[str | None, typer.Option(help="List the neurons of this MLP: m10.")] = None,
    neuron: Annotated[
        list[str] | None,
        typer.Option(
            help="Tell what this neuron promotes, what feeds it, and on which prompts it is "
            "largest: m10.n421."
        ),
    ] = None,
    promoting: Annotated[
        list[str] | None,
        typer.Option(metavar="TOKEN", help="Find the model's neurons that promote this token."),
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="How many neurons are listed.")] = 20,
    by: Annotated[
        Literal["effect", "direct", "activation"],
        typer.Option(help="By what they are sorted."),
    ] = "effect",
    run: Annotated[
        Literal["clean", "corrupted", "clean-corrupted"],
        typer.Option(help="With --by direct: of which prompts, or the difference."),
    ] = "clean",
    setting: Annotated[
        Literal["full", "along", "within"],
        typer.Option(help="Of the exact effects; along and within need --circuit."),
    ] = "full",
    all_: Annotated[
        bool, typer.Option("--all", help="Exact effects of all neurons, not of the listed ones.")
    ] = False,
    suffice: Annotated[
        bool,
        typer.Option("--suffice", help="Find the fewest of the MLP's neurons that are enough."),
    ] = False,
    faithfulness: Annotated[
        float | None,
        typer.Option(help="With --suffice: for this. [default: 0.99 of that with all of them]"),
    ] = None,
    position: Annotated[
        int, typer.Option(help="Which token: from the end if negative, else from the start.")
    ] = -1,
    role: Annotated[
        str | None,
        typer.Option(metavar="ROLE", help="At this role instead; effects are of it alone: S2."),
    ] = None,
    pair: Annotated[
        int | None, typer.Option(min=1, help="Of which pair, from 1. [default: the mean over all]")
    ] = None,
    circuit: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A circuit file. [default: all edges]")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Write the table (.csv, .tsv, .md, .tex), or with --suffice the narrowed circuit.",
        ),
    ] = None,
    *,
    settings: ExperimentSettings,
    selection: Selecting,
    as_json: Json = False,
) -> None:
    """Look at the neurons of an MLP, or search all of them by what they promote."""
    _check_what(settings, node, neuron, promoting)
    if (suffice or faithfulness is not None) and not (suffice and node):
        raise WorkbenchError("--faithfulness goes with --suffice, and --suffice with --node.")
    if role is not None and position != -1:
        raise WorkbenchError("Name a --position or a --role, not both.")
    if role is not None and (setting != "full" or suffice):
        raise WorkbenchError(
            "At one --role effects are in the full model: leave out --setting and --suffice."
        )
    if setting != "full" and circuit is None:
        raise WorkbenchError(f"Name the circuit's file for --setting {setting}: --circuit FILE.")
    table = None if out is None or suffice else _table_format(out)
    if promoting and not settings.task:
        with console.ProgressLine() as progress:
            progress("Starting", None)
            model = settings.load_model(progress)
            found = _search(model, promoting, top)
        _report_search(found, as_json)
        return
    settings = settings.checked()
    if circuit is not None:
        check_circuit(circuit, selection)
    with console.ProgressLine() as progress:
        progress("Starting", None)
        from workbench.circuits.circuit import Circuit
        from workbench.experiment.prepare import prepare

        model = settings.load_model(progress)
        given = None if circuit is None else read_circuit(circuit, selection, model.graph)
        experiment = prepare(model, settings.task, settings, progress)
        index = pair_index(pair, experiment.n_pairs)
        where = position if role is None else role
        if promoting:
            results: Any = _search(model, promoting, top)
        elif neuron:
            results = [_one(experiment, name, where, index) for name in neuron]
        else:
            assert node is not None
            listed = _listed(experiment, node, given, where, index, progress)
            if suffice:
                whole = given or Circuit.full(experiment.graph)
                results = _enough(experiment, whole, listed, faithfulness, out, progress)
            else:
                results = _exact(
                    experiment, listed, given, setting, (by, run), None if all_ else top, progress
                )
    if promoting:
        _report_search(results, as_json)
    elif neuron:
        _report_neurons(results, as_json)
    elif suffice:
        _report_enough(results, out, as_json)
    else:
        rows = results.sorted_by(by, run)[:top]
        if table is not None and out is not None:
            from workbench.base.write_file import write_whole

            write_whole(out, table(results.table(rows)))
        _report_list(results, rows, as_json)


def _check_what(
    settings: ExperimentSettings,
    node: str | None,
    neuron: Sequence[str] | None,
    promoting: Sequence[str] | None,
) -> None:
    """Refuse what does not say of what it is."""
    if not settings.model or sum(map(bool, (node, neuron, promoting))) != 1:
        raise WorkbenchError(
            "Name a model, and one of --node m10 (its neurons), --neuron m10.n421 (one of them) "
            'and --promoting " plus" (a search).'
        )
    if not promoting and not settings.task:
        raise WorkbenchError("Name a task, too: workbench neurons MODEL TASK --node m10.")


def _table_format(out: Path) -> Any:
    from workbench.base.table import FORMATS

    for _, suffix, write in FORMATS.values():
        if out.suffix.lower() == suffix:
            return write
    known = ", ".join(suffix for _, suffix, _ in FORMATS.values())
    raise WorkbenchError(f"A table is written as one of {known}, not {out.suffix or out.name!r}.")


def _search(model: Any, texts: Sequence[str], top: int) -> Any:
    from workbench.neurons.tokens import neurons_promoting
    from workbench.prompts.encoding import Encoding
    from workbench.readouts.target import find_token

    encoding = Encoding(model.tokenizer)
    ids = [find_token(encoding, text) for text in texts]
    return neurons_promoting(model.parts, encoding, ids, top)


def _listed(
    experiment: Experiment,
    node: str,
    circuit: Circuit | None,
    position: Position,
    pair: int | None,
    progress: Progress,
) -> NeuronList:
    from workbench.base.work import finish
    from workbench.neurons.listing import neuron_list

    work = neuron_list(experiment, node, circuit, position=position, pair=pair)
    return finish(work, lambda fraction: progress("Estimating", fraction))


def _exact(
    experiment: Experiment,
    listed: NeuronList,
    circuit: Circuit | None,
    setting: str,
    by: tuple[str, str],
    top: int | None,
    progress: Progress,
) -> NeuronList:
    from workbench.engine.evaluator import Evaluator
    from workbench.neurons.listing import exact_effects, with_rest
    from workbench.neurons.results import with_exact

    wanted = [row.neuron for row in listed.sorted_by(*by)[:top]]
    evaluator = None if circuit is None else Evaluator(experiment, circuit)
    values: dict[int, float] = {}
    for chunk in exact_effects(experiment, listed, wanted, evaluator=evaluator, setting=setting):
        values |= chunk
        progress("Exact effects", len(values) / len(wanted))
    return with_rest(experiment, with_exact(listed, values, setting))


def _enough(
    experiment: Experiment,
    circuit: Circuit,
    listed: NeuronList,
    faithfulness: float | None,
    out: Path | None,
    progress: Progress,
) -> Any:
    from workbench.base.work import finish
    from workbench.formats import save_circuit
    from workbench.neurons.sufficient import sufficient

    ranked = [row.neuron for row in listed.sorted_by("effect")]
    work = sufficient(experiment, circuit, listed.mlp, ranked, faithfulness)
    found = finish(work, lambda fraction: progress("Narrowing", fraction))
    if out is not None:
        narrowed = circuit.copy()
        narrowed.neurons = {**circuit.neurons, listed.mlp: found.neurons}
        save_circuit(narrowed, out)
    return found


def _one(
    experiment: Experiment, name: str, position: Position, pair: int | None
) -> tuple[Any, ...]:
    from workbench.neurons.at_roles import neuron_by_role
    from workbench.neurons.firings import neuron_firings
    from workbench.neurons.inputs import neuron_inputs
    from workbench.neurons.tokens import neuron_tokens

    (tokens,) = neuron_tokens(experiment.parts, experiment.batch.encoding, [name])
    fed = neuron_inputs(experiment, name, position=position, pair=pair)
    by_role = neuron_by_role(experiment, name, pair=pair)
    return tokens, fed, neuron_firings(experiment, name), by_role


def _report_list(listed: NeuronList, rows: Sequence[Any], as_json: bool) -> None:
    from workbench.neurons.results import ACTIVATION, DIRECT, ESTIMATE, role_of

    table = listed.table(rows)
    if as_json:
        output.as_json(
            {
                "node": listed.mlp,
                "neurons": len(listed.rows),
                "kept": listed.kept,
                "setting": listed.setting,
                "position": listed.position,
                "pair": listed.pair,
                "direct_of_bias": listed.direct_of_bias,
                "direct_of_mlp": listed.direct_of_mlp,
                "direct_of_bias_corrupted": listed.direct_of_bias_corrupted,
                "direct_of_mlp_corrupted": listed.direct_of_mlp_corrupted,
                "exact_of_the_rest": listed.rest,
                "rows": [dict(zip(table.columns, row, strict=True)) for row in table.rows],
                "warnings": console.warned(),
            }
        )
        return
    output.line(f"{listed.mlp}: {listed.kept:,} of {len(listed.rows):,} neurons kept")
    _table(table.columns, [[_cell(cell) for cell in row] for row in table.rows])
    if listed.rest is not None:
        n = sum(row.exact is None for row in listed.rows)
        output.line(f"All other {n:,} neurons corrupted together: {listed.rest:.{DIGITS}g}")
    output.line(f"estimate: {ESTIMATE}.")
    role = role_of(listed.position)
    at = "" if role is None else f" at {role}"
    output.line(f"exact: its effect when it alone is corrupted{at}, {listed.setting}.")
    output.line(f"direct: {DIRECT}.")
    output.line(f"clean, corrupted: {ACTIVATION}.")


def _report_neurons(found: Sequence[tuple[Any, ...]], as_json: bool) -> None:
    if as_json:
        output.as_json(
            [
                {
                    "tokens": tokens.to_json(),
                    "inputs": fed.to_json(),
                    "prompts": fired.to_json(),
                    "by_role": by_role.to_json(),
                }
                for tokens, fed, fired, by_role in found
            ]
        )
        return
    for tokens, fed, fired, by_role in found:
        kind = f", a {tokens.kind} neuron" if tokens.kind else ""
        output.line(f"{tokens.name}{kind}")
        output.line(f"  promotes    {_tokens(tokens.promoted)}")
        output.line(f"  suppresses  {_tokens(tokens.suppressed)}")
        output.line(
            f"  row         length {tokens.norm:.3g}; cosines with the vocabulary: variance "
            f"{tokens.variance:.3g}, skew {tokens.skew:.3g}, kurtosis {tokens.kurtosis:.3g}"
        )
        feeds = ", ".join(
            f"{feed.node} {feed.gate:+.3g}" + ("" if feed.up is None else f"/{feed.up:+.3g}")
            for feed in fed.feeds[:8]
        )
        both = "" if fed.up is None else f", up {fed.up:+.4g} (shares: gate/up)"
        output.line(f"  reads       gate {fed.gate:+.4g}{both}: {feeds}")
        output.line(
            f"  active      mean {fired.mean:.4g}, {fired.least:.4g} to {fired.most:.4g}, above 0 "
            f"at {fired.share:.0%} of tokens"
        )
        for one in by_role.roles:
            direct = ""
            if one.direct is not None and one.direct_corrupted is not None:
                direct = f", direct {one.direct:+.4g} and {one.direct_corrupted:+.4g} corrupted"
            output.line(
                f"  at {one.role:<8} clean {one.clean:+.4g}, corrupted {one.corrupted:+.4g}, "
                f"difference {one.difference:+.4g}{direct}"
            )
        for side, firings in (("largest", fired.largest), ("smallest", fired.smallest)):
            for one in firings:
                marked = "".join(
                    f"[[{token}]]" if i == one.position else token
                    for i, token in enumerate(one.tokens)
                )
                output.line(f"  {side:<10}  {one.value:+.4g}  pair {one.pair + 1}: {marked}")


def _tokens(values: Sequence[TokenValue]) -> str:
    return ", ".join(f"{value.token!r} {value.value:+.3g}" for value in values)


def _report_search(found: Sequence[Any], as_json: bool) -> None:
    if as_json:
        output.as_json([one.to_json() for one in found])
        return
    head = ("neuron", "deviations", "logit", "rank", "norm")
    _table(
        head,
        [
            [one.name, _cell(one.deviations), _cell(one.logit), str(one.rank), _cell(one.norm)]
            for one in found
        ],
    )
    output.line("deviations: the tokens' logit in standard deviations of all logits it writes.")


def _report_enough(found: Any, out: Path | None, as_json: bool) -> None:
    if as_json:
        output.as_json(found.to_json() | {"written": None if out is None else str(out)})
        return
    from workbench.circuits.kept_neurons import spans

    output.line(
        f"Of {found.mlp}'s {found.of:,} neurons these {len(found.neurons):,} suffice for a "
        f"faithfulness of {found.faithfulness:.4f} (asked {found.asked:.4f}, with all "
        f"{found.whole:.4f}):"
    )
    output.line(f"  {spans(found.neurons) or 'none'}")
    if out is not None:
        output.line(str(out))


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.{DIGITS}g}" if isinstance(value, float) else str(value)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    shown = [list(head), *map(list, rows)]
    widths = [max(len(row[column]) for row in shown) for column in range(len(head))]
    for row in shown:
        texts = (text.ljust(cells) for text, cells in zip(row, widths, strict=True))
        output.line("  " + "  ".join(texts).rstrip())
