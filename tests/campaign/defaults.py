"""Every method under every ablation on every task that a bundled model does, by its defaults.

    python -m tests.campaign.defaults [MODEL ...] [--without METHOD ...]

Prints docs/defaults.md, which says what a cell of its tables has. A result that is empty, the whole
model, or no better than no circuit has to come with a sentence that says so.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any

from workbench.discovery.catalogue import METHODS, Method
from workbench.discovery.run import Discovery, discover
from workbench.errors import WorkbenchError
from workbench.experiment.ablations import ABLATIONS
from workbench.experiment.settings import ExperimentSettings
from workbench.models.model import Model, load_model

TASKS = {
    "pocket": ("greater-than", "ioi", "subject-verb-agreement", "induction"),
    "known": ("induction",),
    "sums": ("mental-math",),
}
"""What each of the models was made for."""
PAIRS = 8
TELLING = ("do not join", "is empty", "whole model", "no nearer", "slope")
"""Words of the sentences on what is odd."""
THRESHOLD = 0.02
SHARE = 0.1
"""Of the edges that are asked for, or of the nodes."""


def asked(method: Method, model: Model) -> dict[str, Any]:
    """What the method is told: a tenth of the edges, or a quarter of the nodes."""
    if method.name == "acdc":
        return {"threshold": THRESHOLD}
    if method.kind == "nodes":
        return {"nodes": max(3, model.graph.n_sources // 4)}
    return {"edges": max(3, int(model.graph.n_edges * SHARE))}


def is_odd(found: Discovery) -> str:
    """What is odd about a result; nothing if nothing is."""
    circuit, share = found.selected.circuit, found.score.faithfulness
    if not circuit.n_edges:
        return "empty"
    if circuit.n_edges == circuit.graph.n_edges:
        return "whole model"
    return "no better than none" if share is not None and share <= 0 else ""


HEAD = f"""# What each method finds by its defaults

Every method under every ablation, on the tasks that the bundled models were made for, {PAIRS} pairs
each; made by `python -m tests.campaign.defaults`, which fails where something odd is not said.

A cell has the edges kept and the faithfulness. Asked for are a tenth of the edges, a quarter of the
nodes of methods that choose nodes, and a threshold of {THRESHOLD} of `acdc`. Marked with ° is what
is empty, the whole model, or no better than no circuit: there a remark of the discovery says so,
and what to try. A method has no cell under an ablation that it does not take.

With ablations other than patching the corrupted end is no prompt, and few edges may leave the
circuit further from the model than none at all. `sums` adds numbers with most of its edges: a tenth
of them does not do."""


def rows(names: list[str], without: list[str]) -> Iterator[tuple[str, ...]]:
    """One row for each model, task, ablation and method."""
    for name in names:
        model = load_model(name, device="cpu")
        for task in TASKS[name]:
            for ablation in ABLATIONS:
                for method in METHODS.values():
                    if ablation in method.ablations and method.name not in without:
                        row = _row(model, task, ablation, method)
                        yield (name, task, ablation, method.name, *row)


def _row(model: Model, task: str, ablation: str, method: Method) -> tuple[str, ...]:
    settings = ExperimentSettings(model.name, task, pairs=PAIRS, ablation=ablation)
    try:
        found = discover(model, task, method.name, under=settings, **asked(method, model))
    except WorkbenchError as error:
        return ("", "", "", "", str(error))
    chosen, share = found.selected, found.score.faithfulness
    odd = is_odd(found)
    said = "said" if any(_tells(remark) for remark in found.remarks) else "NOT SAID"
    return (
        str(chosen.asked or ""),
        str(chosen.chosen),
        str(chosen.circuit.n_edges),
        "undefined" if share is None else f"{share:.3f}",
        f"{odd}, {said}" if odd else "",
    )


def _tells(remark: str) -> bool:
    return any(words in remark for words in TELLING)


def page(found: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """The lines of the page, each table once all its rows are there."""
    yield HEAD
    for (model, task), of_task in groupby(found, key=itemgetter(0, 1)):
        cells: dict[str, dict[str, str]] = {}
        for _, _, ablation, method, _, _, kept, share, odd in of_task:
            cell = f"{kept} · {share}" + ("°" if odd.endswith(", said") else odd and f" {odd}")
            cells.setdefault(method, {})[ablation] = cell
        yield f"\n## {model}, {task}\n"
        yield f"| method | {' | '.join(ABLATIONS)} |"
        yield "|---" * (1 + len(ABLATIONS)) + "|"
        for method in METHODS:
            if method in cells:
                own = " | ".join(cells[method].get(ablation, "") for ablation in ABLATIONS)
                yield f"| {method} | {own} |"


def main() -> int:
    """Print the page; the exit code says whether something odd was not said."""
    parser = argparse.ArgumentParser(prog="python -m tests.campaign.defaults")
    parser.add_argument("models", nargs="*", default=list(TASKS))
    parser.add_argument("--without", nargs="*", default=[], metavar="METHOD")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    silent = False
    for line in page(rows(asked.models, asked.without)):
        silent = silent or "NOT SAID" in line
        print(line, flush=True)
    return int(silent)


if __name__ == "__main__":
    sys.exit(main())
