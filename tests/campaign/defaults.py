"""Every method under every ablation on every task that a bundled model does, by its defaults.

    python -m tests.campaign.defaults [MODEL ...] [--without METHOD ...]

A row says what was asked, chosen and kept, the faithfulness, and whether a sentence says what is
odd. A result that is empty, the whole model, or no better than no circuit has to have one.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Iterator
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
SHARE = 0.1
"""Of the edges that are asked for, or of the nodes."""


def asked(method: Method, model: Model) -> dict[str, Any]:
    """What the method is told: a tenth of the edges, or a quarter of the nodes."""
    if method.name == "acdc":
        return {"threshold": 0.02}
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


def main() -> int:
    """Print the table; the exit code says whether something odd was not said."""
    parser = argparse.ArgumentParser(prog="python -m tests.campaign.defaults")
    parser.add_argument("models", nargs="*", default=list(TASKS))
    parser.add_argument("--without", nargs="*", default=[], metavar="METHOD")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    silent = 0
    print("| model | task | ablation | method | asked | chosen | kept | faithfulness | |")
    print("|---|---|---|---|---:|---:|---:|---:|---|")
    for row in rows(asked.models, asked.without):
        silent += "NOT SAID" in row[-1]
        print("| " + " | ".join(row) + " |", flush=True)
    return int(silent > 0)


if __name__ == "__main__":
    sys.exit(main())
