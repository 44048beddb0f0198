"""The tutorial's steps over plain observations, its place on the disk, and how it is taken up."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from screens.base.actions import keyed
from screens.preferences.keymap import actions_by_id
from tests.support.tiny_sessions import tiny_model, tiny_session
from workbench.errors import WorkbenchError
from workbench.readouts.results import AnswerCurve
from workbench.session.session import Session
from workbench.tutorial.observation import Look, Moment
from workbench.tutorial.open import TASK, take_up
from workbench.tutorial.progress import (
    FINISHED,
    TutorialProgress,
    progress_path,
    read_progress,
    write_progress,
)
from workbench.tutorial.steps import STEPS
from workbench.tutorial.tour import Tour

NARROW = 78  # cells of the panel on a terminal of 80 columns
BY_KEY = {step.key: index for index, step in enumerate(STEPS)}
HEAD, MLP = "a2.h1", "m2"


def shown(text: str) -> str:
    """A text as the panel shows it, with the usual keys in it."""
    assert actions_by_id()  # whose keys they are
    return keyed(text)


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_STATE", str(tmp_path / "state"))


@pytest.fixture
def session(tmp_path: Path) -> Session:
    made = tiny_session(tmp_path, "greater-than")
    made.set_threshold(0.0)
    return made


def moment(session: Session, look: Look, curve: AnswerCurve | None = None) -> Moment:
    """What there would be to see."""
    return Moment(
        look=look,
        status=session.status(),
        metric=session.task.metric,
        threshold=session.threshold,
        edges=tuple(session.candidates(look.node, look.inputs, look.setting)),
        rows=tuple(session.tree()),
        frontier=tuple(session.frontier()),
        nodes=tuple(session.graph.nodes),
        groups=session.circuit.groups,
        curve=curve,
        log=tuple(session.log),
        exported=tuple(str(path) for path in session.exported),
    )


class User:
    """Does things in a session, and is watched by the tutorial."""

    def __init__(self, session: Session, step: str) -> None:
        self.session = session
        self.tour = Tour(at=BY_KEY[step])
        self.look = Look()
        self.curve: AnswerCurve | None = None

    def see(self, **changes: Any) -> None:
        self.look = replace(self.look, **changes)
        self.tour.observe(moment(self.session, self.look, self.curve))

    def do(self, command: Callable[[], object]) -> None:
        command()
        self.see()

    def expand_next(self) -> None:
        node = self.session.frontier()[0]
        self.see(node=node)
        self.do(lambda: self.session.expand(node))


def prompts(user: User) -> None:
    user.see(screen="prompts")
    user.see(screen="bench")


def effects(user: User) -> None:
    user.session.sweep("logits")
    edges = user.session.candidates("logits")
    user.see(panel="candidates", edge=edges[0].edge)
    user.see(edge=edges[1].edge)


def toggle(user: User) -> None:
    edge = next(e.edge for e in user.session.candidates("logits") if e.kept)
    user.do(lambda: user.session.toggle(edge))
    assert user.tour.remark is None and "{key:bench.undo} (undo)" in user.tour.ask
    user.do(user.session.undo)


def threshold(user: User) -> None:
    user.do(lambda: user.session.set_threshold(0.001))


def lens(user: User) -> None:
    user.see(node=MLP, read=MLP)
    user.see(panel="readouts")
    assert "answer curve" in user.tour.ask
    user.see(readout="curve")
    assert user.tour.remark is None, "it is not on the screen yet"
    user.curve = user.session.readouts.curve(MLP)
    user.see()


def role(user: User) -> None:
    user.see(screen="graph")
    user.do(lambda: user.session.set_group("late", [MLP]))
    assert user.tour.remark is None and "no role" in user.tour.ask
    user.do(lambda: user.session.set_group("late", [MLP], "raise years"))


def close(user: User) -> None:
    while user.session.frontier():
        assert user.tour.remark is None
        assert "Still open" in user.tour.ask
        user.expand_next()


def costs(user: User) -> None:
    user.see(panel="candidates", costs=True)
    edge = next(e.edge for e in user.session.candidates("logits") if e.kept)
    user.do(lambda: user.session.toggle(edge))


def export(user: User) -> None:
    path = user.session.path.with_name("mine.json")
    user.do(lambda: user.session.export(path))


def inputs(user: User) -> None:
    user.see(node=HEAD)
    user.see(inputs="q")


DOING: dict[str, Callable[[User], None]] = {
    "task": prompts,
    "circuit": lambda user: user.see(panel="candidates"),
    "effects": effects,
    "expand": lambda user: user.do(lambda: user.session.expand("logits")),
    "toggle": toggle,
    "threshold": threshold,
    "next": User.expand_next,
    "inputs": inputs,
    "setting": lambda user: user.see(setting="along"),
    "lens": lens,
    "roles": role,
    "close": close,
    "costs": costs,
    "export": export,
}
"""What does each step."""

BEFORE = {
    "toggle": ("logits",),
    "next": ("logits",),
    "costs": ("logits",),
}
"""What is expanded before a step."""


def test_there_is_a_way_to_do_every_step_but_the_last() -> None:
    assert [*DOING, "end"] == [step.key for step in STEPS]


@pytest.mark.parametrize("key", DOING)
def test_a_step_is_done_by_doing_it_and_not_before(session: Session, key: str) -> None:
    for node in BEFORE.get(key, ()):
        session.expand(node)
    user = User(session, key)
    user.see()
    user.see()
    said = user.tour.remark
    assert said is None
    assert user.tour.ask
    DOING[key](user)
    assert user.tour.remark, user.tour.ask
    assert "None" not in user.tour.remark
    # It stays done, whatever comes after it.
    said = user.tour.remark
    if session.status().can_undo:
        user.do(session.undo)
    assert user.tour.remark, said


@pytest.mark.parametrize("key", DOING)
def test_what_was_done_before_a_step_does_not_count(session: Session, key: str) -> None:
    for node in BEFORE.get(key, ()):
        session.expand(node)
    user = User(session, key)
    user.see()
    DOING[key](user)
    again = Tour(at=BY_KEY[key])
    for _ in range(2):
        again.observe(moment(session, user.look, user.curve))
    assert again.remark is None
    assert again.ask, "and it says what to do instead"


@pytest.mark.parametrize("key", DOING)
def test_something_else_does_no_step_of_another_kind(session: Session, key: str) -> None:
    """A user who goes elsewhere is neither ticked off nor stopped."""
    user = User(session, key)
    user.see()
    user.do(lambda: session.note("logits", "a note"))
    user.see(screen="other")
    user.see(screen="bench", node="m1")
    assert user.tour.remark is None
    assert user.tour.ask


def test_every_ask_has_something_to_name_in_an_empty_circuit(session: Session) -> None:
    session.drop_all("logits")
    for index in range(len(STEPS)):
        tour = Tour(at=index)
        for look in (Look(), Look(panel="readouts", read="m0"), Look(node="m0", costs=True)):
            tour.observe(moment(session, look))
            assert tour.ask


def test_a_circuit_that_misses_the_embeddings_is_not_called_closed(session: Session) -> None:
    user = User(session, "close")
    user.see()
    user.do(lambda: session.drop_all("logits"))
    assert session.status().closed
    assert user.tour.remark is None
    assert "embeddings" in user.tour.ask


def test_back_and_forth(session: Session) -> None:
    user = User(session, "task")
    user.see()
    assert not user.tour.go(-1)
    prompts(user)
    said = user.tour.remark
    assert said
    assert user.tour.go(1)
    assert user.tour.remark is None
    assert user.tour.go(-1)
    assert user.tour.remark is None, "a step that is gone back to is to be done again"
    for _ in STEPS[1:]:
        assert user.tour.go(1)
    assert user.tour.last and not user.tour.go(1)


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.key)
def test_texts_fit_80_columns(step: Any) -> None:
    assert len(textwrap.wrap(shown(step.text), NARROW)) <= 4
    assert len(step.title) <= 28


def test_asks_and_remarks_fit_two_lines(session: Session) -> None:
    for key, doing in DOING.items():
        user = User(session, key)
        user.see()
        assert len(textwrap.wrap(shown(user.tour.ask), NARROW - 2)) <= 2, user.tour.ask
        if key not in ("close", "lens"):
            doing(user)
            remark = shown(user.tour.remark or "").replace(str(session.path.parent), "")
            assert len(textwrap.wrap(remark, NARROW - 2)) <= 2, remark


# The place.


def test_the_place_is_kept(tmp_path: Path) -> None:
    assert read_progress() is None
    for progress in (
        TutorialProgress("a.jsonl", "lens"),
        TutorialProgress("a.jsonl", "lens", "Seen."),
    ):
        write_progress(progress)
        assert read_progress() == progress
    assert STEPS[TutorialProgress("a", "lens").at].key == "lens"
    write_progress(TutorialProgress("a.jsonl", FINISHED))
    assert read_progress() is None, "what was finished begins anew"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[1]",
        "null",
        "\x00\xff",
        "{}",
        '{"journal": 1, "step": "lens"}',
        '{"journal": "a", "step": "no such step"}',
        '{"journal": "a", "step": []}',
        '{"journal": "a", "step": "lens", "remark": 3}',
        '{"journal": "a", "step": "lens", "more": 1}',
    ],
)
def test_a_damaged_place_is_a_sentence(text: str) -> None:
    path = progress_path()
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="latin-1")
    with pytest.raises(WorkbenchError, match="tutorial"):
        read_progress()


def test_a_place_that_cannot_be_kept_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where the folder should be")
    with pytest.raises(WorkbenchError, match="cannot be kept"):
        write_progress(TutorialProgress("a", "lens"))


# Taking it up.


@pytest.fixture
def pocket(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tiny model in the place of the one that comes with the workbench."""
    import workbench.models.model

    monkeypatch.setattr(workbench.models.model, "load_model", lambda *_, **__: tiny_model()[0])


