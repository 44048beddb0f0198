"""The graph by position as lines of text, and in the app: columns, streams, attention across."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.style import Style

from screens.graph.role_map import draw_roles
from screens.graph.role_picture import RolePicture
from tests.screens.graph.test_graph import Opened, said
from tests.support.toy_session import toy_session
from workbench.circuits.circuit import Circuit, RoleGroup
from workbench.circuits.edge_roles import EdgeRoles
from workbench.circuits.graph import Graph
from workbench.session.session import Session

ROLES = ("IO", "S1", "S2", "END")
PARTS = (
    "input->m0@IO",
    "input->a0.h1<k>@S1",
    "input->a0.h1<q>@S2",
    "a0.h1->a2.h0<v>@S2",
    "a2.h0->a3.h2<q>@END",
    "m0->a3.h2<k>@IO",
    "m0->a3.h2<v>@IO",
    "a3.h2->m3",
    "m3->logits",
    "m0->a3.h1<k>",
    "a3.h1->logits",
    "input->m0@S1",
    "a0.h0->logits@IO",
)


def circuit(*parts: str, graph: Graph | None = None) -> Circuit:
    made = Circuit.empty(graph or Graph(4, 3))
    made.at = EdgeRoles(ROLES)
    for part in parts:
        made.toggle(part)
    return made


def picture(made: Circuit) -> RolePicture:
    told: Any = SimpleNamespace(circuit=made, graph=made.graph, tree=list)
    return RolePicture.of(told)


def drawn(made: Circuit, cursor: str | None = None, width: int = 78) -> list[str]:
    of = picture(made)
    lines, spots = draw_roles(
        of, shown=of.layer, cursor=cursor, picked=(), width=width, ink=lambda _: Style()
    )
    text = [line.plain.rstrip() for line in lines]
    assert [(spot.y, spot.x) for spot in spots] == sorted((spot.y, spot.x) for spot in spots)
    for spot in spots:  # a click meets the node that is written there
        shown = lines[spot.y].plain[spot.x : spot.x + spot.width]
        assert spot.key.partition("@")[0][-2:] in shown
    return text


def test_roles_are_columns_and_attention_runs_across() -> None:
    assert drawn(circuit(*PARTS), "a3.h2@END") == [
        "      all roles  IO        S1        S2        END",
        "                                               ┌ ?logits",
        "┌▲  3                                          ├▲?m3",
        "│     ┌───────────────────────────────────────▶├ ?a3.h1",
        "├─    │          ┌────────────────────────────▶├▸?a3.h2",
        "├▼  2 │          │                   ┌────────▶└▼?a2.h0",
        "│   ⋮ │          │                   │",
        "│   0 └ ?m0    ◀─│─────────┐         │",
        "└▼               ├▼?m0     ├────────▶├ ?a0.h1",
        "                 └ ?input  └ ?input  └ ?input",
    ]


def test_a_narrow_drawing_leaves_out_the_layers_of_heads() -> None:
    wide, narrow = (drawn(circuit(*PARTS), width=width) for width in (90, 46))
    assert any("a3.h2" in line for line in wide) and not any("a3.h2" in line for line in narrow)


def test_what_is_read_nowhere_is_left_out_and_counted() -> None:
    of = picture(circuit(*PARTS))
    assert of.unread == 1 and "a0.h0" not in {name.partition("@")[0] for name in of.layer}


def test_three_hundred_edges_are_drawn_once_each() -> None:
    graph = Graph(12, 12)
    made = Circuit.empty(graph)
    made.mask[:, graph.logits_destination] = True
    for head in range(12):
        made.mask[: graph.n_parents(graph.head_destination(6, 1, head)) : 6,
                  graph.head_destination(6, 1, head)] = True  # fmt: skip
    of = picture(made)
    lines = drawn(made, width=120)
    assert made.n_edges > 300 and len(of.layer) > 157
    assert len(lines) < 80  # nodes of a layer stand side by side


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    session, _ = toy_session(tmp_path, layers=4, heads=3)
    made = circuit(*PARTS)
    made.groups = (RoleGroup("mover", "", ("a3.h2",)),)
    monkeypatch.setattr(Session, "circuit", property(lambda _: made))
    return session


async def test_one_key_turns_the_graph_and_the_cursor_stays_on_its_node(session: Session) -> None:
    app = Opened(session, "a3.h2")
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("vertical_line")
        assert app.graph.node == "a3.h2@END" and "By position" in said(app, "graph-title")
        assert "1 edge read nowhere" in said(app, "graph-title")
        assert "all roles" in app.graph.map.render_line(0).text
        await pilot.press("down", "space")
        assert app.graph.node == "a2.h0@END" and app.graph.picked == ["a2.h0"]
        assert "feeds 1, fed by 1" in said(app, "about")
        await pilot.press("escape", "f")
        assert app.graph.shown() == {"a2.h0@END", "a3.h2@END", "m3@END", "logits@END"}
        await pilot.press("f", "home")
        assert "feeds" not in said(app, "about")  # the logits feed nothing
        await pilot.press("end")
        # The headings stay in sight when the lines below them are scrolled.
        assert app.graph.map.scroll_offset.y >= 0
        assert "all roles" in app.graph.map.render_line(0).text
        await pilot.press("V")
        assert "Groups" in said(app, "graph-title")
        await pilot.press("vertical_line", "vertical_line")
        assert app.graph.node == "input" and "Graph" in said(app, "graph-title")
        await pilot.press("vertical_line", "J")
        await pilot.pause()
        await pilot.press(*"a2.h0", "enter")
        await pilot.pause()
        assert app.graph.node == "a2.h0@END"
        await pilot.press("enter")
        await pilot.pause()
    assert app.answers == ["a2.h0"]
