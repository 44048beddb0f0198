"""Why a head attends there: its score, split by who wrote what query and key read.

With the norms held at their values in the run, query and key are sums over the sources before the
head, so that the score (before the softmax, and before a cap on it) is a sum over pairs of them,

    score(i, j) = sum over s and t of (z_s(i) W_Q) R (z_t(j) W_K) / sqrt(d_head),

rotation R and biases included; what has no source (biases, position embeddings) has a row of its
own. A norm of queries or keys is held too: each of their numbers keeps the factor that it has
there; and so is the norm of a latent that they come out of. What softmax makes of a score is no
sum; what the attention becomes without a pair of sources is computed anew, exactly.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from workbench.base.numbers import wide
from workbench.base.transfers import array_of, uploaded
from workbench.circuits.circuit import Circuit, all_edges
from workbench.circuits.graph import INPUT
from workbench.circuits.names import head_name, mlp_name
from workbench.errors import WorkbenchError
from workbench.readouts.activations import Activations, RunChoice, each_run, place_of
from workbench.readouts.attention import attention_pattern
from workbench.readouts.circuit_runs import InCircuit
from workbench.readouts.results import Place, Position
from workbench.readouts.runs import RUN_WORDS
from workbench.readouts.shapes import Rows
from workbench.transformer.attention import (
    K,
    Q,
    finish_projection,
    kv_head_of,
    project_shared,
    rotate,
)
from workbench.transformer.frozen_norm import FrozenNorm

if TYPE_CHECKING:
    from workbench.experiment.experiment import Experiment
    from workbench.transformer.from_latent import FromLatent
    from workbench.transformer.parts import Layer

DEFINITION = (
    "Parts of the head's score before the softmax, q . k times its scale: what one source brings "
    "to the query times what another brings to the key, norms as in the run. Attention without: "
    "computed anew with the one left out of the query and the other out of all keys."
)
MOST = 12
"""Pairs of sources that are listed."""
Spots = dict[int, list[tuple[int, int]]]
"""By pair, positions of queries and keys."""
SUMS = 4
"""Sources that are listed for the query alone, and for the key alone."""
ANY = "all"
"""In place of a source: summed over all of them."""
CONSTANTS = "constants"
"""Row of what has no node: biases and position embeddings."""


@dataclass(frozen=True, eq=False)
class AttentionSources:
    """A head's score at a query and a key, by sources.

    Attributes:
        query, key: names of roles, or positions as text with their tokens.
        sources: of the rows and columns: nodes before the head, and what has no node.
        values: [source of the query, source of the key]; they sum to `score`.
        score: q . k times the scale, before a cap.
        attention: the weight that the key gets.
        place: of the readout; its node is the head.
        definition: one sentence, for the screen.
        spots: by pair, the positions of query and key.
    """

    query: str
    key: str
    sources: tuple[str, ...]
    values: NDArray[np.float64] = field(repr=False)
    score: float
    attention: float
    place: Place
    definition: str
    spots: Spots = field(repr=False)

    @property
    def by_query(self) -> NDArray[np.float64]:
        """[source], what each brings to the query, whatever the key."""
        return self.values.sum(axis=1)

    @property
    def by_key(self) -> NDArray[np.float64]:
        """[source], what each brings to the key, whatever the query."""
        return self.values.sum(axis=0)

    def strongest(self, n: int = MOST) -> list[tuple[str, str, float]]:
        """Pairs of sources by |part of the score|, the largest first."""
        order = np.argsort(-np.abs(self.values), axis=None, kind="stable")[:n]
        rows, columns = np.unravel_index(order, self.values.shape)
        return [
            (self.sources[r], self.sources[c], float(self.values[r, c]))
            for r, c in zip(rows, columns, strict=True)
        ]


def attention_sources(
    experiment: Experiment,
    head: str,
    *,
    query: int | str = -1,
    key: int | str | None = None,
    pair: int | None = 0,
    run: str = "clean",
) -> AttentionSources:
    """Split a head's score by the sources of query and key.

    Args:
        experiment: model, batch and recorded runs.
        head: a head's name.
        query, key: positions, from the end if negative, or names of roles; `key` None: what the
            query attends to most.
        pair: a pair's number, or None for the mean over the pairs that have both roles, and over
            their positions there.
        run: `clean`, `corrupted`, or `clean-corrupted`, the difference.

    Raises:
        WorkbenchError: there is no such head, pair, role or position, the key is after the query,
            or the run is of a circuit.
    """
    if run not in ("clean", "corrupted", "clean-corrupted"):
        said = f"{RUN_WORDS[run]} cannot" if run in RUN_WORDS else f"there is no run {run!r} to"
        raise WorkbenchError(
            f"Scores split by sources are of clean or corrupted prompts: {said} be."
        )
    node = experiment.graph.parse_node(head)
    if node.head is None:
        raise WorkbenchError(f"Only heads attend, not {head}.")
    place = place_of(experiment, head, -1, pair, run)
    spots, names = _spots(experiment, head, query, key, pair)
    values: Tensor | None = None
    sources: tuple[str, ...] = ()
    for index, at in spots.items():
        one = torch.zeros(())
        for i, j in at:
            for sign, (left,), (right,) in _sides(experiment, run, index, i, j):
                sources, part = _parts(left, right, node.layer, node.head)
                one = one + sign * part
        values = one / len(at) if values is None else values + one / len(at)
    assert values is not None
    whole = array_of((values / len(spots)).double())
    return AttentionSources(
        query=names[0],
        key=names[1],
        sources=sources,
        values=whole,
        score=float(whole.sum()),
        attention=_attention(experiment, head, spots, run),
        place=place,
        definition=DEFINITION,
        spots=spots,
    )


def why_rows(
    experiment: Experiment,
    head: str,
    *,
    position: Position = -1,
    pair: int | None = 0,
    run: str = "clean",
) -> Rows:
    """The strongest parts of a head's score from a position to what it attends to most.

    For the mean over pairs, from the role of the position in the first pair.

    Raises:
        WorkbenchError: as of `attention_sources`.
    """
    query = position
    if pair is None and isinstance(position, int):
        (at,) = _positions(experiment, position, 0)
        query = experiment.batch.roles.at(0)[at]
    found = attention_sources(experiment, head, query=query, pair=pair, run=run)
    title = f"{head} from {found.query} to {found.key}: attention {found.attention:.3f}"
    rows = [(one, other, f"{part:+.3f}") for one, other, part in found.strongest()]
    for values, place in ((found.by_query, 0), (found.by_key, 1)):
        order = np.argsort(-np.abs(values), kind="stable")[:SUMS]
        for i in order:
            names = (found.sources[i], ANY) if place == 0 else (ANY, found.sources[i])
            rows.append((*names, f"{values[i]:+.3f}"))
    rows.append((ANY, ANY, f"{found.score:+.3f}"))
    return Rows(title, ("query reads", "key reads", "part"), tuple(rows), found.definition)


def attention_without(
    experiment: Experiment, found: AttentionSources, source: str, other: str
) -> float:
    """What the key gets of the attention, without what two sources bring.

    The head's query no longer reads `source` and its key no longer `other`: both edges carry what
    they do on the corrupted prompts. Of constants nothing can be left out.

    Args:
        found: of the clean run; says at which positions.
        source, other: of the query and of the key, names of `found.sources`.

    Raises:
        WorkbenchError: `found` is of another run.
    """
    if found.place.run != "clean":
        raise WorkbenchError("What an attention becomes is told of the clean prompts alone.")
    head, graph = found.place.node, experiment.graph
    mask = all_edges(graph)
    for name, which in ((source, "q"), (other, "k")):
        if name != CONSTANTS:
            s, d = graph.parse_edge(f"{name}->{head}<{which}>")
            mask[s, d] = False
    run = InCircuit(Circuit(graph, mask))
    return _attention(experiment, head, found.spots, run)


def _attention(experiment: Experiment, head: str, spots: Spots, run: RunChoice) -> float:
    """The mean weight of the keys at these positions."""
    weights = []
    for index, at in spots.items():
        pattern = attention_pattern(experiment, head, pair=index, run=run).weights
        weights.append(sum(float(pattern[i, j]) for i, j in at) / len(at))
    return float(np.mean(weights))


def _spots(
    experiment: Experiment, head: str, query: int | str, key: int | str | None, pair: int | None
) -> tuple[Spots, tuple[str, str]]:
    batch = experiment.batch
    if pair is not None:
        batch.locate(pair)
    chosen = range(batch.n_pairs) if pair is None else (pair,)
    if key is None:
        key = _most_attended(experiment, head, query, pair)
    spots: Spots = {}
    for index in chosen:
        queries, keys = (_positions(experiment, where, index) for where in (query, key))
        at = [(i, j) for i in queries for j in keys if j <= i]
        if at:
            spots[index] = at
    if not spots:
        raise WorkbenchError(
            f"No query at {query} sees a key at {key}: a head looks backward only, and some pair "
            "has to have both."
        )
    return spots, (_name(experiment, query, pair), _name(experiment, key, pair))


def _positions(experiment: Experiment, where: int | str, pair: int) -> Sequence[int]:
    length = experiment.batch.locate(pair)[0].length
    if isinstance(where, str):
        return experiment.batch.roles.positions(where, pair)
    if not -length <= where < length:
        raise WorkbenchError(f"There is no position {where} in a prompt of {length} tokens.")
    return (where % length,)


def _most_attended(
    experiment: Experiment, head: str, query: int | str, pair: int | None
) -> int | str:
    pattern = attention_pattern(experiment, head, pair=pair)
    if pair is None:
        roles = experiment.batch.roles
        row = roles.of_pairs[0][query] if isinstance(query, int) else roles.index(query)
        return roles.names[int(pattern.weights[row].argmax())]
    rows = _positions(experiment, query, pair)
    if not rows:
        raise WorkbenchError(f"Pair {pair + 1} has no role {query}.")
    return int(pattern.weights[list(rows)].sum(axis=0).argmax())


def _name(experiment: Experiment, where: int | str, pair: int | None) -> str:
    if isinstance(where, str) or pair is None:
        return str(where)
    return f"{where} {experiment.batch.tokens(pair)[0][where]}"


def _sides(
    experiment: Experiment, run: str, pair: int, query: int, key: int
) -> Iterator[tuple[float, list[Activations], list[Activations]]]:
    """The query's and the key's position in each run that is read, with its sign."""
    left = each_run(experiment, run, position=query, pair=pair)
    right = each_run(experiment, run, position=key, pair=pair)
    for (sign, at_query), (_, at_key) in zip(left, right, strict=True):
        yield sign, at_query, at_key


def _parts(
    query: Activations, key: Activations, layer: int, head: int
) -> tuple[tuple[str, ...], Tensor]:
    """Sources, and [source, source] of one pair."""
    names, left = _projected(query, layer, head, Q)
    _, right = _projected(key, layer, head, K)
    return names, (left @ right.T) * query.parts.layers[layer].attention.scale


def _projected(
    at: Activations, layer: int, head: int, which: int
) -> tuple[tuple[str, ...], Tensor]:
    """What each source brings to a query or key, rotated, [source, d_head]; float32."""
    own = at.parts.layers[layer]
    attention, norm = own.attention, _norm(own)
    residual = at.residual(layer)
    names, written = zip(*_written(at, layer), strict=True)
    known = torch.cat(written)
    rows = torch.cat([known, wide(residual) - known.sum(0, keepdim=True)])
    normed = rows if norm is None else norm.centre(rows) * norm.scale(residual) * norm.weight
    of = head if which == Q else kv_head_of(attention, head)
    projected = normed @ wide(attention.weight(which)[of])
    projected[-1:] += _constant(own, which, of, norm)
    latent = attention.latent(which)
    if latent is None:
        projected = projected * _held(own, which, of, residual, projected.sum(0))
    else:
        projected = _of_latent(latent, of, projected)
    if attention.rotary is not None:
        place = uploaded([at.position], projected.device)
        cos, sin = attention.rotary(place)
        projected = wide(rotate(projected[:, None], cos, sin, attention.interleaved)[:, 0])
    return (*names, CONSTANTS), projected


def _written(at: Activations, layer: int) -> Iterator[tuple[str, Tensor]]:
    """What every node before a layer's attention writes, [pair, d_model], in order."""
    yield INPUT, wide(at.output(INPUT))
    for index in range(layer):
        heads = len(at.parts.layers[index].attention.w_q)
        for name in (*(head_name(index, head) for head in range(heads)), mlp_name(index)):
            yield name, wide(at.output(name))


