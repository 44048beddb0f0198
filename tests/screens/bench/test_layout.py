"""How the panels share the screen: full size, more at once, borders that move."""

from __future__ import annotations

from pathlib import Path

import pytest

from screens.app import WorkbenchApp
from screens.bench.frontier import Frontier
from screens.bench.panels import PANELS
from screens.bench.screen import BenchScreen
from tests.screens.bench.test_bench import screen_text, settled
from tests.support.tiny_sessions import tiny_session, until
from workbench.config.config import config, forget
from workbench.config.layout import LEAST_SHARE, Layout


def shown(bench: BenchScreen) -> dict[str, int]:
    """The panels on the screen, and how wide they are."""
    panels = {name: bench.query_one(f"#{name}") for name in PANELS}
    return {name: panel.region.width for name, panel in panels.items() if panel.is_on_screen}


def test_a_border_moves_what_lies_beside_it_and_nothing_else() -> None:
    layout = Layout(widths=(0.3, 0.4, 0.3))
    moved = layout.moved(0, 0.1).widths
    assert moved == pytest.approx((0.4, 0.3, 0.3))
    assert layout.moved(1, -0.1).widths == pytest.approx((0.3, 0.3, 0.4))
    assert layout.moved(0, -5).widths == pytest.approx((LEAST_SHARE, 0.7 - LEAST_SHARE, 0.3))
    assert layout.moved(1, 5).widths == pytest.approx((0.3, 0.7 - LEAST_SHARE, LEAST_SHARE))


@pytest.mark.parametrize("size", [(160, 48), (110, 30), (80, 24)])
async def test_a_panel_at_full_size(tmp_path: Path, size: tuple[int, int]) -> None:
    app = WorkbenchApp(session=tiny_session(tmp_path))
    async with app.run_test(size=size) as pilot:
        bench = await settled(pilot)
        before = shown(bench)
        await pilot.press("F")
        await pilot.pause()
        assert list(shown(bench)) == ["circuit"] and shown(bench)["circuit"] == size[0]
        for key, panel in (("2", "candidates"), ("3", "readouts")):
            await pilot.press(key)
            await pilot.pause()
            assert shown(bench) == {panel: size[0]}
        await pilot.press("1", "F")
        await pilot.pause()
        assert shown(bench) == before


async def test_two_readouts_on_a_wide_screen(tmp_path: Path) -> None:
    app = WorkbenchApp(session=tiny_session(tmp_path))
    async with app.run_test(size=(160, 48)) as pilot:
        bench = await settled(pilot)
        await pilot.press("V", "4", "right")
        await settled(pilot)
        assert [*shown(bench), "pairs"] == list(PANELS) and bench.panel == "second"
        both = bench.query("Readouts")
        assert [r.view.name for r in both] == ["lens", "attribution"]  # type: ignore[attr-defined]
        await pilot.press("1", "e", "down")
        await settled(pilot)
        assert bench.view.node == "m2"
        assert [r.node for r in both] == ["m2", "m2"]  # type: ignore[attr-defined]
        await pilot.press("4", "V")
        await pilot.pause()
        assert "second" not in shown(bench) and bench.panel == "readouts"
        await pilot.press("4")
        await pilot.pause()
        assert bench.panel == "readouts"


async def test_tree_and_edges_together_on_a_narrow_screen(tmp_path: Path) -> None:
    app = WorkbenchApp(session=tiny_session(tmp_path))
    async with app.run_test(size=(80, 24)) as pilot:
        bench = await settled(pilot)
        await pilot.press("V", "e")
        await settled(pilot)
        assert shown(bench) == {"circuit": 80, "candidates": 80}
        tree, table = bench.panels.tree_rows, bench.table
        assert tree.size.height >= 5 and table.size.height >= 5
        await pilot.press("3")
        await pilot.pause()
        assert list(shown(bench)) == ["readouts"]
        await pilot.resize_terminal(110, 30)
        await pilot.pause()
        assert list(shown(bench)) == ["circuit", "candidates", "readouts"]
        circuit, edges = (bench.query_one(f"#{name}").region for name in ("circuit", "candidates"))
        assert circuit.width == edges.width and circuit.bottom <= edges.y