def begun() -> Path:
    """A tutorial that was left at its seventh step."""
    taken = take_up()
    taken.session.expand("logits")
    taken.session.close()
    write_progress(TutorialProgress(str(taken.session.path), "next"))
    return taken.session.path


def test_it_is_taken_up_where_it_was_left(pocket: None) -> None:
    path = begun()
    taken = take_up()
    assert taken.session.path == path
    assert taken.session.task.name == TASK
    assert taken.tour.step.key == "next" and not taken.said
    assert len(taken.session.commands()) == 1
    taken.session.close()
    anew = take_up(restart=True)
    assert anew.session.path != path
    assert anew.tour.at == 0 and not anew.said
    anew.session.close()


@pytest.mark.parametrize("damage", ["gone", "broken", "foreign", "place"])
def test_what_is_gone_or_damaged_begins_anew_and_says_so(pocket: None, damage: str) -> None:
    path = begun()
    if damage == "gone":
        path.unlink()
    elif damage == "broken":
        path.write_bytes(path.read_bytes().replace(b'"n":1', b'"n":7'))
    elif damage == "foreign":
        path.write_text(json.dumps({"something": "else"}) + "\n")
    else:
        progress_path().write_text("{")
    taken = take_up()
    assert taken.session.path != path
    assert taken.tour.at == 0
    assert taken.said.startswith("The tutorial begins anew: ") and taken.said.endswith(".")
    assert "\n" not in taken.said
    taken.session.close()


