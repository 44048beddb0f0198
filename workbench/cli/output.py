"""Results on stdout: as lines for people, as JSON for programs."""

from __future__ import annotations

import json
import math
import sys
from typing import TYPE_CHECKING, Any

from workbench.base.strict_json import strict_json
from workbench.base.text import printable
from workbench.cli import console

if TYPE_CHECKING:
    from workbench.circuits.comparison import Agreement, Comparison
    from workbench.engine.circuit_score import CircuitScore
    from workbench.model_report.footprint import Footprint
    from workbench.models.info import ModelInfo


def as_text(score: CircuitScore) -> None:
    """A circuit's score for people."""
    share = "none: the metric is the same on clean and corrupted prompts"
    if score.faithfulness is not None:
        share = f"{score.faithfulness:.4f}"
    state = "closed" if score.closed else "open: some destinations read the clean residual"
    line(
        f"model         {score.model} on {score.device}, {score.dtype}; its logits are met to "
        f"{score.check_difference:.1e} of their scale"
    )
    line(
        f"task          {score.task}, {score.pairs} pairs"
        + (f" ({score.dropped} dropped)" if score.dropped else "")
    )
    line(f"metric        {score.metric}: {score.metric_definition}")
    line(f"clean         {score.clean:.6g}   accuracy {_share(score.clean_accuracy)}")
    line(f"corrupted     {score.corrupted:.6g}")
    accuracy = _share(score.accuracy)
    line(f"circuit       {score.circuit:.6g}   accuracy {accuracy}, KL {score.kl:.4g}")
    line(f"faithfulness  {share}")
    at = f", {score.at_roles:,} at some roles only" if score.at_roles else ""
    line(f"edges         {score.edges:,} of {score.all_edges:,}{at}")
    line(f"nodes         {score.nodes:,} of {score.all_nodes:,}")
    line(f"circuit is    {state}")


def _share(value: float) -> str:
    """An accuracy; none where no pair has answers."""
    return "none" if math.isnan(value) else f"{value:.3f}"


def comparison_as_text(comparison: Comparison, at_roles: Agreement | None = None) -> None:
    """A circuit against a reference, for people: the numbers, then the edges that differ.

    `at_roles`: of edges at single roles, where there are any.
    """
    numbers = {"edges": comparison.edges, "at roles": at_roles, "nodes": comparison.nodes}
    for what, overlap in numbers.items():
        if overlap is None:
            continue
        line(f"{what:<12}{_counts(overlap)}")
        shares = (overlap.recall, overlap.precision, overlap.jaccard)
        words = ("undefined" if share is None else f"{share:.4f}" for share in shares)
        line("            recall {}, precision {}, Jaccard {}".format(*words))
    for mlp, sides in comparison.neurons.items():
        told = ("all neurons" if kept is None else f"{len(kept):,} neurons" for kept in sides)
        line(f"{mlp:<12}{' in the circuit, '.join(told)} in the reference")
    if other := comparison.at_other_roles:
        line("at other roles in the reference")
        for edge in other:
            words = ("all" if at is None else ", ".join(at) for at in comparison.roles[edge])
            line(f"  {edge}  {' in the circuit, '.join(words)}")
    for title, edges in (
        ("missing: in the reference, not in the circuit", comparison.edges.missing),
        ("extra: in the circuit, not in the reference", comparison.edges.extra),
        ("undecided: into an input that the other leaves open", comparison.edges.undecided),
    ):
        if edges:
            line("")
            line(title)
            for edge in edges:
                line(f"  {edge}")


def _counts(overlap: Agreement) -> str:
    text = (
        f"{len(overlap.both):,} of the reference's {overlap.n_reference:,}; "
        f"{len(overlap.missing):,} missing, {len(overlap.extra):,} extra"
    )
    return text + (f", {len(overlap.undecided):,} undecided" if overlap.undecided else "")


def as_model(info: ModelInfo, footprint: Footprint) -> None:
    """What was found of a model, and what a batch will take, for people."""
    from workbench.model_report.facts import facts, memory_facts

    for label, words in [*facts(info), *memory_facts(footprint)]:
        line(f"{label:<14}{words}")


def line(text: str) -> None:
    """One line of plain text; what a terminal would obey in it is escaped."""
    _print(printable(text))


def _print(text: str) -> None:
    if sys.stdout is None:
        raise console.MissingOutput("standard output is closed, so the result went nowhere.")
    encoding = sys.stdout.encoding or "ascii"
    try:
        text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        text = text.encode("ascii", "backslashreplace").decode()
    with console.output_errors():
        print(text)


def result_as_json(value: dict[str, Any]) -> None:
    """As `as_json`; `warnings` has what the command has warned of on stderr."""
    as_json(value | {"warnings": console.warned()})


def as_json(value: Any) -> None:
    """Strict JSON: numbers that are not finite become null.

    What a terminal would obey (control characters of either set, those that turn the direction of
    writing) is escaped, and all that the output's encoding lacks.
    """
    text = json.dumps(strict_json(value), indent=2, ensure_ascii=False, allow_nan=False)
    encoding = getattr(sys.stdout, "encoding", None) or "ascii"
    try:
        text.encode(encoding, "surrogatepass")
        lacking = False
    except (UnicodeEncodeError, LookupError):
        lacking = True
    if lacking or not all(line.isprintable() for line in text.split("\n")):
        text = "".join(
            c
            if c == "\n" or (c.isprintable() and not (lacking and c > "\x7f"))
            else json.dumps(c)[1:-1]
            for c in text
        )
    _print(text)
