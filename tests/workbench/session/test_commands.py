"""Changes, commands and the history: what is recorded can be taken back, written down and read."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.pair import Pair
from workbench.circuits.circuit import Circuit, RoleGroup
from workbench.circuits.graph import Graph
from workbench.errors import WorkbenchError
from workbench.session.commands import (
    KINDS,
    Command,
    Expand,
    Load,
    Note,
    Redo,
    SetGroup,
    SetThreshold,
    Toggle,
    Undo,
)
from workbench.session.history import History
from workbench.session.pair_set import SetPair
from workbench.session.state import Change, State
from workbench.session.steps import StepTaken

GRAPH = Graph(2, 2)
EDGES = list(GRAPH.edges())
NODES = GRAPH.nodes
PAIRS = [
    SetPair(Pair(clean, f"not {clean}", (" a", "|"), wrong), aside)
    for clean, wrong, aside in (("é\n", (), False), ("é\n", (), True), ("\ud800", (" b",), False))
]
TEXT = st.text(max_size=8)  # lone surrogates, quotes, line ends and all


@st.composite
def states(draw: st.DrawFn) -> State:
    opened = draw(st.sets(st.sampled_from(GRAPH.destinations)))
    edges = draw(st.sets(st.sampled_from(EDGES)))
    circuit = Circuit.from_edges(
        GRAPH, sorted(edge for edge in edges if edge.partition("->")[2] not in opened)
    )
    circuit.open = frozenset(opened)
    node = st.sampled_from(NODES)
    groups = st.builds(RoleGroup, TEXT, TEXT, st.lists(node, max_size=3).map(tuple))
    circuit.groups = tuple(draw(st.lists(groups, max_size=2)))
    circuit.notes = draw(st.dictionaries(node, TEXT, max_size=2))
    numbers = st.sets(st.integers(0, 40)).map(lambda found: tuple(sorted(found)))
    circuit.neurons = draw(st.dictionaries(st.sampled_from(["m0", "m1"]), numbers))
    threshold = draw(st.floats(0, 1e3))
    edge_lists = st.lists(st.sampled_from(EDGES), max_size=3).map(tuple)
    return State(circuit, threshold, draw(st.dictionaries(node, edge_lists, max_size=2)))


def same(one: State, other: State) -> bool:
    a, b = one.circuit, other.circuit
    return (a == b and a.groups == b.groups and a.notes == b.notes) and (
        one.threshold == other.threshold and dict(one.dropped_nodes) == dict(other.dropped_nodes)
    )


@given(states(), states())
def test_a_change_leads_there_and_its_inverse_back(before: State, after: State) -> None:
    change = Change.between(before, after)
    assert same(change.apply(before), after)
    assert same(change.inverse().apply(after), before)
    assert bool(change) != same(before, after)


@given(states(), states())
def test_a_change_survives_json(before: State, after: State) -> None:
    change = Change.between(before, after)
    assert Change.from_json(json.loads(json.dumps(change.to_json()))) == change


SETS = st.lists(st.sampled_from(PAIRS), max_size=5).map(tuple)


@given(SETS, SETS)
def test_a_change_of_pairs_leads_there_and_back_and_survives_json(
    before: tuple[SetPair, ...], after: tuple[SetPair, ...]
) -> None:
    states = [replace(State.start(GRAPH, 0.5), pairs=pairs) for pairs in (before, after)]
    change = Change.between(*states)
    assert bool(change) == (before != after) == change.edits_value and not change.edits_circuit
    assert change.apply(states[0]).pairs == after
    assert change.inverse().apply(states[1]).pairs == before
    assert Change.from_json(json.loads(json.dumps(change.to_json()))) == change


def test_a_change_of_pairs_that_does_not_fit_is_refused() -> None:
    start = replace(State.start(GRAPH, 0.5), pairs=(PAIRS[0], PAIRS[1]))
    change = Change.between(start, replace(start, pairs=(PAIRS[0], PAIRS[2])))
    with pytest.raises(WorkbenchError, match="Other pairs"):
        change.apply(replace(start, pairs=(PAIRS[1], PAIRS[0])))


def test_applying_alters_nothing_in_place() -> None:
    before = State.start(GRAPH, 0.5)
    after = State(Circuit.from_edges(GRAPH, EDGES[:3]), 0.1, {"m0": ("m0->logits",)})
    Change.between(before, after).apply(before)
    assert same(before, State.start(GRAPH, 0.5))


@pytest.mark.parametrize(
    "change",
    [
        Change(added=("m0->m1",), closed=GRAPH.destinations[:1]),
        Change(removed=("m0->logits",)),
        Change(closed=("m1",)),
        Change(opened=("m0",)),
        Change(added=("m1->m0",)),
        Change(opened=("m9",)),
        Change(neurons=(("m0", (1, 2), None),)),
        Change(neurons=(("a0.h1", None, (1,)),)),
        Change(neurons=(("m0", None, (-1,)),)),
    ],
)
def test_a_change_that_does_not_fit_is_refused(change: Change) -> None:
    circuit = Circuit.from_edges(GRAPH, ["m0->m1"])
    circuit.open = frozenset({"m0"})
    with pytest.raises(WorkbenchError):
        change.apply(State(circuit, 0.1))


@st.composite
def commands(draw: st.DrawFn) -> Command:
    cls = draw(st.sampled_from(list(KINDS.values())))
    fields: dict[str, st.SearchStrategy[Any]] = {
        "str": TEXT,
        "float": st.floats(allow_nan=False, allow_infinity=False),
        "int": st.integers(-(2**63), 2**63 - 1),
        "tuple[str, ...]": st.lists(TEXT, max_size=3).map(tuple),
        "tuple[StepTaken, ...]": st.lists(
            st.builds(StepTaken, TEXT, st.integers(0, 9), st.none() | st.floats(-1, 2)), max_size=3
        ).map(tuple),
        "Change": st.just(Change(added=("m0->m1",), threshold=(0.25, 0.1))),
    }
    return cls(
        **{
            name: draw(fields[str(f.type)])
            for name, f in cls.__dataclass_fields__.items()
            if name != "kind"
        }
    )


@given(commands())
def test_a_command_survives_json_and_describes_itself(command: Command) -> None:
    assert Command.from_json(json.loads(json.dumps(command.to_json()))) == command
    assert command.describe()


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (None, "no command"),
        ([], "no command"),
        ({"command": "dance"}, "newer version"),
        ({"command": "toggle", "edge": 3, "setting": "full"}, "text expected"),
        ({"command": "toggle", "setting": "full"}, "'edge'"),
        ({"command": "undo", "edge": "m0->m1"}, "no field 'edge'"),
        ({"command": "threshold", "value": "much"}, "not readable"),
        ({"command": "toggle-node", "node": "m0", "change": {"added": "m0"}}, "list of texts"),
        ({"command": "toggle-node", "node": "m0", "change": {"stolen": []}}, "'stolen'"),
        ({"command": "toggle-node", "node": "m0", "change": 7}, "change"),
        ({"command": "narrow", "mlp": "m0", "chosen": "", "change": {"neurons": [1]}}, "change"),
        (
            {
                "command": "narrow",
                "mlp": "m0",
                "chosen": "",
                "change": {"neurons": [["m0", None, "3-1"]]},
            },
            "no neurons",
        ),
        ({"command": "group", "name": "a", "role": "b", "nodes": "m0"}, "list of texts"),
    ],
)
def test_what_is_no_command_is_refused_in_a_sentence(value: object, says: str) -> None:
    with pytest.raises(WorkbenchError) as error:
        Command.from_json(value)
    assert says in str(error.value)


def test_descriptions_name_what_happened() -> None:
    kept = Change(added=("m0->logits", "m1->logits"), closed=("logits",))
    expand = Expand(node="logits", inputs="qkv", setting="full", change=kept)
    assert expand.describe() == "Expanded logits: 2 edges kept."
    head = Expand(node="a0.h1", inputs="q", setting="full", change=Change(added=("x",)))
    assert head.describe() == "Expanded a0.h1<q>: 1 edge kept."
    dropped = Toggle(edge="m0->m1", setting="full", change=Change(removed=("m0->m1",)))
    assert dropped.describe() == "Dropped m0->m1."


# The history.


def note(history: History, text: str) -> Command:
    after = history.state.with_words(notes={**history.state.circuit.notes, "": text})
    return Note(target="", text=text, change=Change.between(history.state, after))


def threshold(history: History, value: float) -> Command:
    after = replace(history.state, threshold=value)
    return SetThreshold(value=value, change=Change.between(history.state, after))


def do(history: History, command: Command) -> None:
    history.record(command, history.effect(command)[1])


def test_undo_and_redo_walk_the_list() -> None:
    history = History(State.start(GRAPH, 0.5))
    for text in ("one", "two", "three"):
        do(history, note(history, text))
    for expected in ("two", "one", None):
        do(history, Undo())
        assert history.state.circuit.notes.get("") == expected
    for expected in ("one", "two"):
        do(history, Redo())
        assert history.state.circuit.notes.get("") == expected
    do(history, note(history, "other"))
    with pytest.raises(WorkbenchError, match="nothing to redo"):
        history.effect(Redo())
    assert [command.describe() for command in history.done] == ["Noted on the circuit."] * 3


def test_nothing_to_undo_at_the_start() -> None:
    with pytest.raises(WorkbenchError, match="nothing to undo"):
        History(State.start(GRAPH, 0.5)).effect(Undo())


def test_a_run_of_threshold_moves_is_one_step() -> None:
    history = History(State.start(GRAPH, 0.5))
    do(history, note(history, "before"))
    for value in (0.4, 0.3, 0.2):
        do(history, threshold(history, value))
    assert len(history.done) == 2
    do(history, Undo())
    assert history.state.threshold == 0.5
    do(history, Redo())
    assert history.state.threshold == 0.2


def test_effect_alone_does_nothing() -> None:
    history = History(State.start(GRAPH, 0.5))
    history.effect(note(history, "one"))
    assert not history.done
    assert history.state.circuit.notes == {}


@settings(max_examples=25)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_describing_an_undo_names_what_it_undoes(values: list[float]) -> None:
    history = History(State.start(GRAPH, 2.0))
    for value in values:
        if value != history.state.threshold:
            do(history, threshold(history, value))
    assert history.describe(Undo()).startswith("Undone: Threshold")


def test_names_in_the_journal_are_unique() -> None:
    assert len({cls.kind for cls in KINDS.values()}) == len(KINDS)
    assert KINDS["load"] is Load and KINDS["group"] is SetGroup
