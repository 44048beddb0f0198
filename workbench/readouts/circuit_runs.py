"""What every node writes in a circuit, everything outside it corrupted: runs to be read.

A circuit has no run of the model: each destination reads a sum of its own. So a node's value is
what the node computes from its own inputs; one that nothing clean reaches has what takes its place
(with patching, its output on the corrupted prompt). What is called the residual here is the one
that the logits read: of each source what the circuit gives to the logits, so that the last of it
is what the circuit's metric is computed from.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workbench.base.transfers import uploaded
from workbench.engine.budget import what_if_bytes
from workbench.engine.kept_edges import has_roles, kept_edges, open_inputs
from workbench.engine.narrowed import by_layer
from workbench.engine.plan import Positions
from workbench.engine.role_layout import where
from workbench.engine.role_run import RoleRun
from workbench.errors import WorkbenchError
from workbench.transformer.recording import LayerRecord, Recording, Run, of_pairs

if TYPE_CHECKING:
    from workbench.circuits.circuit import Circuit
    from workbench.circuits.graph import Graph
    from workbench.experiment.experiment import Experiment


@dataclass(frozen=True, eq=False)
class InCircuit:
    """A circuit to be read, in the place of a run's name.

    Attributes:
        circuit: of the experiment's model; or its runs, where they are kept for the next readout.
        less_clean: of what is read, the difference from the clean run of the model.
    """

    circuit: Circuit | CircuitRuns
    less_clean: bool = False

    @property
    def name(self) -> str:
        """Its name among `runs.RUNS`."""
        return "circuit-clean" if self.less_clean else "circuit"

    def runs(self, experiment: Experiment) -> CircuitRuns:
        """The circuit's runs on these pairs.

        Raises:
            WorkbenchError: the circuit belongs to another model.
        """
        if isinstance(self.circuit, CircuitRuns):
            return self.circuit
        return CircuitRuns(experiment, self.circuit)


@dataclass
class CircuitRun:
    """A circuit's values for some pairs of one group, from the first differing position on.

    Attributes:
        pairs: which of the group.
        recording: of these pairs.
        written: what each node writes. Queries, keys and values are of every query head. The
            residual, and a layer's sum before the norm that follows it, are those of the logits.
        read: the same, but of each source what the logits read of it: what takes its place, if it
            is not kept.
    """

    pairs: slice
    recording: Recording
    written: Run
    read: Run


class CircuitRuns:
    """The runs of a circuit on an experiment's pairs; those asked for last are kept.

    Raises:
        WorkbenchError: the circuit belongs to another model.
    """

    def __init__(self, experiment: Experiment, circuit: Circuit) -> None:
        if circuit.graph != experiment.graph:
            raise WorkbenchError("The circuit belongs to another model.")
        self._experiment = experiment
        self._graph: Graph = experiment.graph
        own = circuit.copy()
        own.at = own.at.named(experiment.batch.roles.names)
        self._is_open, self._edges = open_inputs(own), kept_edges(own)
        self._neurons = by_layer(experiment.parts, self._graph, circuit.neurons)
        self._kept: tuple[tuple[int, slice], list[CircuitRun]] | None = None

    def of(self, group: int, pairs: slice) -> list[CircuitRun]:
        """The runs of some pairs of a group, in pieces that fit the memory."""
        if self._kept is None or self._kept[0] != (group, pairs):
            self._kept = (group, pairs), list(self._pieces(group, pairs))
        return self._kept[1]

    def _pieces(self, group: int, pairs: slice) -> Iterator[CircuitRun]:
        recording = self._experiment.recordings[group]
        one = recording.n_positions * self._graph.n_sources * recording.parts.d_model
        room = what_if_bytes(recording.parts.device.type)
        at_once = max(1, room // (one * recording.parts.dtype.itemsize))
        for first in range(pairs.start, pairs.stop, at_once):
            some = slice(first, min(first + at_once, pairs.stop))
            sheet = RoleRun(
                self._graph,
                of_pairs(recording, some),
                self._edges,
                self._is_open,
                self._neurons,
            )
            yield _run(sheet, some)


@torch.no_grad()
def _run(sheet: RoleRun, pairs: slice) -> CircuitRun:
    graph, recording, is_open = sheet.graph, sheet.recording, sheet.is_open
    everywhere = np.full(graph.n_sources, Positions.ALL, dtype=np.uint8)
    sheet.update(sheet.kept, is_open, everywhere)
    logits = graph.logits_destination
    kept = [_kept_by_logits(sheet, source) for source in range(graph.n_sources)]
    clean, corrupted = recording.clean, recording.corrupted
    # What the logits read of a source that is not kept, and of all if they are open.
    instead = clean if is_open[logits] else corrupted
    embedding = sheet.delta(0, Positions.ALL)
    assert embedding is not None
    written = corrupted.embedding + embedding[:, 0]
    run = Run(written, [], _residual(sheet, graph.n_layers))
    read = Run(torch.where(kept[0], written, instead.embedding), [], run.final)
    for layer in range(graph.n_layers):
        heads = list(graph.head_sources(layer))
        q, k, v = (
            torch.stack(
                [sheet.head_input(layer, which, h, Positions.ALL)[:, 0] for h in range(len(heads))]
            )
            for which in range(3)
        )
        z = torch.stack([sheet.head_value(source, Positions.ALL)[:, 0] for source in heads])
        mlp_out = sheet.mlp_value(layer, Positions.ALL)[:, 0]
        residual = _residual(sheet, layer)
        other = instead.layers[layer]
        summed = None
        if other.attn_sum is not None:
            summed = sheet.attention_sum(layer, logits, Positions.ALL)[:, 0]
        # No two destinations read the same residual, so there is none that the MLP alone reads.
        record = LayerRecord(residual, q, k, v, z, residual, mlp_out, summed)
        run.layers.append(record)
        chosen = torch.stack([kept[head] for head in heads])
        mlp_kept = kept[graph.mlp_source(layer)]
        read.layers.append(
            replace(
                record,
                z=torch.where(chosen, z, other.z),
                mlp_out=torch.where(mlp_kept, mlp_out, other.mlp_out),
            )
        )
    return CircuitRun(pairs, recording, run, read)


def _residual(sheet: RoleRun, layer: int) -> Tensor:
    """What the logits read of all that stands before a layer, [pair, position, d_model]."""
    graph, recording = sheet.graph, sheet.recording
    logits = graph.logits_destination
    run = recording.clean if sheet.is_open[logits] else recording.corrupted
    last = layer == graph.n_layers
    before = graph.n_sources if last else graph.head_rows(layer).start
    base = run.final if last else run.layers[layer].attn_in
    kept = sheet.kept[:before, logits]
    chosen = kept * _live(sheet, range(before)).astype(kept.dtype)
    added = sheet.deltas.sum(chosen[None], Positions.ALL)
    return base if added is None else base + added[0, :, 0]


def _kept_by_logits(sheet: RoleRun, source: int) -> Tensor:
    """Where the logits' edge from a source is kept, bool [pair or 1, position or 1, 1]."""
    bits = sheet.kept[source, sheet.graph.logits_destination]
    roles = sheet.recording.role_of
    device = sheet.recording.clean.final.device
    if not has_roles(sheet.kept) or roles is None:
        return torch.full((1, 1, 1), bool(bits), device=device)
    return uploaded(where(roles, np.uint64(bits))[..., None], device)


def _live(sheet: RoleRun, sources: Sequence[int]) -> NDArray[np.bool_]:
    return np.array([sheet.delta(source, Positions.ALL) is not None for source in sources])