def _norm(layer: Layer) -> FrozenNorm | None:
    """The norm before attention; None where there is none (OLMo 2)."""
    return None if isinstance(layer.norm1, nn.Identity) else FrozenNorm.of(layer.norm1)


def _constant(layer: Layer, which: int, head: int, norm: FrozenNorm | None) -> Tensor:
    """What the norm's bias and the projection's own bring, [1, d_head]."""
    weight, bias = wide(layer.attention.weight(which)[head]), layer.attention.bias(which)
    found = weight.new_zeros(1, weight.shape[-1])
    if norm is not None and norm.bias is not None:
        found = found + norm.bias @ weight
    return found if bias is None else found + wide(bias[head])


def _of_latent(latent: FromLatent, head: int, rows: Tensor) -> Tensor:
    """What a head makes of each source's share of a latent [source, rank and beside].

    The latent's norm is held, too, at what all of them together make of it.
    """
    norm, own = FrozenNorm.of(latent.norm), rows[:, : latent.rank]
    normed = norm.centre(own) * norm.scale(own.sum(0)) * norm.weight
    return torch.cat((rows[:, latent.rank :], normed @ wide(latent.up[head])), dim=-1)


def _held(layer: Layer, which: int, head: int, residual: Tensor, total: Tensor) -> Tensor:
    """The factor [d_head] that a norm of queries or keys gives each of their numbers here."""
    attention = layer.attention
    if attention.steps[which] is None and attention.joint[which] is None:
        return torch.ones_like(total)
    projected = project_shared(attention, which, layer.norm1(residual)[:, None, None], None)
    finished = wide(finish_projection(attention, which, projected, None, None)[head].flatten())
    return torch.where(total == 0, torch.ones_like(total), finished / total)
