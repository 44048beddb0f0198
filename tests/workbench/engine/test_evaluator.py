"""The evaluator against the reference on the bridge's hooks, and against its own laws."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.cases.engine_cases import (
    FAMILIES,
    ablated_case,
    case,
    random_circuit,
    some_edges,
)
from tests.support.cases.family_cases import usual_case
from tests.support.rounding import Rounding
from workbench.base.work import finish
from workbench.circuits.circuit import Circuit
from workbench.circuits.graph import Graph
from workbench.engine.evaluator import Edit, Evaluator
from workbench.engine.incremental import IncrementalRun
from workbench.engine.patching import edge_effects
from workbench.errors import WorkbenchError

pytestmark = pytest.mark.dependencies

families = pytest.mark.parametrize("family", FAMILIES)


def assert_close(actual: Any, expected: Any, atol: float = 2e-5) -> None:
    np.testing.assert_allclose(actual, expected, rtol=0, atol=atol)


@families
def test_all_edges_is_the_clean_run_and_none_the_corrupted(family: str) -> None:
    c = case(family)
    clean = c.metric([r.clean_logits for r in c.references])
    corrupted = c.metric([r.corrupted_logits for r in c.references])
    assert abs(clean - corrupted).max() > 0.05, "the case has to tell the runs apart"
    assert_close(c.experiment.clean.per_pair, clean)
    assert_close(c.experiment.corrupted.per_pair, corrupted)
    for circuit, expected in (
        (Circuit.full(c.graph), clean),
        (Circuit.empty(c.graph), corrupted),
        (Circuit.start(c.graph), clean),
    ):
        value = Evaluator(c.experiment, circuit).value()
        assert_close(value.per_pair, expected)


@families
@pytest.mark.parametrize(
    ("density", "share_open"), [(0.05, 0.2), (0.3, 0.0), (0.3, 0.2), (0.7, 0.2), (0.97, 0.0)]
)
def test_random_circuits_equal_the_reference(
    family: str, density: float, share_open: float
) -> None:
    c = case(family)
    circuit = random_circuit(c.graph, density, seed=int(100 * density), share_open=share_open)
    value = Evaluator(c.experiment, circuit).value()
    expected = c.circuit_metric(set(circuit.edges()), circuit.open)
    assert_close(value.per_pair, expected)


# Each family with two, each of them in two families; test_families.py has others.
@pytest.mark.parametrize(
    ("family", "ablation"),
    [(f, a) for f in ("gpt2", "neox-sequential") for a in ("zero", "positional-mean")]
    + [(f, a) for f in ("llama", "neox") for a in ("mean", "context-mean")],
)
def test_circuits_with_constants_outside(family: str, ablation: str) -> None:
    c = ablated_case(family, ablation)
    full = Evaluator(c.experiment, Circuit.full(c.graph)).value()
    assert_close(full.per_pair, c.experiment.clean.per_pair)
    empty = Evaluator(c.experiment, Circuit.empty(c.graph)).value()
    assert_close(empty.per_pair, c.circuit_metric(set()))
    assert_close(c.experiment.corrupted.per_pair, empty.per_pair)
    # Where something clean reaches every node of the circuit, the two ways to say it are one.
    rounding = Rounding(case(family), ablation)
    circuit = random_circuit(c.graph, 0.4, seed=6).pruned()
    evaluator = Evaluator(c.experiment, circuit)
    kept = set(circuit.edges())
    assert_close(evaluator.value().per_pair, c.circuit_metric(kept), rounding.allowed(kept))
    edges = [e for e in circuit.edges() if e.endswith("->logits")][:3]
    metrics = evaluator.what_if([Edit(toggle=(e,)) for e in edges])
    for edge, metric in zip(edges, metrics, strict=True):
        without = kept - {edge}
        assert_close(metric, c.circuit_metric(without), rounding.allowed(without))
    (_, effects), *_ = edge_effects(evaluator, ["m0->logits", "a0.h1->m1"], "full")
    every = set(c.graph.edges())
    for edge, effect in zip(["m0->logits", "a0.h1->m1"], effects, strict=True):
        expected = c.circuit_metric(every - {edge}).mean() - c.experiment.clean.metric
        assert effect == pytest.approx(expected, abs=rounding.allowed(every - {edge}))


@families
def test_no_wrong_number_passes_for_rounding(family: str) -> None:
    """What is allowed under zero ablation is far below what leaving out an edge does."""
    c = ablated_case(family, "zero")
    kept = set(random_circuit(c.graph, 0.4, seed=6).pruned().edges())
    allowed = Rounding(case(family), "zero").allowed(kept)
    value = c.circuit_metric(kept)
    effects = [np.abs(c.circuit_metric(kept - {edge}) - value).max() for edge in sorted(kept)[::3]]
    assert allowed < 1e-4 * np.abs(value).max()
    # Some edges carry what is zero in both runs.
    assert allowed < 0.01 * np.median([effect for effect in effects if effect > 1e-9])


@families
@pytest.mark.parametrize("ablation", ["zero", "mean"])
def test_what_if_and_commit_agree_on_nodes_that_nothing_clean_reaches(
    family: str, ablation: str
) -> None:
    """Edges into a node that is or comes to be dead, and the opening and closing of its inputs."""
    c = ablated_case(family, ablation)
    circuit = random_circuit(c.graph, 0.07, seed=8, share_open=0.1)
    evaluator = Evaluator(c.experiment, circuit)
    edits = [Edit(toggle=(edge,)) for edge in circuit.edges()]
    edits += [Edit(toggle=(e,)) for e in some_edges(c.graph, 40, 9, without=circuit.open)]
    closed = [d for d in c.graph.destinations if d not in circuit.open]
    edits += [Edit(close=(d,)) for d in circuit.open] + [Edit(open=(d,)) for d in closed[::3]]
    for edit, metric in zip(edits, evaluator.what_if(edits), strict=True):
        fresh = Evaluator(c.experiment, evaluator.edited(edit)).value()
        assert_close(metric, fresh.per_pair, 3e-4 if ablation == "zero" else 2e-5)


@families
def test_prompts_that_differ_from_the_first_position_on(family: str) -> None:
    c = case(family, start=0)
    circuit = random_circuit(c.graph, 0.4, seed=5)
    value = Evaluator(c.experiment, circuit).value()
    assert_close(value.per_pair, c.circuit_metric(set(circuit.edges())))


@families
@pytest.mark.parametrize("density", [0.1, 0.6])
def test_what_if_equals_the_reference_and_the_committed_edit(family: str, density: float) -> None:
    c = case(family)
    circuit = random_circuit(c.graph, density, seed=3, share_open=0.15)
    edges = some_edges(c.graph, 10, seed=4, without=circuit.open)
    kept = set(circuit.edges())
    edits = [Edit(toggle=(e,)) for e in edges] + [Edit(toggle=tuple(edges[:4]))]
    evaluator = Evaluator(c.experiment, circuit)
    metrics = evaluator.what_if(edits)
    for edit, metric in zip(edits, metrics, strict=True):
        expected = c.circuit_metric(kept ^ set(edit.toggle), circuit.open)
        assert_close(metric, expected)
        committed = Evaluator(c.experiment, circuit).commit(edit)
        assert_close(committed.per_pair, expected)
    # Asking changes nothing.
    assert_close(evaluator.value().per_pair, c.circuit_metric(kept, circuit.open))


@families
def test_opening_and_closing_destinations(family: str) -> None:
    c = case(family)
    circuit = random_circuit(c.graph, 0.3, seed=8, share_open=0.5)
    opened = sorted(circuit.open)
    closing = opened[-1]
    d = c.graph.destination_index(closing)
    chosen = tuple(c.graph.edge_name(s, d) for s in range(0, c.graph.n_parents(d), 2))
    opening = next(n for n in reversed(c.graph.destinations) if n not in circuit.open)
    edits = [Edit(close=(closing,), toggle=chosen), Edit(close=(closing,)), Edit(open=(opening,))]
    kept = set(circuit.edges())
    without = {e for e in kept if e.partition("->")[2] != opening}
    expected = [
        c.circuit_metric(kept | set(chosen), circuit.open - {closing}),
        c.circuit_metric(kept, circuit.open - {closing}),
        c.circuit_metric(without, circuit.open | {opening}),
    ]
    metrics = Evaluator(c.experiment, circuit).what_if(edits)
    for edit, metric, wanted in zip(edits, metrics, expected, strict=True):
        assert_close(metric, wanted)
        committed = Evaluator(c.experiment, circuit).commit(edit)
        assert_close(committed.per_pair, wanted)


@pytest.mark.parametrize("name", ["gemma2", "olmo2"])
def test_opening_behind_norms_that_follow_the_heads(name: str) -> None:
    """What reaches an input through such a norm is not a sum, so that opening takes it all away."""
    c = usual_case(name)
    circuit = random_circuit(c.graph, 0.5, seed=8)
    late = [d for d in c.graph.destinations if d.startswith("a1") or d == "m1"]
    edits = [Edit(open=(name,), toggle=("input->m0",)) for name in late]
    for edit, found in zip(edits, Evaluator(c.experiment, circuit).what_if(edits), strict=True):
        without = {e for e in circuit.edges() if e.partition("->")[2] not in edit.open}
        wanted = c.circuit_metric(without ^ {"input->m0"}, frozenset(edit.open))
        assert_close(found, wanted, 5e-5)


@families
def test_one_input_of_a_head_opened_beside_a_change_before_it(family: str) -> None:
    """What an input reads is its own, also where the head's others read the same sources."""
    c = case(family)
    circuit = random_circuit(c.graph, 0.4, seed=3)
    heads = [node for node in c.graph.nodes if c.graph.is_head(node)][-3:]
    queries = [c.graph.destinations_of(head)[0] for head in heads]
    for query in queries:  # all inputs of a head read the same
        column = c.graph.destination_index(query)
        circuit.mask[:, column + 1 : column + 3] = circuit.mask[:, [column]]
    before = next(e for e in circuit.edges() if "->m0" in e or "->a0." in e)
    kept = set(circuit.edges()) - {before}
    edits = [Edit(open=(query,), toggle=(before,)) for query in queries]
    for query, metric in zip(queries, Evaluator(c.experiment, circuit).what_if(edits), strict=True):
        without = {edge for edge in kept if edge.partition("->")[2] != query}
        assert_close(metric, c.circuit_metric(without, circuit.open | {query}))