def test_a_tutorial_that_is_open_elsewhere_is_left_alone(pocket: None) -> None:
    begun()
    first = take_up()
    with pytest.raises(WorkbenchError, match="open in this process already"):
        take_up()
    first.session.close()


def test_a_model_that_is_missing_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from workbench.models.bundled import POCKET

    monkeypatch.setattr(POCKET, "folder", tmp_path / "nowhere")
    monkeypatch.delitem(vars(POCKET), "checked_folder", raising=False)
    with pytest.raises(WorkbenchError, match="pocket"):
        take_up()


def test_the_log_tells_undo_and_redo_and_files(session: Session, tmp_path: Path) -> None:
    began = len(session.log)
    session.expand("logits")
    session.undo()
    session.redo()
    first, back, again = session.log[began:]
    assert first.change.closed == back.change.opened == again.change.closed == ("logits",)
    assert first.before.faithfulness == back.after.faithfulness == 1
    assert first.after.faithfulness == again.after.faithfulness
    assert session.exported == []
    session.export(tmp_path / "circuit.json")
    assert session.exported == [tmp_path / "circuit.json"]
    with pytest.raises(WorkbenchError):
        session.export(tmp_path / "no folder" / "circuit.json")
    assert len(session.exported) == 1


@pytest.mark.parametrize(("flags", "asked"), [([], "go on"), (["--restart"], "restart")])
def test_the_command(monkeypatch: pytest.MonkeyPatch, flags: list[str], asked: str) -> None:
    from workbench.cli import launch
    from workbench.cli.main import main

    shown: list[str] = []

    def show(tutorial: str) -> int:
        shown.append(tutorial)
        return 0

    monkeypatch.setattr(launch, "show", show)
    assert main(["tutorial", *flags]) == 0
    assert shown == [asked]
