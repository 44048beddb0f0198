"""The graph screen on a real session: moving, picking, grouping, focus, and the way back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from textual.app import App
from textual.pilot import Pilot
from textual.widgets import Input, Static

from screens.graph.circuit_map import Map
from screens.graph.link_list import LinkList
from screens.graph.screen import GraphScreen
from tests.support.tiny_sessions import tiny_session, until
from workbench.session.session import Session

pytestmark = pytest.mark.slow

EDGES = {
    "logits": ("a2.h1->logits", "m1->logits", "a0.h0->logits"),
    "a2.h1": ("m1->a2.h1<q>", "m1->a2.h1<k>", "a0.h1->a2.h1<v>"),
    "m1": ("a0.h0->m1", "input->m1"),
}


@pytest.fixture
def session(tmp_path: Path) -> Session:
    session = tiny_session(tmp_path)
    for node, edges in EDGES.items():
        session.expand(node, keep=edges)
    return session


class Opened(App[None]):
    """An app with the graph screen on top, and what it was answered."""

    def __init__(self, session: Session, node: str | None = None) -> None:
        super().__init__()
        self.animation_level = "none"
        self.session, self.node = session, node
        self.answers: list[str | None] = []

    def on_mount(self) -> None:
        self.push_screen(GraphScreen(self.session, self.node), self.answers.append)

    @property
    def graph(self) -> GraphScreen:
        screen = next(s for s in self.screen_stack if isinstance(s, GraphScreen))
        assert isinstance(screen, GraphScreen)
        return screen


def text_of(app: Opened) -> str:
    return "\n".join(line.plain.rstrip() for line in app.graph.map.lines)


def said(app: Opened, name: str) -> str:
    return str(app.graph.query_one(f"#{name}", Static).content)


async def test_it_draws_the_circuit_and_lists_the_links(session: Session) -> None:
    app = Opened(session)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        assert app.graph.node == "logits"
        assert text_of(app).splitlines() == [
            "┌─    ▸●logits",
            "├▼  2          ▼●a2.h1",
            "├▼  1 ▼●m1",
            "└▼  0          ▼◌a0.h0   ◌a0.h1",
            "       ■input",
        ]
        rows = app.graph.query_one(LinkList).rows
        assert {row.other for row in rows} == {"a2.h1", "m1", "a0.h0"}
        sizes = [abs(row.link.effect or 0) for row in rows]
        assert sizes == sorted(sizes, reverse=True)
        links = app.graph.query_one(LinkList)
        drawn = [str(links.line(row, 60, False)) for row in rows]
        assert all("~" in line and "█" not in line for line in drawn), "all are estimates"
        assert "▒" in drawn[0]
        assert "6 nodes, 8 edges" in said(app, "graph-title")


async def test_it_begins_at_the_node_asked_for(session: Session) -> None:
    for node, there in (("m1", "m1"), ("a1.h0", "logits")):
        app = Opened(session, node)
        async with app.run_test(size=(80, 24)) as pilot:
            await pilot.pause()
            assert app.graph.node == there
            assert app.graph.map.cursor == there


async def test_arrows_and_vim_keys_move_and_the_marks_follow(session: Session) -> None:
    app = Opened(session)
    async with app.run_test(size=(80, 24)) as pilot:
        for key, node in [
            ("down", "a2.h1"),
            ("j", "m1"),
            ("l", "a0.h0"),
            ("right", "a0.h1"),
            ("h", "a0.h0"),
            ("k", "m1"),
            ("up", "a2.h1"),
            ("end", "input"),
            ("home", "logits"),
            ("up", "logits"),
        ]:
            await pilot.press(key)
            await pilot.pause()
            assert app.graph.node == node, key
        await pilot.press("down", "down")
        await pilot.pause()
        assert "┌▲    ▲●logits" in text_of(app)
        assert "└▼     ▼■input" in text_of(app) or "└▼    ▼■input" in text_of(app)
        assert "feeds 2, fed by 2" in said(app, "about")


async def test_the_mouse_moves_and_a_double_click_goes_to_the_bench(session: Session) -> None:
    app = Opened(session)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        spot = next(s for s in app.graph.map.spots if s.key == "a0.h1")
        await pilot.click("#map", offset=(spot.x + 2, spot.y))
        await pilot.pause()
        assert app.graph.node == "a0.h1"
        await pilot.click("#map", offset=(spot.x + 2, spot.y), times=2)
        await pilot.pause()
    assert app.answers == ["a0.h1"]


@pytest.mark.parametrize(("key", "answer"), [("escape", None), ("enter", "a2.h1")])
async def test_the_way_back(session: Session, key: str, answer: str | None) -> None:
    app = Opened(session)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("down", key)
        await pilot.pause()
        assert app.answers == [answer]


async def test_nodes_are_picked_and_put_into_a_group_with_a_role(session: Session) -> None:
    app = Opened(session)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("down", "space", "down", "space", "space", "down", "space")
        await pilot.pause()
        assert app.graph.picked == ["a2.h1", "a0.h0"]
        assert "2 picked" in said(app, "graph-title")
        await pilot.press("R")
        await pilot.pause()
        await pilot.press(*"movers", "tab", *"copy")
        await pilot.press("enter")
        await until(pilot, lambda: bool(session.circuit.groups))
        (group,) = session.circuit.groups
        assert (group.name, group.role, group.nodes) == ("movers", "copy", ("a2.h1", "a0.h0"))
        await until(pilot, lambda: "a2.h1:A" in text_of(app))
        assert app.graph.picked == []
        await pilot.press("u")
        await until(pilot, lambda: not session.circuit.groups)
        await until(pilot, lambda: ":A" not in text_of(app))
        await pilot.press("U")
        await until(pilot, lambda: "a2.h1:A" in text_of(app))


async def test_a_node_joins_a_known_group_and_leaves_it(session: Session) -> None:
    session.set_group("movers", ["a2.h1"], "copy")
    app = Opened(session, "m1")
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("R")
        await pilot.pause()
        await pilot.press(*"movers")
        await pilot.pause()
        # The known role is offered; what was typed is not lost.
        assert app.screen.query_one("#role", Input).value == "copy"
        await pilot.press("enter")
        await until(pilot, lambda: session.circuit.groups[0].nodes == ("a2.h1", "m1"))
        await until(pilot, lambda: "m1:A" in text_of(app))
        await pilot.press("R")
        await pilot.pause()
        entry = app.screen.query_one("#name", Input)
        assert entry.value == "movers"
        entry.value = ""
        await pilot.press("enter")
        await until(pilot, lambda: session.circuit.groups[0].nodes == ("a2.h1",))


async def test_escape_from_the_dialog_changes_nothing(session: Session) -> None:
    app = Opened(session, "m1")
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("space", "R")
        await pilot.pause()
        await pilot.press("minus", "escape")
        await pilot.pause()
        assert session.circuit.groups == ()
        assert app.graph.picked == ["m1"]
        assert app.answers == []


async def test_groups_are_drawn_with_their_edges_and_dissolved(session: Session) -> None:
    session.set_group("late", ["a2.h1"], "answer the question")
    session.set_group("early", ["a0.h0", "a0.h1"], "")
    app = Opened(session)
    async with app.run_test(size=(80, 40)) as pilot:
        await pilot.press("V", "down")
        await pilot.pause()
        text = text_of(app)
        assert "▸A late" in text
        assert "answer the question" in text
        assert "edges from ungrouped: 2, B early: 1" in text
        await pilot.press("enter")
        await pilot.pause()
        assert app.graph.node == "a2.h1"
        await pilot.press("V")
        await pilot.pause()
        await pilot.press("minus")
        await until(pilot, lambda: [group.name for group in session.circuit.groups] == ["early"])
        await until(pilot, lambda: "A early" in text_of(app))


async def test_the_role_of_a_group_is_changed_in_the_group_view(session: Session) -> None:
    session.set_group("late", ["a2.h1", "m1"], "before")
    app = Opened(session)
    async with app.run_test(size=(80, 40)) as pilot:
        await pilot.press("V", "down", "R")
        await pilot.pause()
        app.screen.query_one("#role", Input).value = "after"
        await pilot.press("enter")
        await until(pilot, lambda: session.circuit.groups[0].role == "after")
        assert session.circuit.groups[0].nodes == ("a2.h1", "m1")
        await until(pilot, lambda: "after" in text_of(app))


async def test_only_the_paths_to_the_logits(session: Session) -> None:
    app = Opened(session, "a0.h1")
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("f")
        await pilot.pause()
        assert text_of(app).splitlines() == [
            "       ●logits",
            "┌▲  2          ▲●a2.h1",
            "│  ⋮ layer 1: no nodes",
            "└─  0          ▸◌a0.h1",
        ]
        assert "only paths a0.h1 → logits: 3 nodes" in said(app, "graph-title")
        await pilot.press("f")
        await pilot.pause()
        assert "■input" in text_of(app)


async def test_the_list_of_links_is_followed(session: Session) -> None:
    app = Opened(session, "m1")
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("tab")
        await pilot.pause()
        links = app.graph.query_one(LinkList)
        focused = app.focused
        assert focused is links
        assert links.highlighted is not None
        other = links.highlighted.other
        await pilot.press("enter")
        await pilot.pause()
        assert app.graph.node == other
        assert app.answers == []
        await pilot.press("tab")
        await pilot.pause()
        assert isinstance(app.focused, Map)


async def test_a_node_is_jumped_to_by_name(session: Session) -> None:
    app = Opened(session)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("J")
        await pilot.pause()
        await pilot.press(*"a0.h1", "enter")
        await until(pilot, lambda: app.graph.node == "a0.h1")


async def test_it_follows_a_circuit_that_changes_beneath(session: Session) -> None:
    app = Opened(session, "a0.h1")
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        session.toggle("a0.h1->a2.h1<v>")
        await until(pilot, lambda: "a0.h1" not in text_of(app))
        assert app.graph.node == "logits"


async def test_a_refused_command_is_a_message(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = Opened(session, "m1")
    async with app.run_test(size=(80, 24)) as pilot:
        session.close()  # every command is refused from here on
        await pilot.press("R")
        await pilot.pause()
        await pilot.press("g", "enter")
        await until(pilot, lambda: len(app._notifications) > 0)
        assert any(n.severity == "error" for n in app._notifications)
        assert "m1" in text_of(app)


async def test_a_circuit_of_three_hundred_nodes(tmp_path: Path) -> None:
    session = tiny_session(tmp_path, layers=30, heads=9)
    session.set_threshold(0)
    session.keep_all("logits")
    app = Opened(session)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        assert len(app.graph.map.spots) == 302
        await pilot.press("end")
        await pilot.pause()
        assert app.graph.node == "input"
        visible = range(app.graph.map.scroll_offset.y, app.graph.map.scroll_offset.y + 14)
        spot = app.graph.map.spot
        assert spot is not None
        assert spot.y in visible
        for _ in range(70):
            await pilot.press("up")
        await pilot.pause()
        assert app.graph.node == "logits"
        assert app.graph.map.scroll_offset.y == 0


@pytest.mark.parametrize("size", [(80, 24), (160, 48)])
@pytest.mark.parametrize("view", ["nodes", "groups", "dialog"])
def test_snapshot(snap_compare: Any, session: Session, view: str, size: tuple[int, int]) -> None:
    session.set_group("name movers", ["a2.h1"], "copy the name")
    session.set_group("early", ["a0.h0", "a0.h1"], "")
    keys = {"nodes": ("down", "down", "space"), "groups": ("V", "down"), "dialog": ("down", "R")}

    async def run(pilot: Pilot[Any]) -> None:
        await pilot.press(*keys[view])
        await pilot.pause()

    assert snap_compare(Opened(session), terminal_size=size, run_before=run)


@pytest.mark.parametrize("size", [(20, 5), (40, 12), (300, 90)])
async def test_any_size_of_the_terminal_will_do(session: Session, size: tuple[int, int]) -> None:
    session.set_group("late", ["a2.h1"], "answer")
    app = Opened(session)
    async with app.run_test(size=size) as pilot:
        for key in ("down", "v", "down", "v", "f", "tab", "tab", "question_mark", "escape"):
            await pilot.press(key)
            await pilot.pause()
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        assert "a2.h1" in text_of(app)


async def test_escape_lets_the_picked_nodes_go_before_it_leaves(session: Session) -> None:
    app = Opened(session)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("down", "space", "escape")
        await pilot.pause()
        assert app.graph.picked == [] and app.answers == []
        await pilot.press("escape")
        await pilot.pause()
        assert app.answers == [None]