@families
def test_heads_that_share_an_input_and_are_needed_at_different_positions(family: str) -> None:
    """The later head at the last position alone, the earlier one everywhere."""
    c = case(family)
    edges = {f"input->a0.h{head}<{which}>" for head in (0, 1) for which in "qkv"}
    edges |= {"a0.h1->logits", "a0.h0->a1.h0<v>", "a1.h0->logits"}
    value = Evaluator(c.experiment, Circuit.from_edges(c.graph, sorted(edges))).value()
    assert_close(value.per_pair, c.circuit_metric(edges))


@families
def test_many_random_circuits_equal_the_reference(family: str) -> None:
    c = case(family)
    for seed in range(18):
        circuit = random_circuit(c.graph, (0.1, 0.2, 0.5)[seed % 3], 1000 + seed, seed % 2 / 10)
        value = Evaluator(c.experiment, circuit).value()
        assert_close(value.per_pair, c.circuit_metric(set(circuit.edges()), circuit.open), 5e-5)


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_edits_in_any_order_end_at_the_same_value(data: st.DataObject) -> None:
    """Whatever was edited before, and whatever was asked in between, a circuit has one value."""
    c = case(data.draw(st.sampled_from(FAMILIES)))
    graph = c.graph
    seed = data.draw(st.integers(0, 1000))
    circuit = random_circuit(graph, data.draw(st.sampled_from([0.02, 0.2, 0.8])), seed, 0.1)
    evaluator = Evaluator(c.experiment, circuit)
    before = evaluator.value().per_pair
    done: list[Edit] = []
    for _ in range(data.draw(st.integers(1, 8))):
        circuit = evaluator.circuit
        closed = [d for d in graph.destinations if d not in circuit.open]
        action = data.draw(st.sampled_from(["toggle", "close", "ask"]))
        if action == "close" and circuit.open:
            edit = Edit(close=(data.draw(st.sampled_from(sorted(circuit.open))),))
        else:
            into = graph.destination_index(data.draw(st.sampled_from(closed)))
            source = data.draw(st.integers(0, graph.n_parents(into) - 1))
            edit = Edit(toggle=(graph.edge_name(source, into),))
        if action == "ask":
            asked = evaluator.what_if([edit])[0]
            fresh = Evaluator(c.experiment, evaluator.edited(edit)).value()
            assert_close(asked, fresh.per_pair)
            continue
        evaluator.commit(edit)
        done.append(edit)
    fresh = Evaluator(c.experiment, evaluator.circuit).value()
    assert_close(evaluator.value().per_pair, fresh.per_pair)
    for edit in reversed(done):
        evaluator.commit(Edit(toggle=edit.toggle, open=edit.close))
    assert_close(evaluator.value().per_pair, before)


