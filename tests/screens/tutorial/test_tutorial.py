"""The tutorial in the app: its panel, its keys, a whole run through it, and leaving it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, Static

import workbench.models.model
from screens.app import WorkbenchApp
from screens.base.actions import keyed
from screens.bench import keys
from screens.bench.screen import BenchScreen
from screens.graph import keys as graph_keys
from screens.graph.group_dialog import GroupDialog
from screens.graph.screen import GraphScreen
from screens.help.key_table import key_table, written
from screens.palette.entries import entries
from screens.setup.screen import SetupScreen
from screens.tutorial.dialog import TutorialDialog
from screens.tutorial.guided import GuidedBench, GuidedGraph
from screens.tutorial.keys import GROUP, TUTORIAL_ACTIONS
from screens.tutorial.panel import TutorialPanel
from screens.widgets.too_small import LEAST
from tests.support.tiny_sessions import tiny_model, tiny_session, until
from workbench.errors import WorkbenchError
from workbench.tutorial.progress import progress_path
from workbench.tutorial.steps import STEPS
from workbench.tutorial.tour import Tour

pytestmark = pytest.mark.slow

NARROW, WIDE = (80, 24), (160, 48)


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A state folder of its own, and a tiny model in the place of the bundled one."""
    monkeypatch.setenv("WORKBENCH_STATE", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(workbench.models.model, "load_model", lambda *_, **__: tiny_model()[0])
    yield


class Guided:
    """An app with the tutorial, and a hand that presses its keys."""

    def __init__(self, pilot: Pilot[Any], bench: GuidedBench) -> None:
        self.pilot = pilot
        self.bench = bench

    @classmethod
    async def of(cls, pilot: Pilot[Any]) -> Guided:
        await until(pilot, lambda: isinstance(pilot.app.screen, GuidedBench), 30)
        bench = pilot.app.screen
        assert isinstance(bench, GuidedBench)
        await until(pilot, lambda: bench.quiet)
        bench.watch_user()
        return cls(pilot, bench)

    @property
    def tour(self) -> Tour:
        return self.bench.tour

    async def press(self, *pressed: str) -> None:
        for key in pressed:
            await self.pilot.press(key)
            await until(self.pilot, lambda: self.bench.quiet)
            self.bench.watch_user()

    async def done(self, key: str) -> str:
        """This step is on and gets done; go on from it. Returns what was said of it."""
        await until(self.pilot, lambda: self.tour.remark is not None)
        assert self.tour.step.key == key
        said = self.tour.remark or ""
        await self.press("y")
        return said

    def text(self) -> str:
        panel = self.pilot.app.screen.query_one(TutorialPanel)
        return "\n".join(str(part.content) for part in panel.query(Static))


def kept_place() -> dict[str, Any]:
    return dict(json.loads(progress_path().read_text()))


def guided_app(tmp_path: Path, at: int = 0) -> WorkbenchApp:
    """The tutorial at one of its steps, without loading."""

    class Ours(WorkbenchApp):
        def show_setup(self, *_: object) -> None:
            self._show_bench(GuidedBench(tiny_session(tmp_path, "greater-than"), Tour(at=at)))

    return Ours()


@pytest.mark.parametrize("size", [NARROW, WIDE])
async def test_the_whole_tutorial_by_its_keys(size: tuple[int, int]) -> None:
    app = WorkbenchApp(tutorial="go on")
    async with app.run_test(size=size) as pilot:
        user = await Guided.of(pilot)
        session = user.bench.session
        session.set_threshold(1e-12)  # of random weights: every edge passes
        for step in STEPS[:1]:
            assert step.title in user.text() and step.text in user.text()
        await user.press("p", "right", "escape")
        assert "prompts" in await user.done("task")
        await user.press("2")
        assert f"{session.status().all_edges:,}" in await user.done("circuit")
        await user.press("j")
        assert "exact" in await user.done("effects")
        await user.press("e")
        await user.done("expand")
        await user.press("home", "space")
        assert user.tour.remark is None
        await user.press("u")
        assert "back at" in await user.done("toggle")
        await user.press("left_square_bracket")
        await user.done("threshold")
        session.set_threshold(1e-12)
        await user.press("w")
        assert user.tour.remark is None
        await user.press("e")
        await user.done("next")
        await user.press("J", "a", "2", "enter", "i")
        assert "query" in await user.done("inputs")
        await user.press("J", "l", "o", "g", "enter", "m")
        assert "along the circuit" in await user.done("setting")
        await user.press("m", "m", "J", "m", "2", "enter", "1")
        node = user.bench.panels.readouts.node or ""
        assert f"readouts of {node}" in user.tour.ask
        await user.press("3", "right", "right")
        assert node in await user.done("lens")
        await user.press("g")
        assert isinstance(app.screen, GuidedGraph)
        assert "space picks it" in user.text()
        await user.press("down", "space", "R")
        assert isinstance(app.screen, GroupDialog)
        app.screen.query_one("#name", Input).value = "late"
        app.screen.query_one("#role", Input).value = "raise years"
        await user.press("enter")
        await until(pilot, lambda: user.tour.remark is not None)
        assert "raise years" in user.text(), "it is said on the graph, too"
        await user.press("escape")
        await user.done("roles")
        await user.press("2")
        while session.frontier():
            assert user.tour.remark is None
            await user.press("w", "e")
        assert session.status().closed
        assert "faithfulness" in await user.done("close")
        await user.press("J", "l", "o", "g", "enter", "d")
        assert user.tour.remark is None
        await user.press("2", "home", "space")
        await user.done("costs")
        await user.press("o", "enter")
        assert ".json" in await user.done("export")
        over = user.bench.over
        assert user.tour.last and not over
        await user.press("y")
        assert user.bench.over and not user.bench.query_one(TutorialPanel).display
        assert kept_place()["step"] == "finished"
        # From here on it is an ordinary bench.
        before = user.tour.at
        await user.press("b", "y", "g")
        assert type(app.screen) is GraphScreen
        assert user.tour.at == before


async def test_it_is_left_and_taken_up_again() -> None:
    app = WorkbenchApp(tutorial="go on")
    async with app.run_test(size=NARROW) as pilot:
        user = await Guided.of(pilot)
        await user.press("y", "y", "y", "e")
        assert user.tour.step.key == "expand" and user.tour.remark
        said, path = user.tour.remark, user.bench.session.path
        await user.press("q")
    assert kept_place() == {"journal": str(path), "step": "expand", "remark": said}

    again = WorkbenchApp(tutorial="go on")
    async with again.run_test(size=NARROW) as pilot:
        user = await Guided.of(pilot)
        assert user.bench.session.path == path
        assert user.tour.step.key == "expand"
        assert said in user.text()
        await user.press("T")
        assert isinstance(again.screen, TutorialDialog)
        await user.press("escape")
        over = user.bench.over
        assert not over
        await user.press("T", "T")
        assert user.bench.over
        assert user.bench.session.status().can_undo
        assert kept_place()["step"] == "expand"


async def test_starting_over_from_within() -> None:
    app = WorkbenchApp(tutorial="go on")
    async with app.run_test(size=NARROW) as pilot:
        user = await Guided.of(pilot)
        first = user.bench.session.path
        await user.press("y", "y")
        await pilot.press("T", "X")
        await until(pilot, lambda: app.screen is not user.bench)
        user = await Guided.of(pilot)
        assert user.bench.session.path != first
        assert user.tour.at == 0
        assert first.exists(), "the session before stays saved"


async def test_a_damaged_place_begins_anew_and_says_so() -> None:
    progress_path().parent.mkdir(parents=True)
    progress_path().write_text("{")
    app = WorkbenchApp(tutorial="go on")
    async with app.run_test(size=NARROW) as pilot:
        user = await Guided.of(pilot)
        assert user.tour.at == 0
        assert any("begins anew" in note.message for note in app._notifications)


async def test_its_session_resumes_as_an_ordinary_one() -> None:
    app = WorkbenchApp(tutorial="go on")
    async with app.run_test(size=NARROW) as pilot:
        user = await Guided.of(pilot)
        await user.press("e", "q")
        path = user.bench.session.path
    app = WorkbenchApp(resume=path)
    async with app.run_test(size=NARROW) as pilot:
        await until(pilot, lambda: isinstance(app.screen, BenchScreen), 30)
        assert type(app.screen) is BenchScreen
        assert not app.screen.query(TutorialPanel)


async def test_what_does_not_load_is_a_sentence_on_setup(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise WorkbenchError("The model pocket is not whole.")

    monkeypatch.setattr(workbench.models.model, "load_model", broken)
    app = WorkbenchApp(tutorial="go on")
    async with app.run_test(size=NARROW) as pilot:
        await until(pilot, lambda: isinstance(app.screen, SetupScreen), 30)
        said = str(app.screen.query_one("#complaint", Static).content)
        assert said == "The model pocket is not whole."


@pytest.mark.parametrize("way", ["key", "title", "footer"])
async def test_setup_offers_it(monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    opened: list[bool] = []
    monkeypatch.setattr(WorkbenchApp, "open_tutorial", lambda self, *, restart: opened.append(True))
    app = WorkbenchApp()
    async with app.run_test(size=NARROW) as pilot:
        await until(pilot, lambda: isinstance(app.screen, SetupScreen))
        await pilot.pause()
        if way == "key":
            await pilot.press("ctrl+t")
        elif way == "title":
            await pilot.click("#new-here", offset=(14, 0))
        else:
            shown = "".join(s.text for s in app.screen.query_one("#keys").render_line(0))
            await pilot.click("#keys", offset=(shown.index("tutorial"), 0))
        await pilot.pause()
        assert opened


async def test_every_key_that_the_panel_shows_works_by_key_and_by_mouse(tmp_path: Path) -> None:
    async with guided_app(tmp_path, at=4).run_test(size=NARROW) as pilot:
        user = await Guided.of(pilot)
        head = str(user.bench.query_one("#tutorial-head", Static).content)
        for key, words in (("y", "skip"), ("b", "back"), ("z", "fold"), ("T", "leave")):
            assert f"{key} {words}" in head

        async def click(words: str) -> None:
            head = str(user.bench.query_one("#tutorial-head", Static).content)
            await pilot.click("#tutorial-head", offset=(head.index(words), 0))
            await pilot.pause()

        await click("skip")
        assert user.tour.at == 5
        await click("back")
        await user.press("b")
        assert user.tour.at == 3
        await click("fold")
        panel = user.bench.query_one(TutorialPanel)
        await pilot.pause()
        assert panel.size.height == 1
        head = str(user.bench.query_one("#tutorial-head", Static).content)
        assert keyed(user.tour.ask)[:20] in head and len(head) <= NARROW[0]
        await user.press("z")
        assert panel.size.height > 3
        await click("leave")
        assert isinstance(pilot.app.screen, TutorialDialog)


def test_its_keys_are_nobody_elses() -> None:
    mine = {key for action in TUTORIAL_ACTIONS for key in action.keys.split(",")}
    for action in (*keys.ACTIONS, *keys.READOUT_ACTIONS, *graph_keys.ACTIONS):
        assert not mine & set(action.keys.split(",")), action.name


async def test_the_help_and_the_palette_know_its_keys(tmp_path: Path) -> None:
    async with guided_app(tmp_path, at=3).run_test(size=NARROW) as pilot:
        user = await Guided.of(pilot)
        for screen in (user.bench, None):
            if screen is None:
                await user.press("g")
            rows = key_table(pilot.app.screen.active_bindings)
            shown = {key for row in rows if row.section == GROUP for key in row.keys}
            assert shown == {written(action.keys) for action in TUTORIAL_ACTIONS}
        assert isinstance(pilot.app, WorkbenchApp)
        titles = [entry.title for entry in entries(pilot.app, user.bench)]
        assert "Tutorial: next step (y)" in titles
        assert any(title.startswith("Expand") for title in titles)


@pytest.mark.parametrize("at", range(len(STEPS)))
async def test_it_leaves_room_at_80x24(tmp_path: Path, at: int) -> None:
    async with guided_app(tmp_path, at=at).run_test(size=NARROW) as pilot:
        user = await Guided.of(pilot)
        assert user.bench.query_one(TutorialPanel).size.height <= 7
        assert user.bench.query_one("#circuit").size.height >= 11


async def test_the_panel_follows_the_size(tmp_path: Path) -> None:
    async with guided_app(tmp_path, at=3).run_test(size=NARROW) as pilot:
        user = await Guided.of(pilot)
        panel = user.bench.query_one(TutorialPanel)
        for size, heights in ((WIDE, (4, 5)), (NARROW, (6, 7)), (LEAST, (1, 1)), (WIDE, (4, 5))):
            await pilot.resize_terminal(*size)
            await pilot.pause()
            user.bench.watch_user()
            await pilot.pause()
            assert heights[0] <= panel.size.height <= heights[1], size
            head = str(panel.query_one("#tutorial-head", Static).content)
            assert len(head) == size[0] - 2
