"""A run in which every edge has a real number: how much of its difference it carries.

With a mask M [source, destination] in place of a circuit's yes and no, a destination reads

    x_d = r'_stage(d) + sum over sources s of M(s, d) D_s,    D_s = z_s - z'_s,

where z_s is computed from s's own masked inputs. All ones are the clean run, zeros the corrupted
one, and a mask of zeros and ones is worth what `Evaluator` says. Where a norm follows a layer's
heads, the destination's view of that layer is the norm of their masked sum (`post_norm`). Of edges
at roles M is [role, source, destination], and a position's numbers are those of its role.

The gradient is taken stage by stage from the end, each stage's inputs being summed anew from the
kept D: beside what the sources wrote, and the gradients there, one stage is in memory at a time.
Both ways are work in pieces of a stage each, so that many pairs can be taken together.
Nodes that no edge of a mask other than zero connects to both ends are not computed, and those that
are read at the last position alone are computed there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workbench.base.numbers import wide, wide_type
from workbench.base.transfers import array_of, kept_index, uploaded
from workbench.base.work import Work, finish
from workbench.circuits.graph import Graph
from workbench.engine.node_math import at_positions, head_outputs, head_values, project
from workbench.engine.plan import Plan, Positions, make_plan
from workbench.engine.post_norm import summed
from workbench.engine.recorded_residuals import residuals
from workbench.transformer.attention import K, Q, V
from workbench.transformer.recording import Recording

# What a run and its gradient take beside D and its gradient, in units of a stage's q, k and v
# inputs: the inputs, what their norm keeps, the projections, and the gradients of all that.
_STAGE_COPIES = 10


def pair_bytes(graph: Graph, recording: Recording) -> int:
    """Bytes that a run with its gradient takes for one pair when every edge carries something."""
    final = recording.clean.final
    rows = 2 * graph.n_sources + _STAGE_COPIES * graph.head_inputs_per_layer
    return rows * recording.n_positions * recording.parts.d_model * final.element_size()


@dataclass(frozen=True)
class _Job:
    """Nodes of one stage that are computed together.

    Attributes:
        layer: of the nodes.
        heads: which heads they are; None: it is the MLP.
        slots: where their D stand.
        positions: those at which they write.
        reads: the columns that they read, and at which positions: q (or the MLP's) first.
        parents: how many slots, the first so many, may feed them.
    """

    layer: int
    heads: list[int] | None
    slots: Tensor
    positions: int
    reads: list[tuple[NDArray[np.int64], int]]
    parents: int


class MaskedRun:
    """One masked run of a group of pairs.

    Args:
        graph, recording: the model's graph and both runs of the pairs.
        mask: float [source, destination], or [role, source, destination]; zero where there is no
            edge.

    """

    def __init__(self, graph: Graph, recording: Recording, mask: Tensor) -> None:
        self.graph = graph
        self.recording = recording
        by_role = mask.ndim == 3
        mask = mask if by_role else mask[None]
        carrying = array_of((mask != 0).any(0))
        plan = make_plan(graph, carrying, np.zeros(graph.n_destinations, dtype=bool))
        wanted = plan.live & (plan.need > Positions.NONE)
        wanted[0] = True  # the plan does not ask for the input, which is always there
        self._sources = np.flatnonzero(wanted)
        like = recording.clean.final
        self._index = uploaded(self._sources, like.device)
        self._mask = uploaded(mask, like.device, like.dtype)[:, self._index]
        self._rows = _Rows(len(mask), recording.role_of if by_role else None, like.device)
        self._jobs = list(self._make_jobs(plan))
        # The mask of what is added as it is, and the layers whose heads go through a norm.
        self._plain = self._mask.clone()
        self._normed: list[tuple[int, slice]] = []
        for index, layer in enumerate(recording.parts.layers):
            heads = graph.head_rows(index)
            slots = slice(*np.searchsorted(self._sources, [heads.start, heads.stop]))
            if layer.post_attention is not None and slots.stop > slots.start:
                self._plain[:, slots] = 0
                self._normed.append((index, slots))
        with torch.no_grad():
            self._added = like.new_zeros(
                len(self._sources), recording.n_pairs, recording.n_positions, like.shape[-1]
            )
            self._added[0] = recording.clean.embedding - recording.corrupted.embedding
        self._final: Tensor | None = None

    @property
    def final(self) -> Tensor:
        """The last residual at the last position, [pair, d_model]."""
        return finish(self.running()) if self._final is None else self._final

    def running(self) -> Work[Tensor]:
        """Compute it, stage by stage."""
        for number, job in enumerate(self._jobs):
            with torch.no_grad():
                wrote = self._compute(job, [self._input(job.parents, *read) for read in job.reads])
                self._added[job.slots, :, -wrote.shape[2] :] = wrote
            yield (number + 1) / len(self._jobs)
        with torch.no_grad():
            self._final = self._input(*self._logits)[0, :, -1]
        return self._final

    @property
    def _logits(self) -> tuple[int, NDArray[np.int64], int]:
        return len(self._sources), np.array([self.graph.logits_destination]), Positions.LAST

    def _make_jobs(self, plan: Plan) -> Iterator[_Job]:
        graph = self.graph
        slot = {int(source): i for i, source in enumerate(self._sources)}
        for stage in graph.stages[:-1]:
            parents = int(np.searchsorted(self._sources, stage.parents))
            if stage.kind == "mlp":
                source = graph.mlp_source(stage.layer)
                if source in slot:
                    positions = int(plan.need[source])
                    reads = [(np.array([stage.columns.start]), positions)]
                    yield _Job(
                        stage.layer, None, self._slots([slot[source]]), positions, reads, parents
                    )
                continue
            for positions in (Positions.LAST, Positions.ALL):
                heads = [
                    head
                    for head, source in enumerate(graph.head_sources(stage.layer))
                    if source in slot and plan.need[source] == positions
                ]
                if not heads:
                    continue
                q, k, v = (
                    np.array([graph.head_destination(stage.layer, which, head) for head in heads])
                    for which in (Q, K, V)
                )
                slots = self._slots([slot[graph.head_source(stage.layer, h)] for h in heads])
                # One sum for all three where they are wanted at the same positions.
                if positions == Positions.ALL:
                    reads = [(np.concatenate((q, k, v)), Positions.ALL)]
                else:
                    reads = [(q, Positions.LAST), (np.concatenate((k, v)), Positions.ALL)]
                yield _Job(stage.layer, heads, slots, positions, reads, parents)

    def _slots(self, places: list[int]) -> Tensor:
        return kept_index(tuple(places), self._mask.device)

    def _input(self, parents: int, columns: NDArray[np.int64], positions: int) -> Tensor:
        """What destinations of one stage read, [destination, pair, position or 1, d_model]."""
        corrupted = residuals(self.graph, self.recording, int(columns[0]), positions)[1][:, 0]
        into = self._index_of(columns)
        x = corrupted + self._rows.sum(
            self._plain[:, :parents, into], at_positions(self._added[:parents], positions)
        )
        for layer, slots in self._normed:
            if slots.stop > parents:
                break
            norm = self.recording.parts.layers[layer].after_attention
            without = summed(self.recording.corrupted, layer, positions)[:, 0]
            x += norm(self._attention_sum(layer, slots, columns, positions)) - norm(without)
        return x

    def _attention_sum(
        self, layer: int, slots: slice, columns: NDArray[np.int64], positions: int
    ) -> Tensor:
        """What destinations see of a layer's heads before the norm that follows them."""
        without = summed(self.recording.corrupted, layer, positions)[:, 0]
        return without + self._rows.sum(
            self._mask[:, slots, self._index_of(columns)],
            at_positions(self._added[slots], positions),
        )

    def _index_of(self, columns: NDArray[np.int64]) -> Tensor:
        """Destinations as an index on the device."""
        return kept_index(tuple(columns.tolist()), self._mask.device)

    def _compute(self, job: _Job, inputs: list[Tensor]) -> Tensor:
        """D of a job's nodes, [node, pair, position or 1, d_model], from what they read."""
        recording, index, positions = self.recording, job.layer, job.positions
        layer, corrupted = recording.parts.layers[index], recording.corrupted.layers[index]
        if job.heads is None:
            return (layer.run_mlp(inputs[0][0]) - at_positions(corrupted.mlp_out, positions))[None]
        pieces = [piece for x in inputs for piece in layer.norm1(x).split(len(job.heads))]
        q, k, v = (
            project(recording, index, which, job.heads, piece[:, :, None], shared=False)
            for which, piece in zip((Q, K, V), pieces, strict=True)
        )
        z = head_values(recording, index, job.heads, q, k, v)
        without = at_positions(
            corrupted.z[kept_index(tuple(job.heads), self._mask.device)], positions
        )[:, :, None]
        return head_outputs(recording, index, job.heads, z - without)[:, :, 0]

    def gradient(self, at_final: Tensor) -> Tensor:
        """The gradient at the mask, float32 and of its shape, from that at `final`.

        It is zero at the edges of nodes that the mask cuts off from an end.
        """
        return finish(self.going_back(at_final))

    def going_back(self, at_final: Tensor) -> Work[Tensor]:
        """The same, stage by stage; after the run."""
        gradient = _Gradient(
            torch.zeros_like(self._added),
            self._mask.new_zeros(self._mask.shape, dtype=wide_type(self._added.dtype)),
        )
        self._back(gradient, at_final[None, :, None], *self._logits)
        for number, job in enumerate(reversed(self._jobs)):
            yield number / len(self._jobs)
            with torch.no_grad():
                inputs = [self._input(job.parents, *read) for read in job.reads]
            with torch.enable_grad():
                wrote = self._compute(job, [x.requires_grad_() for x in inputs])
            above = at_positions(gradient.added[job.slots], job.positions)
            below = torch.autograd.grad(wrote, inputs, above)
            for read, at_input in zip(job.reads, below, strict=True):
                self._back(gradient, at_input, job.parents, *read)
        shape = len(self._mask), self.graph.n_sources, self.graph.n_destinations
        out = gradient.mask.new_zeros(shape)
        out[:, self._index] = gradient.mask
        return out if self._rows.by_role else out[0]

    def _back(
        self,
        gradient: _Gradient,
        at_input: Tensor,
        parents: int,
        columns: NDArray[np.int64],
        positions: int,
    ) -> None:
        """Take the gradient at what destinations read to their edges and to the edges' sources."""
        into, normed, rows = self._index_of(columns), self._normed, self._rows
        plain = self._plain[:, :parents, into]
        dots = rows.dots(at_positions(self._added[:parents], positions), at_input)
        for layer, slots in normed:
            if slots.stop > parents:
                break
            with torch.no_grad():
                seen = self._attention_sum(layer, slots, columns, positions)
            with torch.enable_grad():
                view = self.recording.parts.layers[layer].after_attention(seen.requires_grad_())
            (at_sum,) = torch.autograd.grad(view, seen, at_input)
            dots[:, slots] = rows.dots(at_positions(self._added[slots], positions), at_sum)
            at_positions(gradient.added[slots], positions).add_(
                rows.sum(self._mask[:, slots, into].mT, at_sum)
            )
        gradient.mask[:, :parents, into] = dots
        rows.add_sum(at_positions(gradient.added[:parents], positions), plain.mT, at_input)


@dataclass(frozen=True)
class _Gradient:
    """The gradients found so far: of D, and of the mask's rows."""

    added: Tensor
    mask: Tensor


class _Rows:
    """Sums and products over rows, those of each role with weights of its own.

    A row is a position of a pair. Weights are [role, term, sum], terms [term, pair, position or 1,
    d_model]. Without roles there is one, of all rows.
    """

    def __init__(
        self, n_roles: int, role_of: NDArray[np.int64] | None, device: torch.device
    ) -> None:
        self._n_roles = n_roles
        self.by_role = role_of is not None
        self._role_of, self._device = role_of, device
        self._known: dict[tuple[int, int], Tensor] = {}

    def _of(self, role: int, n_positions: int) -> Tensor:
        """The rows of a role, as indices of a flattened [pair, last positions]."""
        if (role, n_positions) not in self._known:
            assert self._role_of is not None
            rows = np.flatnonzero(self._role_of[:, -n_positions:] == role)
            self._known[role, n_positions] = uploaded(rows, self._device)
        return self._known[role, n_positions]

    def sum(self, weights: Tensor, terms: Tensor) -> Tensor:
        """Sums of terms by weights, [sum, pair, position or 1, d_model]."""
        shape = weights.shape[2], *terms.shape[1:]
        if not self.by_role:
            return (weights[0].T @ terms.flatten(1)).view(shape)
        out, flat = terms.new_zeros(shape), terms.flatten(1, 2)
        for role, own in enumerate(weights):
            rows = self._of(role, terms.shape[2])
            if len(rows):
                part = own.T @ flat[:, rows].flatten(1)
                out.flatten(1, 2)[:, rows] = part.view(shape[0], len(rows), -1)
        return out

    def add_sum(self, out: Tensor, weights: Tensor, terms: Tensor) -> None:
        """out += the sums; without a copy where `out` is in one piece."""
        if out.is_contiguous() and not self.by_role:
            out.flatten(1).addmm_(weights[0].T, terms.flatten(1))
        else:
            out.add_(self.sum(weights, terms))

    def dots(self, left: Tensor, right: Tensor) -> Tensor:
        """Products of all left [source, ...] with all right [destination, ...].

        float32 [role, source, destination].
        """
        if not self.by_role:
            return wide(left.flatten(1) @ right.flatten(1).T)[None]
        out = left.new_zeros(self._n_roles, len(left), len(right))
        ours, others = left.flatten(1, 2), right.flatten(1, 2)
        for role in range(self._n_roles):
            rows = self._of(role, left.shape[2])
            if len(rows):
                out[role] = ours[:, rows].flatten(1) @ others[:, rows].flatten(1).T
        return wide(out)
