"""What single components say on each prompt by themselves: their writes, unembedded.

No final norm is applied: a norm's scale is the same for all tokens, and ranks and shares of the
largest logit do not depend on it but for its weights. Of a head the write is z W_O, of a neuron its
activation times its row of the MLP's output matrix, both at one position of the prompts: the last,
unless another, or a role, is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from workbench.base.numbers import wide
from workbench.base.transfers import array_of, kept_index, on_host, uploaded
from workbench.transformer.neurons import with_neurons
from workbench.transformer.parts import ModelParts

if TYPE_CHECKING:
    from workbench.experiment.experiment import Experiment
    from workbench.readouts.activations import Activations

SignedRuns = Sequence[tuple[float, "Sequence[Activations]"]]
"""What is read of each run, with its sign: one run, or two for their difference."""

NEURONS_AT_ONCE = 512
"""Neurons that are unembedded at once."""


@dataclass(frozen=True)
class Prompts:
    """Prompts of an experiment in classes by their answers.

    Attributes:
        indices: which pairs.
        classes: the answer sets as text.
        of: [prompt], each one's class.
        right, wrong: bool [prompt, answer], among the `answers`.
        answers: token ids that are an answer of any prompt.
        own: bool [class, answer], the answers of each class.
    """

    indices: tuple[int, ...]
    classes: tuple[str, ...]
    of: Tensor
    right: Tensor
    wrong: Tensor
    answers: Tensor
    own: Tensor

    def some(self, indices: Sequence[int]) -> Prompts:
        """Some of them, with the same classes."""
        places = [self.indices.index(i) for i in indices]
        rows = (self.of[places], self.right[places], self.wrong[places])
        return Prompts(tuple(indices), self.classes, *rows, self.answers, self.own)

    @cached_property
    def counts(self) -> Tensor:
        """[class], how many prompts each has."""
        return torch.bincount(self.of, minlength=len(self.classes))

    def by_class(self, values: Tensor) -> Tensor:
        """Means [..., class] of values [..., prompt]."""
        member = torch.nn.functional.one_hot(self.of, len(self.classes)).to(values)
        return values @ member / self.counts.clamp(min=1).to(values)


@dataclass(frozen=True)
class Sayings:
    """What components say of prompts' answers.

    Attributes:
        best_right, best_wrong: [component, prompt], logits of the best answers.
        rank: [component, prompt], of the best right answer among all tokens, from 1.
        promotes: bool [component, prompt, class]: the class's best answer has the share.
        promotes_wrong: bool [component, prompt].
    """

    best_right: Tensor
    best_wrong: Tensor
    rank: Tensor
    promotes: Tensor
    promotes_wrong: Tensor


def prompts_of(
    experiment: Experiment, most: int, least: int, indices: Sequence[int] | None = None
) -> Prompts:
    """An experiment's pairs, or some of them, in classes by their answers.

    Where there are more classes than `most`, or one has fewer than `least` prompts, all are one.
    """
    chosen = tuple(range(experiment.n_pairs)) if indices is None else tuple(indices)
    batch = experiment.batch
    rows: dict[int, tuple[tuple[int, ...], tuple[int, ...]]] = {}
    for group in batch.groups:
        rows |= dict(
            zip(group.indices, zip(group.answers, group.wrong_answers, strict=True), strict=True)
        )
    pairs = [rows[i] for i in chosen]
    names: dict[tuple[int, ...], str] = {}
    for (right, _), i in zip(pairs, chosen, strict=True):
        pair = batch.task.pairs[i]
        names.setdefault(right, "".join(pair.answers[:1]) + (" …" if right[1:] else ""))
    sizes = {right: sum(one == right for one, _ in pairs) for right in names}
    if len(names) > most or min(sizes.values()) < least:
        names, key = {(): "all"}, lambda right: ()
    else:
        key = lambda right: right  # noqa: E731
    order = list(names)
    answers = sorted({token for pair in pairs for side in pair for token in side})
    place = {token: i for i, token in enumerate(answers)}

    def mask(sides: Sequence[Sequence[int]]) -> Tensor:
        found = torch.zeros(len(sides), len(answers), dtype=torch.bool)
        for i, side in enumerate(sides):
            found[i, [place[token] for token in side]] = True
        return found

    of = torch.tensor([order.index(key(right)) for right, _ in pairs])
    own = torch.zeros(len(order), len(answers), dtype=torch.bool)
    is_right = mask([pair[0] for pair in pairs])
    for c in range(len(order)):
        own[c] = is_right[of == c].any(0)
    return Prompts(
        chosen,
        tuple(names.values()),
        of,
        is_right,
        mask([pair[1] for pair in pairs]),
        torch.tensor(answers),
        own,
    )


def in_order(by_group: Sequence[Tensor], numbers: Iterable[int], indices: Sequence[int]) -> Tensor:
    """Rows [pair, ...] of each group as those of some pairs of the task, [prompt, ...].

    Args:
        numbers: of the pairs whose rows they are, one group after the other.
        indices: the pairs that are wanted.
    """
    place = {number: row for row, number in enumerate(numbers)}
    return torch.cat(list(by_group))[
        kept_index(tuple(place[i] for i in indices), by_group[0].device)
    ]


def head_writes(read: SignedRuns, layer: int, indices: Sequence[int]) -> Tensor:
    """What each head of a layer writes where it is read, float32 [head, prompt, d_model]."""
    parts = read[0][1][0].parts
    attention = parts.layers[layer].attention
    each = [
        wide(in_order([one.heads(layer).transpose(0, 1) for one in run], _numbers(run), indices))
        * sign
        for sign, run in read
    ]
    z = torch.stack(each).sum(0).transpose(0, 1)
    # Without blocks beside the residual: what it writes, whatever a reader is given of it.
    w_o = wide(attention.w_o[..., : len(parts.w_u)])
    return torch.bmm(z, w_o) * attention.multiplier


def _numbers(read: Sequence[Activations]) -> list[int]:
    return [index for selection in read for index in selection.indices]


def neurons_of(
    read: SignedRuns, layer: int, indices: Sequence[int]
) -> tuple[Tensor, Tensor] | None:
    """A layer's neurons: activations [prompt, neuron] and output rows [neuron, d_model].

    Both float32, activations where they are read; None where the layer has no one set of neurons.
    """
    tapped = with_neurons(read[0][1][0].parts.layers[layer])
    if tapped is None:
        return None
    tap = tapped[1]
    with torch.no_grad():
        each = [
            wide(in_order([one.neurons(layer) for one in run], _numbers(run), indices)) * sign
            for sign, run in read
        ]
    linear = getattr(tap.linear, "linear", tap.linear)
    weight = linear.weight
    assert isinstance(weight, Tensor)
    # A Conv1D's weight is [in, out], a Linear's [out, in].
    rows = weight if type(linear).__name__ == "Conv1D" else weight.T
    return torch.stack(each).sum(0), wide(rows)


def say(parts: ModelParts, writes: Tensor, prompts: Prompts, share: float) -> Sayings:
    """What components say that write this, [component, prompt, d_model]."""
    found = [_one(parts, rows, prompts, share) for rows in writes]
    return Sayings(*(torch.stack(values) for values in zip(*found, strict=True)))


def _one(parts: ModelParts, rows: Tensor, prompts: Prompts, share: float) -> tuple[Tensor, ...]:
    logits = rows @ wide(parts.w_u)
    top = logits.amax(-1)
    own = on_host(logits[:, uploaded(prompts.answers, logits.device)])
    right, wrong = _best(own, prompts.right), _best(own, prompts.wrong)
    rank = on_host((logits > uploaded(right, logits.device)[:, None]).sum(-1)) + 1
    bar = share * on_host(top)
    of_class = torch.stack([_best(own, mask.expand_as(own)) for mask in prompts.own], -1)
    # What writes nothing promotes nothing, as where the two runs do not differ.
    active = on_host(logits.abs().amax(-1)) > 0
    promotes = (of_class >= bar[:, None]) & active[:, None]
    return right, wrong, rank, promotes, (wrong >= bar) & active


def _best(logits: Tensor, mask: Tensor) -> Tensor:
    return logits.masked_fill(~mask, float("-inf")).amax(-1)


@dataclass(frozen=True)
class NeuronSayings:
    """Neurons of a layer that have an answer among their extreme tokens, and what they say.

    Attributes:
        index: [neuron], which they are.
        sayings: of them.
    """

    index: Tensor
    sayings: Sayings


def say_neurons(
    parts: ModelParts,
    acts: Tensor,
    rows: Tensor,
    prompts: Prompts,
    share: float,
    extreme: int,
) -> Iterator[NeuronSayings]:
    """What neurons say, some at a time; what a neuron says but for its size is in its sign.

    Args:
        acts: [prompt, neuron].
        rows: [neuron, d_model].
        extreme: an answer has to be among so many likeliest or unlikeliest tokens of the row.
    """
    answers = uploaded(prompts.answers, rows.device)
    for start in range(0, len(rows), NEURONS_AT_ONCE):
        logits = rows[start : start + NEURONS_AT_ONCE] @ wide(parts.w_u)
        own = logits[:, answers]
        # How many tokens stand before each answer, counted from either end.
        above = torch.stack([(logits > own[:, a : a + 1]).sum(-1) for a in range(len(answers))], -1)
        below = torch.stack([(logits < own[:, a : a + 1]).sum(-1) for a in range(len(answers))], -1)
        some = array_of(((above < extreme) | (below < extreme)).any(-1))
        chosen = uploaded(np.flatnonzero(some), rows.device)
        ends = on_host(torch.stack([logits.amax(-1), -logits.amin(-1)], -1)[chosen])
        signed = on_host(acts[:, start + chosen].T)
        own, above, below = (on_host(x[chosen]) for x in (own, above, below))
        yield NeuronSayings(
            start + on_host(chosen), _signed(signed, own, above, below, ends, prompts, share)
        )


def _signed(
    acts: Tensor,
    own: Tensor,
    above: Tensor,
    below: Tensor,
    ends: Tensor,
    prompts: Prompts,
    share: float,
) -> Sayings:
    """Sayings of neurons: activations [neuron, prompt], answers' logits [neuron, answer]."""
    positive = (acts > 0)[:, :, None]
    logits = acts[:, :, None] * own[:, None]
    ranks = torch.where(positive, above[:, None], below[:, None]) + 1
    top = acts.abs() * torch.where(positive[..., 0], ends[:, None, 0], ends[:, None, 1])
    right = _best(logits, prompts.right.expand_as(logits))
    wrong = _best(logits, prompts.wrong.expand_as(logits))
    hidden = torch.iinfo(ranks.dtype).max
    rank = ranks.masked_fill(~prompts.right.expand_as(ranks), hidden).amin(-1)
    of_class = torch.stack([_best(logits, mask.expand_as(logits)) for mask in prompts.own], -1)
    active = acts != 0
    bar = share * top
    return Sayings(
        right,
        wrong,
        rank,
        (of_class >= bar[..., None]) & active[..., None],
        (wrong >= bar) & active,
    )
