"""The commands of a session: what they do to the circuit, and that every number shown is exact."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.cases.session_cases import (
    FAMILIES,
    expand_all,
    fresh_metric,
    new_session,
    tiny,
)
from workbench.circuits.circuit import Circuit, RoleGroup
from workbench.errors import WorkbenchError
from workbench.formats import save_circuit
from workbench.readouts.logit_lens import logit_lens
from workbench.session.session import Session
from workbench.session.start import build_session


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with new_session(tmp_path) as made:
        yield made


def into(session: Session, destination: str) -> set[str]:
    return {edge for edge in session.circuit.edges() if edge.partition("->")[2] == destination}


def previewed(session: Session, node: str, inputs: str = "qkv") -> set[str]:
    return {c.edge for c in session.candidates(node, inputs) if c.preview}


# Beginning.


def test_it_begins_open_and_faithful(session: Session) -> None:
    status = session.status()
    graph = session.graph
    assert session.circuit == Circuit.start(graph)
    assert status.faithfulness == pytest.approx(1)
    assert status.circuit_metric == pytest.approx(status.model_metric, abs=1e-5)
    assert (status.edges, status.nodes, status.dead_edges) == (0, 1, 0)
    assert (status.all_edges, status.all_nodes) == (graph.n_edges, len(graph.nodes))
    assert (status.closed, status.reached_input, status.open_destinations) == (False, False, 1)
    assert (status.can_undo, status.can_redo, status.change) == (False, False, None)
    assert session.frontier() == ["logits"]
    assert [row.name for row in session.tree()] == ["logits"]


def test_the_first_threshold_is_two_percent_of_what_corrupting_does(session: Session) -> None:
    status = session.status()
    share = session.threshold / abs(status.model_metric - status.corrupted_metric)
    assert share == pytest.approx(0.02, rel=0.06)
    assert float(f"{session.threshold:.1e}") == session.threshold


def test_the_task_is_described(session: Session) -> None:
    info = session.task
    assert (info.name, info.metric, info.n_pairs, info.dropped) == ("ioi", "logit_diff", 6, 0)
    assert "logit" in info.metric_definition
    assert info.model_metric == session.status().model_metric
    prompt = session.prompts(0)
    pair = tiny()[1].pairs[0]
    assert "".join(prompt.clean) == pair.clean and "".join(prompt.corrupted) == pair.corrupted
    assert len(prompt.clean) == len(prompt.corrupted)
    assert prompt.answers == pair.answers
    with pytest.raises(WorkbenchError):
        session.prompts(6)


@pytest.mark.parametrize("metric", ["kl", "accuracy"])
def test_a_metric_without_slope_says_so(tmp_path: Path, metric: str, session: Session) -> None:
    assert not any("EAP" in note for note in session.task.notes)
    model, task = tiny()
    with build_session(model, task, metric=metric, journal=tmp_path / "other.jsonl") as other:
        assert any("EAP" in note for note in other.task.notes)
        assert other.task.metric == metric
        assert other.threshold > 0
        assert other.sweep("logits")
        assert any(c.exact for c in other.candidates("logits")) or metric == "accuracy"
        status = other.drop_all("logits")
        assert status.circuit_metric == pytest.approx(status.corrupted_metric, abs=1e-5)


# Commands on edges.


def test_expanding_keeps_exactly_the_preview(session: Session) -> None:
    session.sweep("logits")
    expected = previewed(session, "logits")
    assert 0 < len(expected) == session.preview("logits")
    status = session.expand("logits")
    assert set(session.circuit.edges()) == expected
    assert session.circuit.open == frozenset(session.graph.destinations) - {"logits"}
    assert status.edges == len(expected) and status.can_undo
    assert status.circuit_metric == pytest.approx(fresh_metric(session), abs=1e-5)
    assert status.faithfulness is not None
    assert status.change == pytest.approx(status.faithfulness - 1, abs=1e-6)
    assert {c.edge for c in session.candidates("logits") if c.kept} == expected


def test_expanding_one_input_of_a_head_leaves_the_others_open(session: Session) -> None:
    session.expand("logits", keep=["a2.h1->logits"])
    session.expand("a2.h1", "q", keep=["input->a2.h1<q>"])
    assert session.circuit.edges() == ["input->a2.h1<q>", "a2.h1->logits"]
    row = session.tree()[1]
    assert (row.name, row.state) == ("a2.h1", "partly")
    before = session.circuit
    session.expand("a2.h1", keep=["m0->a2.h1<v>"])
    assert into(session, "a2.h1<q>") == {"input->a2.h1<q>"}
    assert into(session, "a2.h1<v>") == {"m0->a2.h1<v>"}
    assert into(session, "a2.h1<k>") == set()
    assert session.circuit.open == before.open - {"a2.h1<k>", "a2.h1<v>"}
    assert session.frontier() == ["m0"]


def test_expanding_twice_changes_nothing_and_is_not_written_down(session: Session) -> None:
    session.expand("logits")
    size = session.path.stat().st_size
    circuit = session.circuit
    status = session.expand("logits", keep=[])
    assert "already" in status.message
    assert session.circuit == circuit
    assert session.path.stat().st_size == size


@pytest.mark.parametrize(
    "wrong",
    [
        lambda s: s.expand("a9.h9"),
        lambda s: s.expand("input"),
        lambda s: s.expand("logits", keep=["input->m0"]),
        lambda s: s.expand("logits", keep=["m9->logits"]),
        lambda s: s.expand("a1.h0", "x"),
        lambda s: s.expand("a1.h0", ""),
        lambda s: s.expand("logits", setting="somewhere"),
        lambda s: s.toggle("m2->m1"),
        lambda s: s.toggle("m2"),
        lambda s: s.toggle_node("logits"),
        lambda s: s.toggle_node("m1"),
        lambda s: s.toggle_node("m7"),
        lambda s: s.reopen("input"),
        lambda s: s.set_threshold(-1),
        lambda s: s.set_threshold(float("nan")),
        lambda s: s.set_group("", ["m0"]),
        lambda s: s.set_group("a", ["m7"]),
        lambda s: s.remove_group("none"),
        lambda s: s.note("m7", "x"),
        lambda s: s.note("m2->m1", "x"),
        lambda s: s.undo(),
        lambda s: s.redo(),
        lambda s: s.candidates("m7"),
        lambda s: s.candidates("m0", setting="none"),
        lambda s: s.sweep("m7"),
        lambda s: s.sweep("m0", setting="none"),
        lambda s: s.load(Path("/nowhere.json")),
        lambda s: s.export(Path("/nowhere/at/all.json")),
        lambda s: s.export(Path("x.json"), "cooked"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(
    session: Session, wrong: Callable[[Session], object]
) -> None:
    status, size = session.status(), session.path.stat().st_size
    with pytest.raises(WorkbenchError) as error:
        wrong(session)
    assert str(error.value).endswith(".")
    assert session.status() == status
    assert session.circuit == Circuit.start(session.graph)
    assert session.path.stat().st_size == size


def test_toggling_flips_one_edge(session: Session) -> None:
    session.expand("logits")
    before = set(session.circuit.edges())
    edge = "m1->logits"
    session.toggle(edge)
    assert set(session.circuit.edges()) == before ^ {edge}
    status = session.toggle(edge)
    assert set(session.circuit.edges()) == before
    assert status.circuit_metric == pytest.approx(fresh_metric(session), abs=1e-5)


def test_toggling_into_an_open_input_closes_it_with_its_preview_in_one_command(
    session: Session,
) -> None:
    session.expand("logits")
    edge = "input->m1"
    session.sweep("m1")
    expected = previewed(session, "m1") ^ {edge}
    session.toggle(edge)
    assert into(session, "m1") == expected
    assert "m1" not in session.circuit.open
    session.undo()
    assert into(session, "m1") == set() and "m1" in session.circuit.open


def test_keep_above_replaces_what_was_kept(session: Session) -> None:
    session.keep_all("logits")
    assert len(into(session, "logits")) == session.graph.n_sources
    session.sweep("logits")
    scores = sorted(abs(c.score) for c in session.candidates("logits"))
    session.set_threshold((scores[-2] + scores[-3]) / 2)
    expected = previewed(session, "logits")
    session.keep_above("logits")
    assert into(session, "logits") == expected and len(expected) == 2
    session.drop_all("logits")
    assert into(session, "logits") == set() and "logits" not in session.circuit.open


def test_dropping_everything_gives_the_corrupted_run(session: Session) -> None:
    status = session.drop_all("logits")
    assert status.circuit_metric == pytest.approx(status.corrupted_metric, abs=1e-5)
    assert status.faithfulness == pytest.approx(0, abs=1e-3)
    assert status.closed and not status.reached_input
    assert "corrupted run" in status.message


def test_a_node_is_dropped_and_restored_as_a_whole(session: Session) -> None:
    session.keep_all("logits")
    session.keep_all("m1")
    session.keep_all("a2.h0")
    before = session.circuit
    session.toggle_node("m1")
    ends = {edge: edge.partition("->") for edge in before.edges()}
    expected = [edge for edge, (source, _, end) in ends.items() if "m1" not in (source, end)]
    assert session.circuit.edges() == expected
    assert session.circuit.open == before.open
    status = session.toggle_node("m1")
    assert session.circuit == before
    assert status.circuit_metric == pytest.approx(fresh_metric(session), abs=1e-5)


def test_a_dropped_node_comes_back_only_where_nothing_was_reopened(session: Session) -> None:
    session.keep_all("logits")
    session.keep_all("m2")
    session.toggle_node("m1")
    session.reopen("m2")
    session.toggle_node("m1")
    assert session.circuit.has("m1->logits") and not session.circuit.has("m1->m2")
    session.toggle_node("m1")
    session.reopen("logits")
    with pytest.raises(WorkbenchError, match="reopened"):
        session.toggle_node("m1")


def test_the_input_can_be_dropped_and_restored(session: Session) -> None:
    session.keep_all("logits")
    session.keep_all("m0")
    session.toggle_node("input")
    assert not session.status().reached_input
    assert not any(edge.startswith("input->") for edge in session.circuit.edges())
    assert session.toggle_node("input").reached_input


def test_reopening_forgets_the_kept_edges(session: Session) -> None:
    session.expand("logits")
    session.keep_all("a2.h0")
    session.reopen("a2.h0", "k")
    assert into(session, "a2.h0<k>") == set()
    assert into(session, "a2.h0<q>") != set()
    assert "a2.h0<k>" in session.circuit.open
    session.reopen("logits")
    assert session.status().faithfulness == pytest.approx(1)
    assert session.status().dead_edges == session.status().edges > 0
    assert "already" in session.reopen("logits").message


def test_clearing_goes_back_to_the_start_and_keeps_words(session: Session) -> None:
    expand_all(session)
    session.set_group("g", ["m0"], "copy")
    session.note("m0", "hm")
    session.clear()
    assert session.circuit == Circuit.start(session.graph)
    assert session.circuit.groups == (RoleGroup("g", "copy", ("m0",)),)
    assert session.circuit.notes == {"m0": "hm"}


@pytest.mark.parametrize("family", FAMILIES)
def test_reaching_the_embeddings_is_said(tmp_path: Path, family: str) -> None:
    with new_session(tmp_path, family) as session:
        status = expand_all(session)
        assert status.closed and status.reached_input and status.open_destinations == 0
        assert status.message.startswith("Reached the embeddings: ")
        assert f"{status.edges} edges, {status.nodes} nodes" in status.message
        assert session.frontier() == []
        assert status.circuit_metric == pytest.approx(fresh_metric(session), abs=1e-5)
        edge = session.circuit.edges()[0]
        assert session.toggle(edge).message == f"Dropped {edge}."


def test_the_whole_model_as_a_circuit_is_the_model(session: Session, tmp_path: Path) -> None:
    save_circuit(Circuit.full(session.graph), tmp_path / "full.json")
    status = session.load(tmp_path / "full.json")
    assert status.faithfulness == pytest.approx(1, abs=1e-3)
    assert (status.edges, status.nodes) == (status.all_edges, status.all_nodes)
    assert status.dead_edges == 0 and status.closed


def test_dead_edges_are_counted(session: Session) -> None:
    session.expand("logits", keep=["m2->logits"])
    session.drop_all("m2")
    assert session.status().dead_edges == 1
    assert session.tree()[1].state == "dead"
    assert session.tree()[0].state == "dead"
    session.toggle("input->m2")
    assert session.status().dead_edges == 0
    session.keep_all("m0")  # leads nowhere
    assert session.status().dead_edges == len(into(session, "m0"))
    assert session.status().nodes == 3


# Words.


def test_groups_move_nodes_and_give_roles(session: Session) -> None:
    session.expand("logits", keep=["m2->logits", "m1->logits"])
    session.set_group("late", ["m2", "m1"], "raise the answer")
    session.set_group("middle", ["m1"])
    groups = session.circuit.groups
    assert groups == (
        RoleGroup("late", "raise the answer", ("m2",)),
        RoleGroup("middle", "", ("m1",)),
    )
    assert {row.name: row.role for row in session.tree()} == {
        "logits": None,
        "m2": "raise the answer",
        "m1": "middle",
    }
    role = {c.source: c.role for c in session.candidates("logits")}
    assert role["m2"] == "raise the answer" and role["m0"] is None
    session.set_group("late", ["m2", "m0"], "other")
    assert session.circuit.groups[0] == RoleGroup("late", "other", ("m2", "m0"))
    session.remove_group("late")
    assert [group.name for group in session.circuit.groups] == ["middle"]
    for _ in range(4):
        session.undo()
    assert session.circuit.groups == ()


def test_notes_are_kept_and_removed(session: Session) -> None:
    for target in ("", "m0", "input->m0"):
        session.note(target, f"on {target}")
    assert session.circuit.notes == {"": "on ", "m0": "on m0", "input->m0": "on input->m0"}
    session.note("m0", "")
    assert "m0" not in session.circuit.notes
    assert session.undo().message == "Undone: Removed the note on m0."
    assert session.circuit.notes["m0"] == "on m0"


def test_words_do_not_touch_the_numbers(session: Session) -> None:
    session.expand("logits")
    before = session.status()
    after = session.note("m0", "x")
    after = session.set_threshold(1.0)
    assert (after.revision, after.change, after.circuit_metric) == (
        before.revision,
        before.change,
        before.circuit_metric,
    )


def test_readouts_are_those_of_the_session_s_prompts(session: Session) -> None:
    experiment = session._engine.experiment
    read = session.readouts
    assert read.lens("m1", k=3) == logit_lens(experiment, "m1", k=3)
    assert len(read.lens("m1", -2, 0, 5).promoted) == 5
    total = read.attribution().total
    assert total == pytest.approx(session.status().model_metric, abs=1e-4)
    assert read.attribution(pair=1).place.pair == 1
    assert read.curve("m1").labels == session.task.answer_labels
    assert read.attention("a1.h0", 2).tokens == tuple(session.prompts(2).clean)
    assert len(read.residual(pair=0).rows) == session.graph.n_layers + 1
    for wrong in (
        lambda: read.lens("m9"),
        lambda: read.lens("m1", position=99),
        lambda: read.attention("m1"),
        lambda: read.attribution(pair=77),
        lambda: read.curve("m1", run="other"),
        lambda: read.residual(k=0),
    ):
        with pytest.raises(WorkbenchError):
            wrong()
    assert session.expand("logits").edges > 0  # every turn was given back


def test_importing_the_session_loads_no_torch() -> None:
    heavy = "{'torch', 'transformers', 'transformer_lens', 'textual', 'pydantic'}"
    script = f"import sys, workbench.session.session; print(sorted({heavy} & set(sys.modules)))"
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


def test_moving_between_groups_is_one_step_and_leaves_no_empty_ones(session: Session) -> None:
    session.set_group("one", ["m1"], "first")
    session.set_group("two", ["a1.h1", "a0.h0"], "second")
    before = session.circuit.groups
    session.move_to_group(["m1", "a1.h1"], "three", "third")
    groups = {group.name: group for group in session.circuit.groups}
    assert set(groups) == {"two", "three"}
    assert groups["two"].nodes == ("a0.h0",)
    assert groups["two"].role == "second"
    session.undo()
    assert session.circuit.groups == before
    session.redo()
    session.move_to_group(["a0.h0", "a1.h1"], "")
    groups = {group.name: group for group in session.circuit.groups}
    assert set(groups) == {"three"}
    assert groups["three"].nodes == ("m1",)
    assert groups["three"].role == "third"
