"""All pairs of an experiment, one by one: what the model and a circuit make of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from workbench.base.numbers import wide
from workbench.base.transfers import array_of, kept_index
from workbench.engine.evaluator import Evaluator
from workbench.engine.pair_row import PairRow
from workbench.engine.trial_results import TokenChance
from workbench.experiment.faithfulness import faithfulness
from workbench.transformer.forward import unembed

if TYPE_CHECKING:
    from workbench.circuits.circuit import Circuit
    from workbench.experiment.experiment import Experiment
    from workbench.prompts.batch import Group

LOGITS_AT_ONCE = 2**22
"""Logits that are held at once: 16 MiB in float32."""


def pair_rows(experiment: Experiment, circuit: Circuit) -> tuple[PairRow, ...]:
    """What the model and a circuit make of every pair, in the task's order.

    Raises:
        WorkbenchError: the circuit belongs to another model.
    """
    return rows_of(experiment, Evaluator(experiment, circuit))


def rows_of(experiment: Experiment, evaluator: Evaluator) -> tuple[PairRow, ...]:
    """The same of a circuit that is evaluated already."""
    per_pair = evaluator.value().per_pair
    clean, corrupted = experiment.clean.per_pair, experiment.corrupted.per_pair
    better_small = experiment.metric_name == "kl"
    rows: dict[int, PairRow] = {}
    groups = zip(
        experiment.batch.groups, experiment.recordings, evaluator.sheets, strict=True
    )  # fmt: skip
    for group, recording, sheet in groups:
        in_model = list(_seen(experiment, group, recording.clean.final[:, -1]))
        in_circuit = list(_seen(experiment, group, sheet.final.reshape(len(in_model), -1)))
        for place, one, other in zip(group.indices, in_model, in_circuit, strict=True):
            pair = experiment.batch.task.pairs[place]
            short = clean[place] - per_pair[place]
            rows[place] = PairRow(
                index=place,
                clean_prompt=pair.clean,
                answer=pair.answers[0] if pair.answers else "",
                clean=clean[place],
                corrupted=corrupted[place],
                circuit=per_pair[place],
                shortfall=-short if better_small else short,
                faithfulness=faithfulness(per_pair[place], clean[place], corrupted[place]),
                model_rank=one[0],
                circuit_rank=other[0],
                model_top=one[1],
                circuit_top=other[1],
            )
    return tuple(rows[place] for place in sorted(rows))


@torch.no_grad()
def _seen(
    experiment: Experiment, group: Group, finals: Tensor
) -> Iterator[tuple[int, TokenChance]]:
    """The best answer's rank and the likeliest token of each pair's final residual."""
    at_once = max(1, LOGITS_AT_ONCE // experiment.parts.w_u.shape[1])
    for first in range(0, len(finals), at_once):
        logits = wide(unembed(experiment.parts, finals[first : first + at_once]))
        top, tokens = logits.max(-1)
        chances = (top - logits.logsumexp(-1)).exp()
        answers = group.answers[first : first + at_once]
        read = [x.double() for x in (tokens, chances, top, _ranks(logits, answers))]
        named, chance, value, rank = array_of(torch.stack(read)).tolist()
        ids = [int(token) for token in named]
        texts = experiment.batch.encoding.pieces(ids)
        tops = map(TokenChance, texts, ids, chance, value)
        ranks = [int(r) if own else 0 for r, own in zip(rank, answers, strict=True)]
        yield from zip(ranks, tops, strict=True)


def _ranks(logits: Tensor, answers: Sequence[tuple[int, ...]]) -> Tensor:
    """The best answer's rank of each pair, [pair]; of no meaning without answers."""
    best = torch.stack(
        [
            row[kept_index(tuple(ids), row.device)].max() if ids else row.new_full((), -torch.inf)
            for row, ids in zip(logits, answers, strict=True)
        ]
    )
    return (logits > best[:, None]).sum(-1) + 1