def test_a_thousand_toggles_leave_no_error_and_take_no_memory() -> None:
    c = case("llama")
    evaluator = Evaluator(c.experiment, random_circuit(c.graph, 0.2, seed=1))
    edges = some_edges(c.graph, 60, seed=2)
    for edge in edges:
        evaluator.commit(Edit(toggle=(edge,)))
    held = evaluator.memory()
    rng = np.random.default_rng(0)
    for edge in rng.choice(edges, 1000):
        evaluator.commit(Edit(toggle=(str(edge),)))
    fresh = Evaluator(c.experiment, evaluator.circuit).value()
    np.testing.assert_allclose(evaluator.value().per_pair, fresh.per_pair, rtol=0, atol=1e-6)
    assert evaluator.memory() <= 1.5 * held


def test_a_failed_commit_leaves_the_circuit_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    c = case("gpt2")
    circuit = random_circuit(c.graph, 0.5, seed=1)
    evaluator = Evaluator(c.experiment, circuit)
    before = evaluator.value().per_pair
    edge = next(e for e in circuit.edges() if e.endswith("->m1"))

    def fail(*args: object, **kwargs: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr("workbench.engine.incremental.IncrementalRun._mlp", fail)
        with pytest.raises(MemoryError):
            evaluator.commit(Edit(toggle=(edge,)))
    assert evaluator.circuit == circuit
    assert_close(evaluator.value().per_pair, before)
    after = evaluator.commit(Edit(toggle=(edge,)))
    assert_close(after.per_pair, c.circuit_metric(set(circuit.edges()) - {edge}))


@pytest.mark.parametrize("failing", ["heads", "mlp", "logits"])
def test_a_commit_that_fails_late_leaves_no_cell_of_the_new_circuit(
    failing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The heads of the first layers are computed by then; an edit elsewhere would not mend them."""
    c = case("gpt2")
    circuit = Circuit.full(c.graph)
    evaluator = Evaluator(c.experiment, circuit)
    edge, other = "input->a0.h0<v>", "m1->m2"
    whole, at = IncrementalRun._mlp, {"heads": 1, "mlp": 2, "logits": 2}[failing]

    def fail(run: Any, stage: Any, *rest: Any) -> None:
        if stage.layer == at:
            raise MemoryError
        whole(run, stage, *rest)

    def fail_at_the_end(*_: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patch:
        if failing == "logits":
            patch.setattr(IncrementalRun, "inputs", fail_at_the_end)
        else:
            patch.setattr(IncrementalRun, "_mlp", fail)
        with pytest.raises(MemoryError):
            evaluator.commit(Edit(toggle=(edge,)))
    after = evaluator.commit(Edit(toggle=(other,)))
    assert_close(after.per_pair, c.circuit_metric(set(circuit.edges()) - {other}))


@families
def test_where_a_node_comes_to_differ_at_more_positions_its_readers_do(family: str) -> None:
    """And at fewer again: at which rows each is computed is kept from edit to edit."""
    c = case(family)
    edges = ["input->m0", "m0->m1", "m1->a1.h0<v>", "a1.h0->logits"]
    if family != "neox-sequential":
        edges[2:] = ["m1->a2.h0<v>", "a2.h0->logits"]
    else:
        edges[1:] = ["m0->a1.h0<v>", "a1.h0->logits"]
    evaluator = Evaluator(c.experiment, Circuit.from_edges(c.graph, edges))
    now = set(edges)
    into = "a0.h0->m1" if c.graph.parallel else "a0.h0->m0"
    both: tuple[str, ...] = (into, "input->a0.h0<v>")
    for edit in (both, (into,), (into,), both):
        found = evaluator.commit(Edit(toggle=edit))
        now ^= set(edit)
        assert_close(found.per_pair, c.circuit_metric(now))


def test_an_input_that_was_open_has_no_edges_when_it_is_closed() -> None:
    c = case("gpt2")
    evaluator = Evaluator(c.experiment, Circuit.full(c.graph))
    opened = evaluator.edited(Edit(open=("a1.h0<v>", "logits")))
    left = {e for e in c.graph.edges() if e.split("->")[1] not in ("a1.h0<v>", "logits")}
    assert set(opened.edges()) == left
    evaluator.commit(Edit(open=("a1.h0<v>",)))
    closed = evaluator.commit(Edit(close=("a1.h0<v>",)))
    left |= {e for e in c.graph.edges() if e.endswith("->logits")}
    assert_close(closed.per_pair, c.circuit_metric(left))


def test_refusals_are_sentences() -> None:
    c = case("gpt2")
    evaluator = Evaluator(c.experiment, Circuit.start(c.graph))
    with pytest.raises(WorkbenchError, match="expand it"):
        evaluator.commit(Edit(toggle=("m0->logits",)))
    with pytest.raises(WorkbenchError, match="expand it"):
        evaluator.what_if([Edit(toggle=("m0->logits",))])
    with pytest.raises(WorkbenchError, match="another model"):
        Evaluator(c.experiment, Circuit.empty(Graph(9, 9)))


@families
def test_in_pieces_the_values_are_the_same_and_what_is_given_up_changes_nothing(
    family: str,
) -> None:
    """As an expansion tries and takes its steps, so that others come in between."""
    c = case(family)
    circuit = random_circuit(c.graph, 0.4, seed=8)
    evaluator, whole = (Evaluator(c.experiment, circuit) for _ in range(2))
    edits = [Edit(toggle=(edge,)) for edge in some_edges(c.graph, 6, seed=9)]
    work, pieces = evaluator.trying(edits), 0
    while True:
        try:
            next(work)
        except StopIteration as stop:
            assert_close(stop.value, whole.what_if(edits))
            break
        pieces += 1
    assert pieces > len(evaluator.sheets) + 1
    other = whole.edited(edits[0])
    given_up = evaluator.becoming(other)
    for _ in range(len(evaluator.sheets)):
        next(given_up)
    given_up.close()
    assert_close(evaluator.value().per_pair, whole.value().per_pair)
    assert_close(finish(evaluator.becoming(other)).per_pair, whole.commit(edits[0]).per_pair)


def test_small_batches_give_the_same_as_one_large(monkeypatch: pytest.MonkeyPatch) -> None:
    c = case("neox")
    evaluator = Evaluator(c.experiment, random_circuit(c.graph, 0.4, seed=2))
    edits = [Edit(toggle=(e,)) for e in some_edges(c.graph, 20, seed=6)]
    together = evaluator.what_if(edits)
    monkeypatch.setattr("workbench.engine.budget.WHAT_IF_BYTES", {"cpu": 1})
    assert_close(evaluator.what_if(edits), together)