async def test_borders_are_moved_by_keys_and_by_the_mouse(tmp_path: Path) -> None:
    app = WorkbenchApp(session=tiny_session(tmp_path))
    async with app.run_test(size=(160, 48)) as pilot:
        bench = await settled(pilot)
        before = shown(bench)
        await pilot.press("right_parenthesis", "right_parenthesis")
        await pilot.pause()
        after = shown(bench)
        assert after["circuit"] - before["circuit"] == pytest.approx(8, abs=1)
        assert after["readouts"] == before["readouts"]
        await pilot.press("3", "left_parenthesis")
        await pilot.pause()
        assert shown(bench)["readouts"] - after["readouts"] == pytest.approx(4, abs=1)

        edge = bench.query_one("#circuit").region.right - 1
        await pilot.mouse_down(offset=(edge, 10))
        await pilot.hover(offset=(edge - 12, 10))
        await pilot.hover(offset=(edge - 15, 10))
        await pilot.mouse_up(offset=(edge - 15, 10))
        await pilot.pause()
        assert bench.query_one("#circuit").region.right - 1 == edge - 15
        await pilot.hover(offset=(edge + 20, 10))
        await pilot.pause()
        assert bench.query_one("#circuit").region.right - 1 == edge - 15


@pytest.mark.parametrize("size", [(160, 48), (80, 24)])
async def test_the_first_screen_says_what_to_do_whole(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    from tests.screens.bench.test_bench import screen_text

    app = WorkbenchApp(session=tiny_session(tmp_path))
    async with app.run_test(size=size) as pilot:
        bench = await settled(pilot)
        text = screen_text(app)
        told = " ".join(str(line) for line in bench.panels.tree_rows.below(size[0] - 44))
        assert "Everything is open: this is the whole model." in " ".join(told.split())
        assert "Everything is open" in text and "Explain the panel" in text
        assert "Expand the logits to begin." in text and "…" not in text.split("tiny")[-1]
        await pilot.press("e")
        await settled(pilot)
        assert "Everything is open" not in screen_text(app)
        assert bench.panels.tree_rows.below(60) == []


async def test_it_is_kept_between_runs(tmp_path: Path) -> None:
    app = WorkbenchApp(session=tiny_session(tmp_path / "one"))
    async with app.run_test(size=(160, 48)) as pilot:
        bench = await settled(pilot)
        await pilot.press("V", "right_parenthesis")
        await pilot.pause()
        before = shown(bench)
    again = WorkbenchApp(session=tiny_session(tmp_path / "two"))
    async with again.run_test(size=(160, 48)) as pilot:
        bench = await settled(pilot)
        assert shown(bench) == before
        await pilot.press("V")
        await until(pilot, lambda: not config().layout.more)


async def test_a_layout_that_cannot_be_kept_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "config"
    broken.mkdir()
    (broken / "config.toml").write_text("layout = [")
    monkeypatch.setenv("WORKBENCH_CONFIG", str(broken))
    forget()
    app = WorkbenchApp(session=tiny_session(tmp_path / "one"))
    async with app.run_test(size=(160, 48)) as pilot:
        await settled(pilot)
        app.clear_notifications()
        await pilot.press("V")
        await until(pilot, lambda: any("not kept" in n.message for n in app._notifications))
    assert (broken / "config.toml").read_text() == "layout = ["


@pytest.mark.parametrize("size", [(200, 60), (160, 48), (130, 40), (80, 24)])
async def test_the_first_hint_is_read_to_its_end(tmp_path: Path, size: tuple[int, int]) -> None:
    app = WorkbenchApp(session=tiny_session(tmp_path))
    async with app.run_test(size=size) as pilot:
        bench = await settled(pilot)
        frontier = bench.query_one(Frontier)
        await until(pilot, lambda: "threshold" in str(frontier.render()))
        region = frontier.content_region
        shown_lines = screen_text(app).split("\n")[region.y : region.bottom]
        words = " ".join(line[region.x : region.right].strip() for line in shown_lines)
        assert words.endswith("keeps the edges into them that pass the threshold.")
