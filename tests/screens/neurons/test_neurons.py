"""The screen of neurons: the list, one neuron, keeping and dropping, the search."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from textual.widgets import Input, Static

from screens.app import WorkbenchApp
from screens.base.numbers import plain, signed
from screens.bench.screen import BenchScreen
from screens.neurons.screen import EXACT, NeuronsScreen
from screens.widgets.dialogs import Ask
from tests.screens.bench.test_bench import screen_text, settled
from tests.support.tiny_sessions import tiny_session, until
from workbench.session.session import Session

SIZES = [(80, 24), (160, 48)]


@pytest.fixture
def session(tmp_path: Path) -> Session:
    made = tiny_session(tmp_path)
    made.keep_all("logits")
    return made


async def opened(pilot: Any, node: str = "m1") -> Any:
    await settled(pilot)
    pilot.app.screen.go_to_node(node)
    pilot.app.screen.action_panel("circuit")
    await settled(pilot)
    pilot.app.screen.dialogs.neurons(node)
    await until(pilot, lambda: isinstance(pilot.app.screen, NeuronsScreen))
    screen = pilot.app.screen
    await ready(pilot, screen)
    return screen


async def ready(pilot: Any, screen: Any) -> None:
    await until(pilot, lambda: bool(screen.rows.rows) and screen.quiet, 30)


def title(screen: Any) -> str:
    return str(screen.query_one("#neurons-title", Static).render())


def told(screen: Any) -> str:
    return str(screen.query_one("#told Static", Static).render())


@pytest.mark.parametrize("size", SIZES)
async def test_the_list_comes_sorted_with_exact_effects_and_a_neuron_is_told(
    session: Session, size: tuple[int, int]
) -> None:
    app = WorkbenchApp(session=session)
    async with app.run_test(size=size) as pilot:
        screen = await opened(pilot)
        listed = session.neurons.list("m1")
        own = screen.rows.rows[0].neuron
        for run, word in (("corrupted", "direct′"), ("clean-corrupted", "Δ direct")):
            await pilot.press("equals_sign")
            await ready(pilot, screen)
            value = listed.rows[own].direct_in(run)
            assert word in screen_text(app) and signed(value, 4)[:6] in screen_text(app)
        await pilot.press("equals_sign")
        exact = [row for row in screen._listed.rows if row.exact is not None]
        assert len(exact) == min(EXACT, len(listed.rows))
        first = screen.rows.rows[0]
        value = session.neurons.exact(listed, [first.neuron])[first.neuron]
        assert first.exact == pytest.approx(value, abs=1e-6)
        text = screen_text(app)
        assert f"m1.n{first.neuron}" in text and signed(first.exact, 4)[:6] in text
        (tokens,) = session.neurons.promoted([f"m1.n{first.neuron}"])
        assert tokens.promoted[0].token.strip() in told(screen)
        assert "What feeds it" in told(screen) and "largest" in told(screen)
        assert "by effect, full" in title(screen)
        before = told(screen)
        await pilot.press("j")
        await ready(pilot, screen)
        assert told(screen) != before
        await pilot.press("s")
        await ready(pilot, screen)
        sizes = [abs(row.direct) for row in screen.rows.rows]
        assert sizes == sorted(sizes, reverse=True) and "by direct" in title(screen)
        await pilot.press("l")
        await ready(pilot, screen)
        assert screen.mlp == "m2" and "Neurons of m2" in title(screen)


async def test_neurons_are_dropped_narrowed_and_taken_back_with_faithfulness(
    session: Session,
) -> None:
    app = WorkbenchApp(session=session)
    async with app.run_test(size=(120, 30)) as pilot:
        screen = await opened(pilot)
        n = len(screen.rows.rows)
        name = screen.rows.key(screen.rows.rows[0])
        await pilot.press("space")
        await ready(pilot, screen)
        kept = session.neurons.kept("m1")
        assert kept is not None and len(kept) == n - 1 and f"m1.n{kept[0]}" != name
        share = session.status().faithfulness
        assert f"faithful {plain(share, 4)}" in title(screen)
        assert f"{n - 1} of {n} kept" in title(screen) and not screen.rows.rows[0].kept
        await pilot.press("t")
        await until(pilot, lambda: isinstance(app.screen, Ask))
        await pilot.press("ctrl+u", *"900", "enter")
        assert isinstance(app.screen, Ask), "so many there are not"
        await pilot.press("ctrl+u", "3", "enter")
        await until(pilot, lambda: app.screen is screen)
        await ready(pilot, screen)
        assert len(session.neurons.kept("m1") or ()) == 3
        assert "the 3 first by effect" in session.history()[-1].did
        await pilot.press("u", "u", "u")
        await ready(pilot, screen)
        assert session.neurons.kept("m1") is None
        await pilot.press("U", "U", "X")
        await ready(pilot, screen)
        assert session.neurons.kept("m1") is None and f"{n} ·" in title(screen)
        await pilot.press("percent_sign")
        await until(pilot, lambda: isinstance(app.screen, Ask))
        proposed = app.screen.query_one(Input).value
        app.screen.query_one(Input).value = "nan"
        await pilot.press("enter")
        assert isinstance(app.screen, Ask), "not a number"
        app.screen.query_one(Input).value = proposed
        await pilot.press("enter")
        await until(pilot, lambda: app.screen is screen)
        await until(pilot, lambda: screen.quiet and "narrowing" not in title(screen), 30)
        await ready(pilot, screen)
        assert "enough for a faithfulness" in session.history()[-1].did
        await pilot.press("m")
        await ready(pilot, screen)
        assert "along" in title(screen)
        assert screen.rows.rows[0].exact is not None or screen.rows.rows[0].estimate is not None
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, BenchScreen))
        await settled(pilot)
        kept = session.neurons.kept("m1")
        assert kept is not None and f"m1 ⊂{len(kept)}" in screen_text(app)


async def test_the_search_finds_neurons_and_goes_to_one(session: Session) -> None:
    app = WorkbenchApp(session=session)
    async with app.run_test(size=(120, 30)) as pilot:
        screen = await opened(pilot)
        await pilot.press("Q")
        await until(pilot, lambda: isinstance(app.screen, Ask))
        await pilot.press(*"nosuchtoken", "enter")
        await until(pilot, lambda: app.screen is screen)
        await until(pilot, lambda: bool(screen.quiet))
        assert "has to be exactly one" in " ".join(n.message for n in app._notifications)
        await pilot.press("Q")
        await until(pilot, lambda: isinstance(app.screen, Ask))
        await pilot.press("#", "7", "enter")
        await until(pilot, lambda: screen.found is not None, 20)
        await ready(pilot, screen)
        expected = session.neurons.promoting(["#7"])
        assert [row.name for row in screen.rows.rows] == [one.name for one in expected]
        await pilot.press("j", "enter")
        await until(pilot, lambda: screen.found is None)
        await ready(pilot, screen)
        name = expected[1].name
        assert screen.mlp == name.partition(".")[0]
        assert screen.rows.key(screen.rows.highlighted) == name


async def test_prompts_are_looked_at_one_by_one(session: Session) -> None:
    app = WorkbenchApp(session=session)
    async with app.run_test(size=(120, 30)) as pilot:
        screen = await opened(pilot)
        await pilot.press("greater_than_sign")
        await ready(pilot, screen)
        assert screen.where.pair == 0 and "prompt 1" in title(screen)
        listed = session.neurons.list("m1", pair=0)
        row = screen.rows.rows[0]
        assert row.estimate == pytest.approx(listed.rows[row.neuron].estimate, abs=1e-6)
        await pilot.press("comma", "comma", "full_stop")
        await ready(pilot, screen)
        listed = session.neurons.list("m1", pair=0, position=-2)
        row = screen.rows.rows[0]
        assert row.clean == pytest.approx(listed.rows[row.neuron].clean, abs=1e-6)
        assert "prompt 1 at the 2nd last token" in title(screen)
        await pilot.press("full_stop", "full_stop", "0")
        await ready(pilot, screen)
        assert screen.where.pair is None and screen.where.position == -1
        await pilot.press("question_mark")
        await until(pilot, lambda: app.screen is not screen)
        assert "what enters its last linear map" in screen_text(app)


async def test_neurons_are_looked_at_by_role(session: Session) -> None:
    app = WorkbenchApp(session=session)
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await opened(pilot)
        await pilot.press("m", "vertical_line")
        await ready(pilot, screen)
        assert screen.where.role == session.roles[-1] and screen.setting == "full"
        await pilot.press("comma")
        await ready(pilot, screen)
        role = session.roles[-2]
        assert f"mean at {role}" in title(screen)
        listed = session.neurons.list("m1", position=role)
        first = screen.rows.rows[0]
        assert first.estimate == pytest.approx(listed.rows[first.neuron].estimate, abs=1e-6)
        value = session.neurons.exact(listed, [first.neuron])[first.neuron]
        everywhere = session.neurons.exact(session.neurons.list("m1"), [first.neuron])
        assert first.exact == pytest.approx(value, abs=1e-6)
        assert abs(value - everywhere[first.neuron]) > 1e-5
        here = screen.rows.highlighted
        one = session.neurons.by_role(f"m1.n{here.neuron}").roles[-2]
        assert one.role == role and one.clean == pytest.approx(here.clean, abs=1e-6)
        (line,) = [line for line in told(screen).splitlines() if line.startswith(f"{role} ")]
        assert plain(one.clean, 3) in line and signed(one.direct, 4) in line
        await pilot.press("m")
        assert screen.setting == "full", "along and within are of all positions"
        await pilot.press("vertical_line", "greater_than_sign")
        await ready(pilot, screen)
        assert "prompt 1" in title(screen) and " at " not in title(screen)


@pytest.mark.parametrize("width", [100, 130])
async def test_what_was_done_is_not_told_over_the_list(session: Session, width: int) -> None:
    app = WorkbenchApp(session=session)
    async with app.run_test(size=(width, 30), notifications=True) as pilot:
        screen = await opened(pilot)
        await ready(pilot, screen)
        pane = screen.query_one("#told")
        lines = told(screen).splitlines()
        assert max(map(len, lines)) <= pane.scrollable_content_region.width
        assert any(line.split() in (["gate"], ["gate", "up"]) for line in lines)
        await pilot.press("space")
        await ready(pilot, screen)
        await until(pilot, lambda: bool(screen.query("Toast")))
        for toast in screen.query("Toast"):
            assert toast.region.x > screen.rows.region.right
            assert toast.region.right <= width
