"""One key splits the edges by token role: each at a role is a candidate, kept or dropped alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from screens.app import WorkbenchApp
from screens.bench.expand_dialog import ExpandDialog
from screens.bench.status_bar import StatusBar
from screens.discovery.dialog import DiscoverDialog, DiscoveryRequest
from screens.widgets.choice import Choice
from screens.widgets.name_list import NameList
from tests.screens.bench.test_bench import bench_of, screen_text, settled
from tests.support.slow_methods import give_method
from tests.support.tiny_sessions import until
from tests.support.toy_session import NAMES, SHARES, ToyEngine, toy_session
from workbench.experiment.carrying import CarryingRoles
from workbench.session.session import Session

WIDE, NARROW = (160, 48), (80, 24)
LIVE = tuple(SHARES)


@pytest.fixture
def toy(tmp_path: Path) -> tuple[Session, ToyEngine]:
    session, engine = toy_session(tmp_path, layers=4, heads=4)
    session.keep_all("logits")
    return session, engine


async def test_each_edge_at_a_role_is_a_candidate(toy: tuple[Session, ToyEngine]) -> None:
    session, _ = toy
    app = WorkbenchApp(session=session)
    async with app.run_test(size=NARROW) as pilot:
        bench = await settled(pilot)
        bench.action_choose("a2.h1")
        await pilot.press("2", "A")
        await settled(pilot)
        whole = len(bench.table.rows)
        bench.table.move_to_key("m0->a2.h1<k>")
        await pilot.press("vertical_line")
        await settled(pilot)
        rows = bench.table.rows
        assert len(rows) == 3 * whole and {row.at for row in rows} == {(r,) for r in LIVE}
        here = bench.table.highlighted
        assert here is not None and here.edge.startswith("m0->a2.h1<k>@")
        assert all(row.exact is not None for row in rows), "the sweep goes by role"
        # Kept and dropped alone, by their own effects.
        bench.table.move_to_key("m0->a2.h1<k>@S2")
        await pilot.press("space")
        await settled(pilot)
        assert session.circuit.at.other("m0->a2.h1<k>") == ("S2",)
        kept = {row.edge: row.kept for row in bench.table.rows}
        assert [kept[f"m0->a2.h1<k>@{role}"] for role in LIVE] == [False, True, True]
        assert "(1 by role)" in "".join(
            segment.text
            for y in range(bench.query_one(StatusBar).size.height)
            for segment in bench.query_one(StatusBar).render_line(y)
        )
        # A filter, an order and what is copied know them.
        bench.table.set_filter("@s2 k")
        assert {row.edge.partition("<")[2] for row in bench.table.rows} == {"k>@S2"}
        bench.table.set_filter("")
        bench.table.sort_by("at")
        assert [row.at[0] for row in bench.table.rows][:: len(rows) // 3] == list(LIVE)
        copied = bench.table.table()
        assert copied.title == "edges into a2.h1" and "at" in copied.columns
        # Whole again, with a word where it is at some roles.
        await pilot.press("vertical_line")
        await settled(pilot)
        assert len(bench.table.rows) == whole and "all but S2" in screen_text(app)
        assert [row.at for row in bench.table.rows if row.at] == [
            tuple(name for name in NAMES if name != "S2")
        ]
        await pilot.press("u")
        await settled(pilot)
        assert not session.circuit.at and "all but" not in screen_text(app)


async def test_expand_and_apply_go_by_what_is_shown(toy: tuple[Session, ToyEngine]) -> None:
    session, _ = toy
    app = WorkbenchApp(session=session)
    async with app.run_test(size=WIDE) as pilot:
        bench = await settled(pilot)
        bench.action_choose("m2")
        await pilot.press("2", "vertical_line")
        await settled(pilot)
        sizes = sorted((abs(row.score) for row in bench.table.rows), reverse=True)
        session.set_threshold((sizes[4] + sizes[5]) / 2)
        bench.refresh_all()
        await pilot.press("e")
        await settled(pilot)
        strongest = {row.edge for row in bench.table.rows if row.kept}
        assert len(strongest) == 5 and strongest <= set(session.circuit.parts())
        session.set_threshold((sizes[1] + sizes[2]) / 2)
        await pilot.press("a")
        await settled(pilot)
        assert len([name for name in session.circuit.parts() if "->m2@" in name]) == 2


@pytest.mark.parametrize("size", [WIDE, NARROW])
async def test_the_cut_goes_by_what_is_shown(
    toy: tuple[Session, ToyEngine], size: tuple[int, int]
) -> None:
    session, engine = toy
    session.keep_all("a2.h1")
    session.toggle("m0->a2.h1<k>@S2")
    before = session.circuit
    app = WorkbenchApp(session=session)
    async with app.run_test(size=size) as pilot:
        bench = await settled(pilot)
        strip = bench.rules.strip
        # What is kept at some roles needs estimates, which come in the background.
        assert not session.pruner.ready()
        engine.gate.clear()
        await pilot.press("}")
        assert not strip.display
        engine.gate.set()
        await until(pilot, lambda: strip.display)
        await settled(pilot)
        assert strip.cuts is not None and {name.split("@")[0] for name in strip.cuts.parts} == {
            "m0->a2.h1<k>"
        }
        await pilot.press("vertical_line")
        await settled(pilot)
        cuts = strip.cuts
        assert strip.has_focus and cuts.by_role and cuts.n_kept > before.n_edges
        await pilot.press("}")
        await settled(pilot)
        assert f"{cuts.left(cuts.after(strip.at))} of {cuts.n_kept} edges by role" in screen_text(
            app
        )
        await pilot.press("m")
        await settled(pilot)
        assert "prune by EAP" in screen_text(app) and strip.cuts.by_role
        wanted = strip.cuts.after(strip.at)
        await pilot.press("enter")
        await settled(pilot)
        assert session.circuit == wanted != before and len(wanted.at.kept) > 1
        await pilot.press("u")
        await settled(pilot)
        assert session.circuit == before


async def test_the_tree_has_a_row_for_each_role(toy: tuple[Session, ToyEngine]) -> None:
    session, _ = toy
    session.keep_all("a2.h1")
    session.toggle("m0->a2.h1<k>@END")
    app = WorkbenchApp(session=session)
    async with app.run_test(size=WIDE) as pilot:
        bench = await settled(pilot)
        tree = bench.panels.tree_rows
        tree.move_to_key("m0->a2.h1<k>")
        await settled(pilot)
        assert "m0 @all but END" in screen_text(app)
        await pilot.press("1", "vertical_line")
        await settled(pilot)
        named = {
            row.edge for row in tree.laid_out.rows if (row.edge or "").startswith("m0->a2.h1<k>")
        }
        assert named == {"m0->a2.h1<k>@S2", "m0->a2.h1<k>@S2..END"}
        tree.move_to_key("m0->a2.h1<k>@S2")
        await pilot.press("space")
        await settled(pilot)
        assert session.circuit.at.other("m0->a2.h1<k>") == ("S2", "END")


async def test_estimates_by_role_come_in_the_background(toy: tuple[Session, ToyEngine]) -> None:
    session, engine = toy
    app = WorkbenchApp(session=session)
    async with app.run_test(size=WIDE) as pilot:
        bench = await settled(pilot)
        bench.action_choose("a2.h1")
        await settled(pilot)
        engine.gate.clear()
        await pilot.press("2", "vertical_line")
        await until(pilot, lambda: "Estimating the effects of edges at roles" in screen_text(app))
        await pilot.press("1", "j", "2")
        engine.gate.set()
        await settled(pilot)
        assert session.estimated_by_role and bench.view.by_role
        assert bench.table.rows


async def test_expanding_all_by_role_is_offered(toy: tuple[Session, ToyEngine]) -> None:
    session, _ = toy
    app = WorkbenchApp(session=session)
    async with app.run_test(size=NARROW) as pilot:
        await settled(pilot)
        await pilot.press("vertical_line", "E")
        await until(pilot, lambda: isinstance(app.screen, ExpandDialog))
        assert app.screen.query_one("#edges", Choice).value == "by role"
        assert "at single token roles" in screen_text(app)
        await pilot.press("enter")
        await settled(pilot)
        await until(pilot, lambda: bench_of(app).quiet)
        assert session.status().closed and session.status().at_roles > 0


async def test_prompts_that_differ_at_one_role_are_not_split(
    toy: tuple[Session, ToyEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    session, _ = toy
    one = CarryingRoles(NAMES, ("END",), ("END",))
    monkeypatch.setitem(session._seen.runs.__dict__, "carrying", one)
    app = WorkbenchApp(session=session)
    async with app.run_test(size=WIDE) as pilot:
        bench = await settled(pilot)
        await pilot.press("vertical_line")
        await settled(pilot)
        assert not bench.view.by_role
        assert any("nothing to split by" in told.message for told in app._notifications)


async def test_q_k_and_v_of_a_head_are_one_key(toy: tuple[Session, ToyEngine]) -> None:
    session, _ = toy
    app = WorkbenchApp(session=session)
    async with app.run_test(size=NARROW) as pilot:
        bench = await settled(pilot)
        bench.action_choose("a2.h1")
        await pilot.press("2", "A")
        await settled(pilot)
        before = session.circuit.parts()
        bench.table.move_to_key("m0->a2.h1<k>")
        await pilot.press("underscore")
        await settled(pilot)
        gone = {f"m0->a2.h1<{which}>" for which in "qkv"}
        assert set(session.circuit.parts()) == set(before) - gone
        await pilot.press("u")
        await settled(pilot)
        assert session.circuit.parts() == before


async def test_a_discovery_may_choose_edges_at_roles(
    toy: tuple[Session, ToyEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    session, _ = toy
    give_method(monkeypatch, "roles", by_role=True)
    give_method(monkeypatch, "whole")
    app = WorkbenchApp(session=session)
    async with app.run_test(size=NARROW) as pilot:
        await settled(pilot)
        asked: list[DiscoveryRequest | None] = []
        dialog = DiscoverDialog(session)
        app.push_screen(dialog, asked.append)
        await pilot.pause()
        names = dialog.query_one(NameList)
        while names.highlighted is not None and names.highlighted[0] != "roles":
            await pilot.press("down")
        of = dialog.query_one("#of", Choice)
        of.choose("role")
        await pilot.pause()
        assert "edges at token roles" in screen_text(app)
        assert "edges at roles of largest" in screen_text(app)
        while names.highlighted is not None and names.highlighted[0] != "whole":
            await pilot.press("down")
        await pilot.pause()
        assert "edges at token roles" not in screen_text(app)
        assert "edges at roles" not in screen_text(app)
        await pilot.press("up", "enter")
        await pilot.pause()
        (answer,) = asked
        assert answer is not None and answer.method == "roles"
        assert answer.selection is not None and answer.selection.by_role
