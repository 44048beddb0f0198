"""Resuming shows what was shown: cursor, panel, setting, filter, order, readout, groups."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import pytest

from screens.app import WorkbenchApp
from screens.bench.screen import BenchScreen
from screens.graph.screen import GraphScreen
from tests.screens.bench.test_bench import bench_of, screen_text, settled
from tests.support.tiny_sessions import tiny_model, tiny_session, until
from workbench.errors import WorkbenchError
from workbench.session.place import Place, PlaceFile
from workbench.session.session import Session
from workbench.session.start import resume_session

SIZES = [(80, 24), (160, 48)]


def again(session: Session) -> Session:
    session.close()
    return resume_session(session.path, model=tiny_model()[0])


async def leave(app: WorkbenchApp) -> None:
    await app.action_quit()


@pytest.mark.parametrize("size", SIZES)
async def test_a_resumed_session_shows_what_it_showed(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    session = tiny_session(tmp_path)
    session.expand("logits")
    session.move_to_group(["m2"], "late", "says it")
    app = WorkbenchApp(session=session)
    async with app.run_test(size=size) as pilot:
        bench = await settled(pilot)
        bench.action_choose("a2.h1")
        bench.action_inputs("k")
        bench.action_setting()
        bench.action_drop_costs()
        bench.action_by_role()
        await settled(pilot)
        bench.table.set_filter("heads")
        bench.table.sort_by("source")
        bench.table.sort_by("source")
        bench.action_panel("candidates")
        await pilot.press("j", "j")
        readouts = bench.panels.readouts
        readouts.action_view(3)
        readouts.action_pair(1)
        readouts.action_pair(1)
        readouts.action_position(-2)
        readouts.run, readouts.asked = "corrupted", (" Mary", " John")
        bench.action_graph()
        await pilot.pause()
        assert isinstance(app.screen, GraphScreen)
        app.screen.action_groups()
        app.screen.action_leave()
        await settled(pilot)
        left = bench.place.now()
        edge = bench.table.highlighted
        assert edge is not None
        assert (edge.edge, left.node, left.inputs, left.setting) == (
            left.edge, "a2.h1", "k", "along",
        )  # fmt: skip
        assert (left.panel, left.filter, left.sort) == ("candidates", "heads", "source")
        assert (left.run, left.target, left.distractor) == ("corrupted", " Mary", " John")
        assert (left.second_run, left.second_target) == ("clean", "")
        assert (left.descending, left.costs, left.pair, left.by_group) == (False, True, 1, True)
        await leave(app)
    assert PlaceFile(session.path).load() == left
    app = WorkbenchApp(session=again(session))
    async with app.run_test(size=size) as pilot:
        bench = await settled(pilot)
        assert bench.place.now() == left
        target = bench.panels.readouts.target
        assert target is not None and " Mary" in target.words and " John" in target.words
        assert bench.focused is bench.table
        row = bench.panels.tree_rows.highlighted
        assert bench.panels.row_of("a2.h1") is None or (row is not None and row.name == "a2.h1")
        bench.action_graph()
        await until(pilot, lambda: isinstance(app.screen, GraphScreen))
        await pilot.pause()
        assert "Groups" in screen_text(app)


async def test_a_place_is_written_while_one_works_and_not_twice(tmp_path: Path) -> None:
    session = tiny_session(tmp_path)
    file = PlaceFile(session.path)
    app = WorkbenchApp(session=session)
    async with app.run_test(size=(160, 48)) as pilot:
        bench = await settled(pilot)
        bench.action_choose("m1")
        await until(pilot, lambda: (file.load() or Place()).node == "m1")
        first = file.path.stat().st_mtime_ns
        await pilot.pause(2.2)
        assert file.path.stat().st_mtime_ns == first
        file.path.unlink()


WRONG = Place(
    panel="cellar", node="a9.h9", inputs="z", setting="sideways", edge="m9->m9", filter=">x",
    sort="colour", readout="tea leaves", second="runes", position=-99, pair=77,
    run="sideways", second_run="sprint", target="no such word", distractor=" nor that",
    second_target="\n no", second_distractor="\0",
)  # fmt: skip


@pytest.mark.parametrize("field", list(asdict(WRONG)))
async def test_what_means_nothing_any_more_is_passed_over(tmp_path: Path, field: str) -> None:
    session = tiny_session(tmp_path)
    PlaceFile(session.path).save(replace(Place(), **{field: getattr(WRONG, field)}))
    app = WorkbenchApp(session=session)
    async with app.run_test(size=(80, 24)) as pilot:
        bench = await settled(pilot)
        now = bench.place.now()
        unlike = getattr(now, field) != getattr(WRONG, field)
        assert unlike or field in ("costs", "by_role", "descending", "by_group")
        assert isinstance(app.screen, BenchScreen)
        assert not any("not known" in told.message for told in app._notifications)


async def test_a_damaged_place_costs_one_sentence(tmp_path: Path) -> None:
    session = tiny_session(tmp_path)
    file = PlaceFile(session.path)
    file.path.write_text('{"node": "m')
    with pytest.raises(WorkbenchError):
        file.load()
    app = WorkbenchApp(session=session)
    async with app.run_test(size=(160, 48)) as pilot:
        await settled(pilot)
        said = [n.message for n in app._notifications if "Where you were" in n.message]
        assert len(said) == 1
        assert bench_of(app).view.node == "logits"
        await leave(app)
    assert file.load() is not None


async def test_without_room_for_the_place_the_session_goes_on(tmp_path: Path) -> None:
    session = tiny_session(tmp_path)
    PlaceFile(session.path).path.mkdir()  # in the way
    app = WorkbenchApp(session=session)
    async with app.run_test(size=(80, 24)) as pilot:
        bench = await settled(pilot)
        bench.action_choose("m1")
        await pilot.pause(2.2)
        await leave(app)
    assert app.return_code in (0, None)
