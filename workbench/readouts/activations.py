"""Which activations a readout reads: one pair or all, at one position, of either run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from workbench.circuits.graph import INPUT, LOGITS
from workbench.errors import WorkbenchError
from workbench.readouts.results import RUNS, Place, TokenValue
from workbench.transformer.frozen_norm import FrozenNorm

if TYPE_CHECKING:
    from workbench.experiment.experiment import Experiment
    from workbench.prompts.batch import Group
    from workbench.transformer.parts import ModelParts
    from workbench.transformer.recording import Recording, Run


@dataclass(frozen=True)
class Activations:
    """Some pairs of one group, all of one token length, at one position.

    Attributes:
        recording: both runs of the group.
        group: its tokens and answers.
        rows: the chosen pairs' places within the group.
        position: from the start of the prompts, 0 or more.
        run: one of `RUNS`.

    Glossary: docs/glossary.md#activations.
    """

    recording: Recording
    group: Group
    rows: list[int]
    position: int
    run: str

    @property
    def parts(self) -> ModelParts:
        """The model's parts."""
        return self.recording.parts

    def of_run(self, run: str) -> Activations:
        """The same place in another run."""
        return replace(self, run=run)

    def _run(self) -> tuple[Run, int]:
        """The run's record, and where the position stands in it.

        The corrupted run is recorded from the first differing position on; before, it is the
        clean one.
        """
        if self.run == "corrupted" and self.position >= self.recording.start:
            return self.recording.corrupted, self.position - self.recording.start
        return self.recording.whole, self.position

    def output(self, node: str) -> Tensor:
        """What a node wrote, [pair, d_model]; for `logits`, the final residual.

        A head writes z W_O, without the bias; an MLP its whole output; `input` the token embedding.
        Where a norm follows a layer's heads, what a head writes has gone through it with its scale
        held at the run's own, so that the heads' (and the bias's) sum is what attention added.
        """
        run, at = self._run()
        if node == INPUT:
            return run.embedding[self.rows, at]
        if node == LOGITS:
            return run.final[self.rows, at]
        place = self.parts.graph().parse_node(node)
        layer = place.layer
        if place.head is None:
            return run.layers[layer].mlp_out[self.rows, at]
        z = run.layers[layer].z[place.head][self.rows, at]
        attention = self.parts.layers[layer].attention
        written = z @ attention.w_o[place.head] * attention.multiplier
        after = self.after_attention(layer)
        if after is None:
            return written
        norm, scale = after
        return (norm.centre(written) * scale * norm.weight).to(written.dtype)

    def after_attention(self, layer: int) -> tuple[FrozenNorm, Tensor] | None:
        """The norm that follows a layer's heads and its scale [pair, 1] in this run.

        None if none does.
        """
        module = self.parts.layers[layer].post_attention
        if module is None:
            return None
        run, at = self._run()
        summed = run.layers[layer].attn_sum
        assert summed is not None, layer
        norm = FrozenNorm.of(module)
        return norm, norm.scale(summed[self.rows, at])

    def heads(self, layer: int) -> Tensor:
        """Values before W_O of all heads of a layer, [head, pair, d_head]."""
        run, at = self._run()
        return run.layers[layer].z[:, self.rows, at]

    def residual(self, layer: int) -> Tensor:
        """The residual [pair, d_model] before a layer; for the number of layers, the final one."""
        run, at = self._run()
        if layer == len(run.layers):
            return run.final[self.rows, at]
        return run.layers[layer].attn_in[self.rows, at]

    def answers(self) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:
        """Token ids of each pair's answers and wrong answers, at least one each."""
        right, wrong = self.group.answers, self.group.wrong_answers
        return [right[row] for row in self.rows], [wrong[row] for row in self.rows]


def activations(
    experiment: Experiment, *, position: int = -1, pair: int | None = None, run: str = "clean"
) -> list[Activations]:
    """The chosen pairs, group by group.

    Args:
        position: from the end of each prompt if negative, else from its start.
        pair: a pair's number, or None for all.
        run: one of `RUNS`.

    Raises:
        WorkbenchError: if the pair, the run or the position in any chosen prompt does not exist.
    """
    if run not in RUNS:
        raise WorkbenchError(f"There is no run {run!r}; choose one of: {', '.join(RUNS)}.")
    n_pairs = experiment.batch.n_pairs
    if pair is not None and not 0 <= pair < n_pairs:
        raise WorkbenchError(f"There is no pair {pair}; the task has pairs 0 to {n_pairs - 1}.")
    chosen = []
    for recording, group in zip(experiment.recordings, experiment.batch.groups, strict=True):
        if pair is None:
            rows = list(range(len(group.indices)))
        elif pair in group.indices:
            rows = [group.indices.index(pair)]
        else:
            continue
        if not -group.length <= position < group.length:
            raise WorkbenchError(
                f"Position {position} is outside of a prompt of {group.length} tokens; choose one "
                f"from 0 to {group.length - 1}, or from the end, -1 to -{group.length}."
            )
        chosen.append(Activations(recording, group, rows, position % group.length, run))
    return chosen


def place_of(experiment: Experiment, node: str, position: int, pair: int | None, run: str) -> Place:
    """What was read, for the view.

    Raises:
        WorkbenchError: if the graph has no such node.
    """
    graph = experiment.model.graph
    if node != LOGITS:
        graph.source_index(node)
    if pair is None:
        return Place(node, position, None, experiment.batch.n_pairs, run)
    clean, corrupted = experiment.batch.tokens(pair)
    token = (clean if run == "clean" else corrupted)[position]
    return Place(node, position, pair, 1, run, token)


def mean_columns(w_u: Tensor, ids: list[tuple[int, ...]]) -> Tensor:
    """Mean of the unembedding's columns over each pair's tokens, [pair, d_model], float32.

    Args:
        w_u: [d_model, vocabulary].
        ids: token ids of each pair.
    """
    flat = torch.tensor([i for row in ids for i in row], dtype=torch.long, device=w_u.device)
    owner = torch.tensor(
        [n for n, row in enumerate(ids) for _ in row], dtype=torch.long, device=w_u.device
    )
    share = torch.tensor([1 / len(row) for row in ids for _ in row], device=w_u.device)
    columns = w_u[:, flat].T.float() * share[:, None]
    return torch.zeros(len(ids), w_u.shape[0], device=w_u.device).index_add_(0, owner, columns)


def token_values(
    experiment: Experiment, values: Tensor, k: int, *, largest: bool
) -> tuple[TokenValue, ...]:
    """The k largest or smallest of values [vocabulary], with their tokens' text."""
    top = values.topk(min(k, values.shape[0]), largest=largest)
    ids = top.indices.tolist()
    texts = experiment.batch.encoding.pieces(ids)
    return tuple(map(TokenValue, texts, ids, top.values.tolist()))


def check_k(k: int) -> int:
    """k back, if that many tokens can be shown."""
    if k < 1:
        raise WorkbenchError(f"A lens shows at least one token, not {k}.")
    return k
