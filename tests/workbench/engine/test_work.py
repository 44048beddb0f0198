"""Work that is saved, held by counting it: the values would be the same without."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
import torch

from tests.support.cases.batches import ROLES
from tests.support.cases.engine_cases import case, random_circuit, some_edges
from tests.support.references.by_role import by_role
from workbench.circuits.circuit import Circuit
from workbench.circuits.names import edge_ends
from workbench.engine import incremental
from workbench.engine.budget import alternative_rows, row_bytes
from workbench.engine.evaluator import Edit, Evaluator
from workbench.engine.narrowed import NarrowedMlps
from workbench.engine.plan import Plan, Positions, make_plan
from workbench.engine.reach import Alternative, Reach
from workbench.errors import WorkbenchError

pytestmark = pytest.mark.dependencies


class Counted:
    """Which inputs of heads were projected, and which MLPs were run on how many rows."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.columns: list[str] = []
        self.mlps: list[tuple[str, int | None]] = []
        project, run = incremental.project_entries, NarrowedMlps.run

        def projected(recording: Any, layer: int, entries: Any, *rest: Any) -> Any:
            self.columns += [f"a{layer}.h{head}<{'qkv'[which]}>" for which, head in entries]
            return project(recording, layer, entries, *rest)

        def ran(mlps: Any, layer: int, x: Any, changes: Any = (), rows: Any = None) -> Any:
            self.mlps.append((f"m{layer}", None if rows is None else len(rows)))
            return run(mlps, layer, x, changes, rows)

        patch.setattr(incremental, "project_entries", projected)
        patch.setattr(NarrowedMlps, "run", ran)

    def taken(self) -> set[str]:
        """The destinations whose inputs were made use of since it was last asked."""
        found = {*self.columns, *(name for name, _ in self.mlps)}
        self.columns, self.mlps = [], []
        return found


def downstream(circuits: Sequence[Circuit], columns: set[str]) -> set[str]:
    """The destinations that hang on some along the kept edges of any of these circuits."""
    edges = [edge_ends(edge) for circuit in circuits for edge in circuit.edges()]
    found, waiting = set(columns), [*columns]
    while waiting:
        node = waiting.pop().split("<")[0]
        new = {there for source, there in edges if source == node} - found
        found |= new
        waiting += new
    return found


def plan_of(circuit: Circuit) -> Plan:
    graph = circuit.graph
    is_open = np.array([name in circuit.open for name in graph.destinations])
    return make_plan(graph, circuit.mask, is_open)


