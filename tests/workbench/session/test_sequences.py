"""Whatever one does in a session: the numbers are exact, and all can be undone and resumed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.pair import Pair
from tests.support.cases.session_cases import (
    fresh_experiment,
    fresh_metric,
    new_session,
    same,
    tiny,
)
from workbench.circuits.circuit import Circuit
from workbench.circuits.graph import Graph
from workbench.circuits.names import edge_ends
from workbench.errors import WorkbenchError
from workbench.formats import save_circuit
from workbench.session.session import Session
from workbench.session.start import resume_session

GRAPH = Graph(2, 4)
ACTIONS = (
    *("expand", "keep_above", "drop_all", "keep_all", "reopen", "toggle", "toggle_node"),
    "toggle at a role",
)
OTHERS = (
    *("undo", "redo", "clear", "threshold", "group", "note", "load", "go_to", "name_state"),
    *("keep between", "drop between"),
)
NEURONS = ("narrow", "widen", "toggle_neuron")
PAIRS = ("aside", "back", "only", "copy", "swap", "remove")
action = st.tuples(
    st.sampled_from(ACTIONS + OTHERS + NEURONS + PAIRS),
    st.sampled_from(GRAPH.nodes),
    st.sampled_from(["qkv", "q", "k", "v", "qv"]),
    st.sampled_from(list(GRAPH.edges())),
    st.floats(0, 0.5),
)


def act(session: Session, step: tuple[str, str, str, str, float], folder: Path) -> None:
    what, node, inputs, edge, number = step
    pair = int(10 * number)
    calls: dict[str, Callable[[], object]] = {
        "toggle": lambda: session.toggle(edge),
        "toggle at a role": lambda: session.toggle(f"{edge}@{session.roles[-1 - pair % 3]}"),
        "toggle_node": lambda: session.toggle_node(node),
        "narrow": lambda: session.neurons.narrow(node, range(pair + 1)),
        "widen": lambda: session.neurons.widen(node),
        "toggle_neuron": lambda: session.neurons.toggle(f"{node}.n{pair}"),
        "undo": session.undo,
        "redo": session.redo,
        "clear": session.clear,
        "threshold": lambda: session.set_threshold(number),
        "group": lambda: session.set_group(inputs, [node], edge),
        "note": lambda: session.note(edge, node),
        "load": lambda: session.load(folder / "some.json"),
        "go_to": lambda: session.go_to(int(8 * number)),
        "name_state": lambda: session.name_state(int(8 * number), node),
        "keep between": lambda: session.set_between([node, "a0.h1"], [edge_ends(edge)[0], "m1"]),
        "drop between": lambda: session.set_between(
            ["input", node], [inputs, "a1.h2"], "drop", inputs=inputs
        ),
        "aside": lambda: session.pairs.put_aside([pair, pair + 1]),
        "back": lambda: session.pairs.put_aside([pair], False),
        "only": lambda: session.pairs.only(pair),
        "copy": lambda: session.pairs.duplicate(pair),
        "swap": lambda: session.pairs.change(pair, swapped(session.pairs.all[pair].pair)),
        "remove": lambda: session.pairs.remove([pair]),
    }
    with suppress(WorkbenchError, IndexError):  # what is refused is part of the sequence
        calls.get(what, lambda: getattr(session, what)(node, inputs))()


def swapped(pair: Pair) -> Pair:
    return Pair(pair.corrupted, pair.clean, pair.wrong_answers, pair.answers)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sequences")
    rng = np.random.default_rng(0)
    edges = list(GRAPH.edges())
    circuit = Circuit.from_edges(GRAPH, sorted(rng.choice(edges, 40, replace=False)))
    save_circuit(circuit, folder / "some.json")
    return folder


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=st.lists(action, max_size=12))
def test_any_sequence_is_exact_undone_redone_and_resumed(
    folder: Path, steps: list[tuple[str, str, str, str, float]]
) -> None:
    path = folder / "journal.jsonl"
    path.unlink(missing_ok=True)
    with new_session(folder, "llama") as session:
        for step in steps:
            act(session, step, folder)
        status = session.status()
        assert status.circuit_metric == pytest.approx(fresh_metric(session), abs=1e-5)
        assert status.model_metric == pytest.approx(
            fresh_experiment(session).clean.metric, abs=1e-5
        )
        assert status.edges == len(session.circuit.edges())
        opened = [session.graph.destination_index(d) for d in session.circuit.open]
        assert not session.circuit.mask[:, opened].any()
        end = session.circuit
        n_done = len(session.commands())
        while session.status().can_undo:
            session.undo()
        assert session.circuit == Circuit.start(session.graph)
        assert session.circuit.groups == () and session.circuit.notes == {}
        assert session.pairs.in_use == session.task_with_pairs.pairs == tiny("llama")[1].pairs
        start = session.status()
        assert start.circuit_metric == pytest.approx(start.model_metric, abs=1e-5)
        for _ in range(n_done):
            session.redo()
        assert session.circuit == end
        assert session.status().circuit_metric == pytest.approx(status.circuit_metric, abs=1e-5)
        session.close()
        with resume_session(path, model=tiny("llama")[0]) as resumed:
            assert same(session, resumed)
            again = resumed.status()
            assert again.circuit_metric == pytest.approx(fresh_metric(session), abs=1e-5)
            assert (again.can_undo, again.can_redo) == (n_done > 0, session.status().can_redo)
            assert again.change == session.status().change
            assert resumed.commands() == session.commands()
