"""A node's lens in the circuit beside the model's: which tokens it still promotes there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from workbench.base.transfers import on_host
from workbench.errors import WorkbenchError
from workbench.readouts.activations import check_k, each_run, note, place_of
from workbench.readouts.circuit_runs import InCircuit
from workbench.readouts.jacobian.lens import JacobianLens
from workbench.readouts.logit_lens import definition, frozen_outputs, node_logits
from workbench.readouts.results import Position, position_words
from workbench.readouts.shapes import Rows
from workbench.readouts.target import Target

if TYPE_CHECKING:
    from workbench.experiment.experiment import Experiment
    from workbench.readouts.activations import RunChoice

DIGITS = 4
"""Decimals of a logit."""


def beside_circuit(
    experiment: Experiment,
    node: str,
    *,
    position: Position = -1,
    pair: int | None = None,
    k: int = 8,
    run: RunChoice = "circuit",
    target: Target | None = None,
    through: JacobianLens | None = None,
) -> Rows:
    """The tokens that a node raises and lowers most in the model or in the circuit, with both.

    Args:
        experiment, node, position, pair, through: as for `logit_lens.logit_lens`.
        k: how many tokens on each side, of each run.
        run: `InCircuit(circuit)`.
        target: tokens that are listed whatever they are.

    Raises:
        WorkbenchError: as `logit_lens`, or no circuit is given.
    """
    check_k(k)
    if not isinstance(run, InCircuit):
        raise WorkbenchError("To read what a circuit writes, name the circuit: InCircuit(circuit).")
    if through is not None:
        through.check(experiment.model)
    place = place_of(experiment, node, position, pair, run, target)
    both: list[Tensor] = []
    for choice in ("clean", InCircuit(run.circuit)):
        ((_, selections),) = each_run(experiment, choice, position=position, pair=pair)
        logits = node_logits(
            experiment, frozen_outputs(experiment, selections, node, through), node
        )
        both.append(on_host(logits - logits.mean()))
    model, circuit = both
    named = [
        t for side in ((target.answers, target.distractors) if target else ()) for t in side or ()
    ]
    chosen = list(dict.fromkeys([*(token for token, _ in named), *_extremes(both, k)]))
    head = chosen[: len(named)]
    rest = sorted(chosen[len(named) :], key=lambda token: -float(model[token]))
    ids = [*head, *rest]
    rows = tuple(
        (text, *map(_told, (model[i], circuit[i], circuit[i] - model[i])))
        for text, i in zip(experiment.batch.encoding.pieces(ids), ids, strict=True)
    )
    lens = "Logit lens" if through is None else "Jacobian lens"
    of = f"prompt {pair + 1}" if pair is not None else f"mean of {place.n_pairs}"
    return Rows(
        f"{lens} of {node} {position_words(position)} in model and circuit, {of}",
        ("token", "model", "circuit", "difference"),
        rows,
        definition(experiment, node, "clean", through) + note(InCircuit(run.circuit)),
    )


def _told(value: Tensor) -> str:
    return f"{round(float(value), DIGITS) + 0.0:.{DIGITS}f}"  # no negative zero


def _extremes(both: list[Tensor], k: int) -> list[int]:
    """The tokens that either raises or lowers most."""
    found: list[int] = []
    for logits in both:
        for largest in (True, False):
            top = torch.topk(logits, min(k, len(logits)), largest=largest)
            found += top.indices.tolist()
    return found