@pytest.mark.parametrize("family", ["gpt2", "neox"])
def test_a_toggle_computes_what_hangs_on_it_and_what_was_not_needed_before(
    family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    c = case(family)
    evaluator = Evaluator(c.experiment, random_circuit(c.graph, 0.25, 3, share_open=0.1))
    counted, some = Counted(monkeypatch), 0
    for edge in some_edges(c.graph, 60, seed=4, without=evaluator.circuit.open):
        before = evaluator.circuit.copy()
        evaluator.commit(Edit(toggle=(edge,)))
        after = evaluator.circuit
        grown = plan_of(after).need_in > plan_of(before).need_in
        begun = {name for name, yes in zip(c.graph.destinations, grown, strict=True) if yes}
        allowed = downstream([before, after], {edge_ends(edge)[1], *begun})
        taken = counted.taken()
        assert taken <= allowed, (edge, taken - allowed)
        some += len(taken)
    assert some > 40


def test_a_toggle_sums_nothing_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    c = case("gpt2")
    evaluator = Evaluator(c.experiment, random_circuit(c.graph, 0.5, seed=5))

    def never(*_: object) -> int:
        raise AssertionError("summed ahead for one edge")

    monkeypatch.setattr(incremental, "look_ahead", never)
    for edge in some_edges(c.graph, 8, seed=6):
        evaluator.commit(Edit(toggle=(edge,)))


@pytest.mark.parametrize(
    "edges",
    [
        ("input->m0", "m0->a1.h0<v>", "a1.h0->logits"),
        ("input->m0", "m0->m1", "m1->a2.h0<v>", "a2.h0->logits"),
        ("input->a0.h0<q>", "a0.h0->m0", "m0->a1.h0<v>", "a1.h0->logits"),
    ],
)
def test_an_mlp_runs_on_the_rows_that_differ(
    edges: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a query or an MLP makes of rows that are the same is the same."""
    c = case("gpt2")
    counted = Counted(monkeypatch)
    Evaluator(c.experiment, Circuit.from_edges(c.graph, edges))
    differing = [int(r.differing.sum()) for r in c.experiment.recordings]
    assert all(
        n < 0.8 * r.differing.size for n, r in zip(differing, c.experiment.recordings, strict=True)
    )
    mlps = [edge.split("->")[0] for edge in edges if edge.startswith("m")]
    assert counted.mlps == [(mlp, n) for n in differing for mlp in mlps]


@pytest.mark.parametrize("density", [0.1, 0.4, 0.9])
def test_room_for_a_circuit_is_made_once(density: float, monkeypatch: pytest.MonkeyPatch) -> None:
    c = case("llama")
    circuit = random_circuit(c.graph, density, seed=2)
    plan = plan_of(circuit)
    wanted = plan.live & (plan.need > Positions.NONE)

    def never(_: int) -> int:
        raise AssertionError("there was not enough room")

    monkeypatch.setattr("workbench.engine.deltas.grown_size", never)
    for sheet in Evaluator(c.experiment, circuit).sheets:
        sizes = [len(tensor) for tensor in sheet.deltas.tensors()]
        n_all = int((plan.need[wanted] == Positions.ALL).sum())
        assert sizes == [1 + n_all, 1 + int(wanted.sum())]


def test_memory_is_that_of_all_tensors() -> None:
    c = case("gpt2")
    evaluator = Evaluator(c.experiment, random_circuit(c.graph, 0.4, seed=1))
    held = [t for sheet in evaluator.sheets for t in sheet.tensors()]
    assert evaluator.memory() == sum(t.numel() * torch.finfo(t.dtype).bits // 8 for t in held)
    deltas = evaluator.sheets[0].deltas
    row = deltas.tensors()[0][0]
    assert deltas.row_bytes == row.numel() * torch.finfo(row.dtype).bits // 8


# Alternatives, in batches.


def budget(c: Any, rows: float, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        "workbench.engine.budget.WHAT_IF_BYTES", {"cpu": int(rows * row_bytes(c.experiment))}
    )


def batches(evaluator: Evaluator, changes: Sequence[Alternative]) -> Iterator[list[int]]:
    for which, _ in evaluator.evaluate(changes):
        yield which.tolist()


def test_alternatives_are_tried_the_deepest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that those of a batch reach much the same."""
    c = case("gpt2")
    evaluator = Evaluator(c.experiment, random_circuit(c.graph, 0.4, seed=2))
    changes = []
    for edge in some_edges(c.graph, 12, seed=7):
        source, column = c.graph.parse_edge(edge)
        changes.append(Alternative(((source, column, 1),)))
    changes += [Alternative((), neurons=((layer, 3, False),)) for layer in (1, 0, 2)]
    budget(c, 0, monkeypatch)
    found = [k for batch in batches(evaluator, changes) for k in batch]
    depths = [
        max([d for _, d, _ in changes[k].edges] + sorted(changes[k].mlps(c.graph))) for k in found
    ]
    assert sorted(found) == list(range(len(changes))) and depths == sorted(depths, reverse=True)


def circuits_with_and_without_a_tail(c: Any) -> dict[str, Circuit]:
    full = Circuit.full(c.graph)
    last = full.copy()
    last.toggle(f"input->a{c.graph.n_layers - 1}.h0<v>")
    return {"none": random_circuit(c.graph, 0.4, seed=2), "long": full, "mlp": last}


@pytest.mark.parametrize("tail", ["none", "long", "mlp"])
def test_a_batch_is_as_large_as_its_budget(tail: str, monkeypatch: pytest.MonkeyPatch) -> None:
    c = case("gpt2")
    circuit = circuits_with_and_without_a_tail(c)[tail]
    evaluator = Evaluator(c.experiment, circuit)
    into = [
        e for e in c.graph.edges() if tail == "none" or edge_ends(e)[1].startswith(("a0", "m0"))
    ]
    toggled = [str(e) for e in np.random.default_rng(1).choice(into, 8, replace=False)]
    if tail == "none":
        toggled += ["input->logits"] * 4
    changes, wider = [], circuit.copy()
    for edge in toggled:
        source, column = c.graph.parse_edge(edge)
        changes.append(Alternative(((source, column, -1 if circuit.has(edge) else 1),)))
        wider.mask[source, column] = True
    plan = plan_of(wider)
    reach = Reach(c.graph, circuit.mask, plan, changes)
    width = max(int(reach.destinations[s.columns].any(axis=1).sum()) for s in reach.stages)
    has_tail = reach.tail < len(reach.stages) - 1
    assert has_tail == (tail != "none")
    if tail == "mlp":
        assert reach.tail == len(reach.stages) - 2

    def cost(batch: list[int]) -> float:
        reached = reach.sources[:, batch].any(axis=1)
        need = plan.need[reached]
        if not reached.any() and not has_tail:
            return 1.0
        at_all, at_last = (int((need == p).sum()) for p in (Positions.ALL, Positions.LAST))
        return alternative_rows(at_all, at_last, width, tail=has_tail)

    for room in (30, 70, 150, 220):
        budget(c, room, monkeypatch)
        found = list(batches(evaluator, changes))
        assert sorted(k for batch in found for k in batch) == list(range(len(changes)))
        for batch, following in zip(found, [*found[1:], None], strict=True):
            assert len(batch) == 1 or cost(batch) * len(batch) <= room
            if following is not None:
                assert cost([*batch, following[0]]) * (len(batch) + 1) > room


def test_room_is_asked_for_before_a_circuit_and_before_a_change(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    c = case("gpt2")
    evaluator = Evaluator(c.experiment, random_circuit(c.graph, 0.4, seed=2))

    def full(_: object, needed: float, what: str, kept: float = 0) -> None:
        raise WorkbenchError(f"no room for {what}")

    monkeypatch.setattr("workbench.engine.evaluator.check_room_for", full)
    monkeypatch.setattr("workbench.engine.evaluator.may_be_large", lambda _: True)
    edge = some_edges(c.graph, 1, seed=1)[0]
    with pytest.raises(WorkbenchError, match="the values of this circuit"):
        Evaluator(c.experiment, evaluator.circuit)
    with pytest.raises(WorkbenchError, match="no room for"):
        evaluator.commit(Edit(toggle=(edge,)))
    with pytest.raises(WorkbenchError, match="no room for"):
        evaluator.what_if([Edit(toggle=(edge,))])


def test_to_open_what_is_open_computes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    c = case("gpt2")
    circuit = Circuit.full(c.graph)
    circuit.open = frozenset({"m0"})
    circuit.mask[:, c.graph.destination_index("m0")] = False
    evaluator = Evaluator(c.experiment, circuit)
    (value,) = evaluator.what_if([Edit(toggle=("m1->m2",))])
    counted = Counted(monkeypatch)
    (same,) = evaluator.what_if([Edit(open=("m0",))])
    assert not counted.taken() and np.array_equal(same, evaluator.value().per_pair)
    assert not np.array_equal(same, value)


def test_an_edge_at_a_role_is_tried_on_the_rows_of_that_role(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    c = by_role("gpt2").case
    kept = Circuit.from_edges(c.graph, ["m0->a1.h0<v>", "a1.h0->logits", "m0->m1"])
    evaluator = Evaluator(c.experiment, kept)
    counted = Counted(monkeypatch)
    evaluator.what_if([Edit(toggle=(f"input->m0@{ROLES[1]}",))])
    of_role = [int(np.count_nonzero(r.role_of == 1)) for r in c.experiment.recordings]
    assert counted.mlps == [("m0", n) for n in of_role] and any(of_role)


def test_progress_of_tries_goes_from_nothing_to_all(monkeypatch: pytest.MonkeyPatch) -> None:
    c = case("gpt2")
    evaluator = Evaluator(c.experiment, random_circuit(c.graph, 0.4, seed=8))
    budget(c, 0, monkeypatch)
    shares = list(evaluator.trying([Edit(toggle=(e,)) for e in some_edges(c.graph, 5, seed=9)]))
    assert all(0 <= share <= 1 for share in shares) and shares[-1] > 0.8
