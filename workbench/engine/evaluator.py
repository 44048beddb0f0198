"""The exact value of a circuit, edit by edit.

One primitive serves everything interactive or exact: `what_if`, the metric of K alternative edits,
evaluated as a batch; and `commit`, which makes an edit. Effects in the whole model and along the
circuit are the same pass from another base (`patching.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workbench.base.ledger import recorded
from workbench.base.work import Work, finish, part
from workbench.circuits.circuit import Circuit
from workbench.circuits.kept_neurons import find_neuron
from workbench.circuits.names import edge_ends, split_role
from workbench.circuits.parts import edge_of
from workbench.engine.alternatives import AlternativeRuns
from workbench.engine.baseline import Baseline
from workbench.engine.budget import (
    alternative_rows,
    cells_bytes,
    check_room_for,
    may_be_large,
    row_bytes,
    what_if_bytes,
)
from workbench.engine.kept_edges import (
    WHOLE,
    Kept,
    as_bits,
    edge_bits,
    has_roles,
    kept_edges,
    open_inputs,
)
from workbench.engine.narrowed import all_neurons, by_layer
from workbench.engine.plan import Plan, Positions, make_plan
from workbench.engine.reach import Alternative, Reach
from workbench.engine.role_layout import RoleLayout
from workbench.engine.role_run import RoleRun
from workbench.errors import WorkbenchError
from workbench.experiment.experiment import Evaluation, Experiment

ONE_CHANGE = "one change of the circuit on"
"""What is refused where there is no memory for it."""


@dataclass(frozen=True)
class Edit:
    """A change of a circuit: destinations opened and closed, then edges and neurons toggled.

    A neuron of an MLP that is not narrowed is kept, and toggling it narrows the MLP to all others.
    Opening a destination drops the edges into it, for its input is then the clean residual.

    Glossary: docs/glossary.md#edit.
    """

    toggle: tuple[str, ...] = ()
    open: tuple[str, ...] = ()
    close: tuple[str, ...] = ()
    neurons: tuple[str, ...] = ()


def _told(changes: Sequence[Alternative]) -> bytes:
    """Alternatives as they are, to tell whether they are those of before."""
    return repr(changes).encode()


class Evaluator:
    """A circuit and its exact value on an experiment's pairs.

    Args:
        experiment: recorded runs and metric.
        circuit: where to begin; it is copied.
    """

    def __init__(self, experiment: Experiment, circuit: Circuit) -> None:
        if circuit.graph != experiment.graph:
            raise WorkbenchError(
                "The circuit belongs to another model: it has "
                f"{circuit.graph.n_layers} layers of {circuit.graph.n_heads} heads, "
                f"this model {experiment.graph.n_layers} of {experiment.graph.n_heads}."
            )
        self.experiment = experiment
        self.graph = experiment.graph
        self._circuit = self._named(circuit.copy())
        self._roles_told_apart = False
        self._now = kept, is_open = self._arrays(self._circuit)
        self._check_room(kept, is_open)
        neurons = self._kept_neurons(circuit)
        self.sheets = [
            RoleRun(self.graph, r, kept, is_open, neurons) for r in experiment.recordings
        ]
        self._value: Evaluation | None = None

    @property
    def circuit(self) -> Circuit:
        """The circuit as it stands; change it by `commit` only."""
        return self._circuit

    def _named(self, circuit: Circuit) -> Circuit:
        """A circuit with the roles of the experiment's prompts; its arrays are the same.

        Raises:
            WorkbenchError: it keeps an edge at a role that no prompt has.
        """
        return replace(circuit, at=circuit.at.named(self.experiment.batch.roles.names))

    def _arrays(self, circuit: Circuit) -> tuple[Kept, NDArray[np.bool_]]:
        """The kept edges, with roles once any were told apart by them, and the open inputs."""
        kept = kept_edges(circuit)
        self._roles_told_apart |= has_roles(kept)
        return as_bits(kept) if self._roles_told_apart else kept, open_inputs(circuit)

    def _present(self) -> tuple[Kept, NDArray[np.bool_]]:
        """The arrays of the circuit as it stands, which are not made again for every edit."""
        kept, is_open = self._now
        return as_bits(kept) if self._roles_told_apart else kept, is_open

    @cached_property
    def _layout(self) -> RoleLayout:
        """Where the roles of all prompts stand."""
        return RoleLayout.of(self.experiment.batch.roles)

    def _plan(self, kept: Kept, is_open: NDArray[np.bool_]) -> Plan:
        layout = self._layout if has_roles(kept) else None
        return make_plan(self.graph, kept, is_open, layout=layout)

    def _check_room(self, kept: Kept, is_open: NDArray[np.bool_], held: int = 0) -> None:
        """Refuse a circuit whose cells need more memory than there is, beside those held."""
        if may_be_large(self.experiment):
            needed = cells_bytes(self.experiment, self._plan(kept, is_open)) - held
            check_room_for(self.experiment, needed, "the values of this circuit on", kept=held)

    def _kept_neurons(self, circuit: Circuit) -> dict[int, Tensor]:
        return by_layer(self.experiment.parts, self.graph, circuit.neurons)

    def value(self) -> Evaluation:
        """What the circuit scores, everything outside it corrupted."""
        if self._value is None:
            self._value = Evaluation(self.experiment, [sheet.final for sheet in self.sheets])
        return self._value

    def commit(self, edit: Edit) -> Evaluation:
        """Make an edit and return what the circuit now scores.

        The cost is that of the nodes between the edit and the logits inside the circuit. If it
        fails (out of memory, say) the circuit is as it was.
        """
        return self.become(self.edited(edit))

    def become(self, circuit: Circuit) -> Evaluation:
        """Replace the circuit by another one; only what differs is computed."""
        return finish(self.becoming(circuit))

    def becoming(self, circuit: Circuit) -> Work[Evaluation]:
        """The same, group by group of the pairs; given up, the circuit is as it was."""
        circuit = self._named(circuit)
        kept, is_open = self._arrays(circuit)
        old, kept_before = self._present(), self._kept_neurons(self._circuit)
        neurons = self._kept_neurons(circuit)
        self._check_room(kept, is_open, held=self.memory())
        done: list[RoleRun] = []
        try:
            for sheet in self.sheets:
                yield len(done) / len(self.sheets)
                sheet.update(kept, is_open, neurons=neurons)
                done.append(sheet)
        except BaseException:
            for sheet in done:
                sheet.update(*old, neurons=kept_before)
            raise
        self._circuit, self._now = circuit, (kept, is_open)
        self._value = None
        return self.value()

    def edited(self, edit: Edit) -> Circuit:
        """The circuit after an edit, without making it."""
        circuit = self._circuit.copy()
        circuit.open = (circuit.open | set(edit.open)) - set(edit.close)
        for name in edit.open:
            circuit.mask[:, self.graph.destination_index(name)] = False
            circuit.at = circuit.at.only(e for e in circuit.at.kept if edge_ends(e)[1] != name)
        for name in edit.toggle:
            _, d = self.graph.parse_edge(edge_of(name))
            if self.graph.destinations[d] in circuit.open:
                raise WorkbenchError(
                    f"{self.graph.destinations[d]} is still open; "
                    "expand it before choosing its edges."
                )
            circuit.toggle(name)
        for name in edit.neurons:
            mlp, number = find_neuron(self.graph, name)
            layer = self.graph.parse_node(mlp).layer
            kept = circuit.neurons.get(mlp, all_neurons(self.experiment.parts, layer))
            circuit.neurons = {**circuit.neurons, mlp: tuple(sorted({*kept} ^ {number}))}
        return circuit

    def what_if(self, edits: Sequence[Edit]) -> NDArray[np.float64]:
        """The metric after each of several alternative edits of the circuit as it stands.

        Returns:
            [edit, pair], pairs in the task's order.
        """
        changes = [self._change(edit) for edit in edits]
        out = np.empty((len(edits), self.experiment.n_pairs))
        for which, values in self.evaluate(changes):
            out[which] = values
        return out

    def trying(self, edits: Sequence[Edit]) -> Work[NDArray[np.float64]]:
        """The same as `what_if`, in pieces: stage by stage of each batch."""
        changes = [self._change(edit) for edit in edits]
        kept, is_open, plan = self._wider_plan(changes)
        for sheet in self.sheets:
            sheet.update(kept, is_open, plan.demand)
            yield 0.0
        out = np.empty((len(edits), self.experiment.n_pairs))
        batches = self._all_batches(self.sheets, plan, changes)
        for n, batch in enumerate(batches):
            values = []
            for base, metric in zip(self.sheets, self.experiment.metrics, strict=True):
                runs = AlternativeRuns(base, plan, [changes[k] for k in batch])
                start, end = n / len(batches), (n + 1) / len(batches)
                final = yield from part(runs.pieces(), start, end)
                with torch.no_grad():
                    values.append(metric.of_residual(final))
                del runs, final
            out[batch] = self.experiment.in_order(values).T
        return out

    def _change(self, edit: Edit) -> Alternative:
        is_open = self._circuit.open
        edges = self._toggled(edit.toggle)
        opened = tuple(self.graph.destination_index(n) for n in edit.open if n not in is_open)
        closed = tuple(self.graph.destination_index(n) for n in edit.close if n in is_open)
        for name in edit.toggle:
            _, d = self.graph.parse_edge(edge_of(name))
            if (self.graph.destinations[d] in is_open and d not in closed) or d in opened:
                raise WorkbenchError(
                    f"{self.graph.destinations[d]} is open; expand it before choosing its edges."
                )
        neurons = []
        for name in edit.neurons:
            mlp, number = find_neuron(self.graph, name)
            kept = self._circuit.neurons.get(mlp)
            layer = self.graph.parse_node(mlp).layer
            if number not in all_neurons(self.experiment.parts, layer):
                by_layer(self.experiment.parts, self.graph, {mlp: (number,)})  # says so
            neurons.append((layer, number, kept is not None and number not in kept))
        roles = tuple(bits for _, bits in edges)
        whole = all(bits == WHOLE for bits in roles)
        return Alternative(
            tuple(edge for edge, _ in edges),
            opened,
            closed,
            tuple(neurons),
            () if whole else roles,
        )

    def _toggled(self, names: Sequence[str]) -> list[tuple[tuple[int, int, int], np.uint64]]:
        """What toggling edges adds (1) or takes (-1), and at which roles."""
        if not self._circuit.at and not any(split_role(name)[1] for name in names):
            places = [self.graph.parse_edge(name) for name in names]
            mask = self._circuit.mask
            return [((s, d, -1 if mask[s, d] else 1), WHOLE) for s, d in places]
        after = self._circuit.copy()
        for name in names:
            after.toggle(name)
        found = []
        for edge in dict.fromkeys(edge_of(name) for name in names):
            s, d = self.graph.parse_edge(edge)
            old, new = edge_bits(self._circuit, edge), edge_bits(after, edge)
            for sign, bits in ((-1, old & ~new), (1, new & ~old)):
                if bits:
                    found.append(((s, d, sign), bits))
        return found

    def evaluate(
        self, changes: Sequence[Alternative]
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64]]]:
        """The metric of alternatives of the circuit, batch by batch, deepest destinations first.

        Yields:
            Which alternatives, and their metric [alternative, pair].
        """
        kept, is_open, plan = self._wider_plan(changes)
        for sheet in self.sheets:
            sheet.update(kept, is_open, plan.demand)
        yield from self.run(self.sheets, plan, changes)

    def _wider_plan(self, changes: Sequence[Alternative]) -> tuple[Kept, NDArray[np.bool_], Plan]:
        """The circuit's arrays, and what is needed if all alternatives' edges are there."""
        self._roles_told_apart |= any(change.roles for change in changes)
        kept, is_open = self._present()
        wider, wider_open = kept.copy(), is_open.copy()
        for change in changes:
            for source, column, _, bits in change.edges_at():
                wider[source, column] |= bits if has_roles(wider) else True
            wider_open[list(change.closed)] = False
        return kept, is_open, self._plan(wider, wider_open)

    def run(
        self, bases: Sequence[Baseline], plan: Plan, changes: Sequence[Alternative]
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64]]]:
        """Metric of alternatives of any base (one per group), in batches that fit the memory."""
        for batch in self._all_batches(bases, plan, changes):
            chosen = [changes[k] for k in batch]
            values = partial(self._values, bases, plan, chosen)
            yield np.array(batch), recorded("alternatives", partial(_told, chosen), values)

    def _values(
        self, bases: Sequence[Baseline], plan: Plan, chosen: list[Alternative]
    ) -> NDArray[np.float64]:
        """The metric of alternatives that are one batch, [alternative, pair]."""
        values = []
        for base, metric in zip(bases, self.experiment.metrics, strict=True):
            with torch.no_grad():
                values.append(metric.of_residual(AlternativeRuns(base, plan, chosen).final()))
        return self.experiment.in_order(values).T

    def _deepest(self, change: Alternative) -> int:
        return max(change.columns() | change.mlps(self.graph), default=0)

    def _all_batches(
        self, bases: Sequence[Baseline], plan: Plan, changes: Sequence[Alternative]
    ) -> list[list[int]]:
        """All alternatives, the deepest destinations first, in batches that fit the memory."""
        order = sorted(range(len(changes)), key=lambda k: -self._deepest(changes[k]))
        return list(self._batches(bases, plan, changes, order))

    def _batches(
        self,
        bases: Sequence[Baseline],
        plan: Plan,
        changes: Sequence[Alternative],
        order: Sequence[int],
    ) -> Iterator[list[int]]:
        """Runs of alternatives in this order, each as long as memory allows."""
        if not changes:
            return
        reach = Reach(self.graph, bases[0].kept, plan, changes, bases[0].narrowed.kept)
        row = row_bytes(self.experiment)
        room = what_if_bytes(self.experiment.parts.device.type) // row
        batch: list[int] = []
        union = np.zeros(self.graph.n_sources, dtype=bool)
        tail = reach.tail < len(reach.stages) - 1
        width = max(
            int(reach.destinations[stage.columns].any(axis=1).sum()) for stage in reach.stages
        )
        for k in order:
            joined = union | reach.sources[:, k]
            # Without either the logits alone are computed.
            cost = 1.0
            if joined.any() or tail:
                need = plan.need[joined]
                at_all, at_last = (
                    int((need == Positions.ALL).sum()),
                    int((need == Positions.LAST).sum()),
                )
                cost = alternative_rows(at_all, at_last, width, tail=tail)
            if not batch:  # one at least is computed, whatever the budget
                check_room_for(self.experiment, cost * row, ONE_CHANGE, kept=self.memory())
            if batch and cost * (len(batch) + 1) > room:
                yield batch
                batch, joined = [], reach.sources[:, k].copy()
            batch.append(k)
            union = joined
        yield batch

    def memory(self) -> int:
        """Bytes held by the circuit's own cells, over all groups."""
        return sum(
            tensor.element_size() * tensor.nelement()
            for sheet in self.sheets
            for tensor in sheet.tensors()
        )
