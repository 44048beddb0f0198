"""A node's lens over the answer space, prompts with the same answers together.

For Greater-Than these are the prompts of one start year: a map, start year by year, in which a head
that copies the start year shows as a diagonal and an MLP that raises greater years as a triangle.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from workbench.base.text import counted, printable
from workbench.base.transfers import array_of, kept_index, uploaded
from workbench.errors import WorkbenchError
from workbench.readouts.activations import Activations, RunChoice, each_run, place_of
from workbench.readouts.jacobian.lens import JacobianLens
from workbench.readouts.logit_lens import definition, frozen_outputs, node_logits
from workbench.readouts.results import Position, position_words
from workbench.readouts.runs import RUN_WORDS
from workbench.readouts.shapes import Grid

if TYPE_CHECKING:
    from workbench.experiment.experiment import Experiment

MOST_NAMED = 3
"""Answers that a row is named by, where it is not named by the one before them."""


def curve_by_answer(
    experiment: Experiment,
    node: str,
    *,
    position: Position = -1,
    run: RunChoice = "clean",
    through: JacobianLens | None = None,
    pair: int | None = None,
) -> Grid:
    """The lens of a node at every label of the answer space, by what the answers are.

    Args:
        experiment, node, position, run, through: as for `logit_lens.logit_lens`.
        pair: all prompts are read; a pair leaves those whose answers are this one's.

    Returns:
        Rows are named by the label before the answers where these are the rest of the answer space
        (for Greater-Than, the start year), else by the answers; in the order of the answer space.

    Raises:
        WorkbenchError: as `logit_lens`, or the task has no answer space.
    """
    labels = experiment.batch.answer_tokens
    if not labels:
        raise WorkbenchError("The task has no answer space, so there is no curve over it to draw.")
    if through is not None:
        through.check(experiment.model)
    runs = each_run(experiment, run, position=position)
    place = place_of(experiment, node, position, None, run)
    if pair is not None:
        place_of(experiment, node, position, pair, run)
        experiment.batch.locate(pair)
    ids = [token for _, token in labels]
    sums: dict[tuple[int, ...], Tensor] = {}
    pairs: dict[tuple[int, ...], list[int]] = {}
    for number, (sign, selections) in enumerate(runs):
        for selection in selections:
            normed = frozen_outputs(experiment, [selection], node, through)[0]
            for key, members in _groups(selection).items():
                at = uploaded(members, normed.device)
                total = sign * normed[at].sum(0)
                sums[key] = sums[key] + total if key in sums else total
                if number == 0:
                    pairs.setdefault(key, []).extend(selection.indices[i] for i in members)
    pieces = experiment.batch.encoding.pieces
    order = {token: place for place, token in enumerate(ids)}
    names: list[str] = []
    rows: list[Tensor] = []
    read = 0
    for key in sorted(sums, key=lambda key: min((order.get(t, len(ids)) for t in key), default=0)):
        if pair is not None and pair not in pairs[key]:
            continue
        logits = node_logits(experiment, [sums[key][None] / len(pairs[key])], node)
        if len(runs) > 1:
            logits = logits - node_logits(experiment, [torch.zeros_like(sums[key])[None]], node)
        names.append(_name(key, labels, order) or ", ".join(pieces(key[:MOST_NAMED])))
        rows.append((logits - logits.mean())[kept_index(tuple(ids), logits.device)])
        read += len(pairs[key])
    shown = "" if place.run == "clean" else f", {RUN_WORDS[place.run]}"
    return Grid(
        f"Lens of {node} {position_words(position)} by answers, {counted(read, 'prompt')}{shown}",
        tuple(names),
        tuple(label for label, _ in labels),
        array_of(torch.stack(rows)),
        unit="logit",
        definition=(
            "A row is the mean over the prompts with the same answers; it is named by the label "
            "before them, where they are all that come after it, else by the answers. "
            f"{definition(experiment, node, run, through)}"
        ),
    )


def _groups(selection: Activations) -> dict[tuple[int, ...], list[int]]:
    """Places of the selected pairs by their answers' ids, in order."""
    found: dict[tuple[int, ...], list[int]] = {}
    for place, answers in enumerate(selection.answers()[0]):
        found.setdefault(tuple(sorted(answers)), []).append(place)
    return found


def _name(key: tuple[int, ...], labels: tuple[tuple[str, int], ...], order: dict[int, int]) -> str:
    places = sorted(order[token] for token in key if token in order)
    if places and places == list(range(places[0], len(labels))) and places[0] > 0:
        return labels[places[0] - 1][0]
    names = [printable(labels[place][0]) for place in places[:MOST_NAMED]]
    return ", ".join(names) + (" …" if len(places) > MOST_NAMED else "")
