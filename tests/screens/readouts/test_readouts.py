"""The readouts widget on real sessions, and its promises about what is computed when."""

from __future__ import annotations

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from textual.content import Content
from textual.pilot import Pilot
from textual.widgets import Static

from screens.base.numbers import signed
from screens.base.tokens import short_role
from screens.readouts import panel as module
from screens.readouts.head import ROLE
from screens.readouts.panel import Readouts
from screens.readouts.text import digits_of
from tests.support.tiny_sessions import Host, tiny_session, until
from workbench.errors import WorkbenchError
from workbench.readouts.catalogue import READOUTS
from workbench.readouts.results import Lens, Place, TokenValue
from workbench.readouts.shapes import Rows
from workbench.session.session import Session

pytestmark = [pytest.mark.dependencies, pytest.mark.slow]

NARROW = "Readouts { width: 40; border: round; }"


def host(css: str = "") -> Host:
    return Host(Readouts, css=css)


def text_of(app: Host) -> str:
    return str(app.query_one("#readout-text", Static).content)


def head_of(app: Host) -> str:
    return str(app.query_one("#readout-head", Static).content)


async def settled(pilot: Pilot[Any]) -> None:
    readouts = pilot.app.query_one(Readouts)
    await until(pilot, lambda: not readouts.pending)


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    """One for all: nothing here changes it."""
    return tiny_session(tmp_path_factory.mktemp("session"))


async def test_each_view_shows_the_numbers_of_the_session(session: Session) -> None:
    app = host()
    async with app.run_test(size=(80, 30)) as pilot:
        readouts = app.query_one(Readouts)
        readouts.focus()
        readouts.show(session, "a1.h0")
        await settled(pilot)
        lens = session.readouts.lens("a1.h0")
        assert "a1.h0 at the last token, mean of 4" in text_of(app)
        largest = max(abs(token.value) for token in (*lens.promoted, *lens.suppressed))
        assert signed(lens.promoted[0].value, digits_of(largest)) in text_of(app)
        assert lens.definition.split(" through ")[0] in text_of(app)

        await pilot.press("right")
        await settled(pilot)
        attribution = session.readouts.attribution()
        rank = attribution.rank("a1.h0")
        assert f"of {len(attribution.rows)}" in text_of(app)
        assert f"{rank}▸ a1.h0" in text_of(app)

        await pilot.press("l")
        await settled(pilot)
        curve = session.readouts.curve("a1.h0")
        best = max(range(len(curve.labels)), key=lambda i: curve.values[i])
        first = text_of(app).splitlines()[3]
        assert curve.labels[best].strip() in first

        await pilot.press("l")
        await settled(pilot)
        assert "query" in text_of(app)

        await pilot.press("l")
        await settled(pilot)
        assert "embeddings" in text_of(app)
        assert "layer 2" in text_of(app)

        others = len(READOUTS) - 4  # from this view on it goes to the first, and back
        await pilot.press(*["l"] * others)
        await settled(pilot)
        assert "raises most" in text_of(app)
        await pilot.press(*["h"] * others)
        await settled(pilot)
        assert "Residual stream" in text_of(app)


async def test_position_and_prompt_are_moved_by_keys(session: Session) -> None:
    app = host()
    async with app.run_test(size=(80, 24)) as pilot:
        readouts = app.query_one(Readouts)
        readouts.focus()
        readouts.show(session, "m1")
        await settled(pilot)
        assert "mean of 4" in head_of(app)
        await pilot.press("full_stop")
        assert readouts.position == -1
        await pilot.press("comma", "comma")
        assert readouts.position == -3
        await settled(pilot)
        assert "m1 at the 3rd last token, mean of 4" in text_of(app)
        await pilot.press("greater_than_sign")
        await settled(pilot)
        prompt = session.prompts(0).clean
        assert f"m1 at the 3rd last token {prompt[-3].replace(' ', '·')}, prompt 1" in text_of(app)
        await pilot.press("less_than_sign")
        pair = readouts.pair
        assert pair == session.task.n_pairs - 1
        await pilot.press("greater_than_sign")
        pair = readouts.pair
        assert pair == 0
        await pilot.press("0")
        assert readouts.pair is None
        await settled(pilot)
        for _ in range(99):
            await pilot.press("comma")
        shortest = min(len(session.prompts(i).clean) for i in range(session.task.n_pairs))
        assert readouts.position == -shortest
        await settled(pilot)
        assert f"m1 at the {shortest}th last token" in text_of(app)


async def test_everything_can_be_clicked(session: Session) -> None:
    app = host()
    async with app.run_test(size=(80, 24)) as pilot:
        readouts = app.query_one(Readouts)
        readouts.show(session, "m1")
        await settled(pilot)
        line = head_of(app).splitlines()[2]
        await pilot.click("#readout-head", offset=(line.index("[,]") + 1, 2))
        assert readouts.position == -2
        await pilot.click("#readout-head", offset=(line.index("[>]") + 1, 2))
        pair = readouts.pair
        assert pair == 0
        await settled(pilot)
        line = head_of(app).splitlines()[2]
        await pilot.click("#readout-head", offset=(line.index("[0]") + 1, 2))
        assert readouts.pair is None
        line = head_of(app).splitlines()[1]
        await pilot.click("#readout-head", offset=(line.index("[=]") + 1, 1))
        assert readouts.run == "corrupted"
        line = head_of(app).splitlines()[0]
        await pilot.click("#readout-head", offset=(line.index("Resid") + 1, 0))
        await settled(pilot)
        assert "Residual stream" in text_of(app)


async def test_a_click_on_a_query_moves_the_position(session: Session) -> None:
    app = host()
    async with app.run_test(size=(80, 40)) as pilot:
        readouts = app.query_one(Readouts)
        readouts.show(session, "a0.h1")
        readouts.action_view(3)
        await settled(pilot)
        await pilot.press("greater_than_sign")
        await settled(pilot)
        rows = text_of(app).splitlines()
        row = next(i for i, line in enumerate(rows) if line.startswith("  3 "))
        n = sum(line[:3].strip().isdecimal() and line[3] in " ▸" for line in rows[1:])
        await pilot.click("#readout-text", offset=(6, row))
        assert readouts.position == 3 - n
        assert text_of(app).splitlines()[row].startswith("  3▸")


async def test_a_click_on_a_component_is_told(session: Session) -> None:
    chosen: list[str] = []

    class Listening(Host):
        def on_readouts_node_chosen(self, event: Readouts.NodeChosen) -> None:
            chosen.append(event.node)

    app = Listening(Readouts)
    async with app.run_test(size=(80, 40)) as pilot:
        readouts = app.query_one(Readouts)
        readouts.show(session, "a0.h1")
        readouts.action_view(1)
        await settled(pilot)
        rows = text_of(app).splitlines()
        for name in ("m2", "biases"):
            row = next(i for i, line in enumerate(rows) if f" {name} " in line[:14])
            await pilot.click("#readout-text", offset=(rows[row].index(name), row))
    assert chosen == ["m2"]


async def test_what_has_no_readout_says_why(session: Session) -> None:
    app = host()
    async with app.run_test(size=(80, 24)) as pilot:
        readouts = app.query_one(Readouts)
        readouts.show(session, None)
        assert "Choose a component" in text_of(app)
        readouts.show(session, "m1")
        readouts.action_view(3)
        await settled(pilot)
        assert "Only heads attend, and m1 is none." in text_of(app)


class Slow:
    """Readouts that wait to be let go, and remember who called."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.gate = threading.Event()
        self.error: BaseException | None = None

    def lens(self, node: str, position: int, pair: int | None, k: int) -> Lens:
        self.calls.append(node)
        self.gate.wait(10)
        if self.error is not None:
            raise self.error
        place = Place(node, position, pair, 1)
        return Lens(place, (TokenValue(f" of {node}", 0, 1.0),), (), 1.0, 0.5, "Defined.")


def slow_session(session: Session) -> tuple[Any, Slow]:
    slow = Slow()
    double = SimpleNamespace(
        readouts=slow,
        task=session.task,
        prompts=session.prompts,
        graph=session.graph,
        pairs_digest=session.pairs_digest,
    )
    return double, slow


async def test_a_selection_that_moves_fast_is_computed_once(session: Session) -> None:
    double, slow = slow_session(session)
    slow.gate.set()
    app = host()
    async with app.run_test(size=(80, 24)) as pilot:
        readouts = app.query_one(Readouts)
        for node in session.graph.sources:
            readouts.show(double, node)
        await settled(pilot)
    assert slow.calls == [session.graph.sources[-1]]


async def test_a_stale_result_never_shows(session: Session) -> None:
    double, slow = slow_session(session)
    app = host()
    async with app.run_test(size=(80, 24)) as pilot:
        readouts = app.query_one(Readouts)
        readouts.show(double, "a0.h0")
        await until(pilot, lambda: slow.calls == ["a0.h0"])
        readouts.show(double, "a1.h0")
        readouts.show(double, "a2.h0")
        await pilot.pause(2 * module.DEBOUNCE)
        # One thing at a time: nothing else was started while the first is on its way.
        assert slow.calls == ["a0.h0"]
        assert "computing" in head_of(app)
        seen: list[str] = []
        show = readouts._show

        def watched(result: Any) -> None:
            seen.append(str(result))
            show(result)

        readouts._show = watched  # type: ignore[method-assign]
        slow.gate.set()
        await settled(pilot)
        assert slow.calls == ["a0.h0", "a2.h0"]
        assert "·of·a2.h0" in text_of(app)
        assert not any("a0.h0" in shown for shown in seen)
        # What was computed in vain is known all the same.
        readouts.show(double, "a0.h0")
        assert "·of·a0.h0" in text_of(app)
        assert slow.calls == ["a0.h0", "a2.h0"]


async def test_older_values_make_way_for_a_word(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.01)
    double, slow = slow_session(session)
    app = host()
    async with app.run_test(size=(80, 24)) as pilot:
        app.query_one(Readouts).show(double, "a0.h0")
        await until(pilot, lambda: "Computing the logit lens of a0.h0" in text_of(app))
        slow.gate.set()
        await settled(pilot)
        assert "·of·a0.h0" in text_of(app)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (WorkbenchError("This cannot be read; choose another."), "This cannot be read"),
        (MemoryError(), "not enough memory"),
        (RuntimeError("boom"), "Unexpected: RuntimeError: boom"),
    ],
)
async def test_a_failure_is_a_sentence_and_is_tried_again(
    session: Session, error: BaseException, said: str
) -> None:
    double, slow = slow_session(session)
    slow.gate.set()
    slow.error = error
    app = host()
    async with app.run_test(size=(80, 24)) as pilot:
        readouts = app.query_one(Readouts)
        readouts.show(double, "a0.h0")
        await until(pilot, lambda: said in text_of(app))
        slow.error = None
        readouts.show(double, "a1.h0")
        await settled(pilot)
        readouts.show(double, "a0.h0")
        await until(pilot, lambda: "·of·a0.h0" in text_of(app))


async def test_what_is_hidden_is_not_computed_until_it_shows(session: Session) -> None:
    double, slow = slow_session(session)
    slow.gate.set()
    app = host()
    async with app.run_test(size=(80, 24)) as pilot:
        readouts = app.query_one(Readouts)
        readouts.display = False
        await pilot.pause()
        readouts.show(double, "a0.h0")
        await pilot.pause(3 * module.DEBOUNCE)
        assert slow.calls == []
        readouts.display = True
        await settled(pilot)
        assert slow.calls == ["a0.h0"]


async def test_another_session_begins_anew(session: Session, tmp_path: Path) -> None:
    app = host()
    async with app.run_test(size=(80, 24)) as pilot:
        readouts = app.query_one(Readouts)
        readouts.focus()
        readouts.show(session, "m1")
        await settled(pilot)
        await pilot.press("comma", "greater_than_sign")
        other = tiny_session(tmp_path, "greater-than", pairs=3)
        readouts.show(other, "m1")
        assert (readouts.position, readouts.pair) == (-1, None)
        await settled(pilot)
        assert "mean of 3" in text_of(app)


@pytest.mark.parametrize("width", [36, 40, 57, 80, 160])
@pytest.mark.parametrize("view", [*range(5), 6, 7])
async def test_no_line_is_wider_than_the_panel(session: Session, width: int, view: int) -> None:
    app = host()
    async with app.run_test(size=(width, 40)) as pilot:
        readouts = app.query_one(Readouts)
        readouts.show(session, "a1.h1")
        readouts.action_view(view)
        await settled(pilot)
        head = app.query_one("#readout-head", Static).content
        body = app.query_one("#readout-text", Static).content
        for content in (head, body):
            assert isinstance(content, Content)
            for line in content.split("\n"):
                assert line.cell_length <= width, line.plain


async def test_the_plot_is_imported_when_it_is_needed(tmp_path: Path) -> None:
    session = tiny_session(tmp_path, "greater-than")
    app = host()
    async with app.run_test(size=(80, 24)) as pilot:
        readouts = app.query_one(Readouts)
        readouts.show(session, "m2")
        await settled(pilot)
        assert not app.query("PlotextPlot")
        readouts.action_view(2)
        await settled(pilot)
        assert app.query_one("PlotextPlot").display
        assert "✓ ✗ right or wrong in most prompts" in text_of(app)
        readouts.action_view(-2)
        await settled(pilot)
        assert not app.query_one("PlotextPlot").display


@pytest.mark.parametrize("view", [*range(5), 6])
@pytest.mark.parametrize("size", [(80, 24), (160, 48)])
def test_snapshot(snap_compare: Any, session: Session, view: int, size: tuple[int, int]) -> None:
    """Full width at 80x24, a panel of 40 columns at 160x48."""
    app = host(NARROW if size[0] == 160 else "")

    async def run(pilot: Pilot[Any]) -> None:
        readouts = app.query_one(Readouts)
        readouts.show(session, "a1.h0")
        readouts.action_view(view)
        await settled(pilot)
        await pilot.press("greater_than_sign")
        await settled(pilot)

    assert snap_compare(app, terminal_size=size, run_before=run)


@pytest.mark.parametrize("size", [(80, 24), (160, 48)])
def test_snapshot_of_the_hundred_years(
    snap_compare: Any, tmp_path: Path, size: tuple[int, int]
) -> None:
    session = tiny_session(tmp_path, "greater-than")
    app = host(NARROW if size[0] == 160 else "")

    async def run(pilot: Pilot[Any]) -> None:
        readouts = app.query_one(Readouts)
        readouts.show(session, "m2")
        readouts.action_view(2)
        await settled(pilot)

    assert snap_compare(app, terminal_size=size, run_before=run)


async def test_other_runs_and_any_token_are_read(tmp_path: Path) -> None:
    app = host()
    with tiny_session(tmp_path) as session:
        session.expand("logits", keep=["m2->logits", "a2.h0->logits"])
        async with app.run_test(size=(80, 40)) as pilot:
            readouts = app.query_one(Readouts)
            readouts.focus()
            readouts.show(session, "m2")
            for words in ("corrupted", "clean − corrupted", "circuit", "circuit − clean"):
                await pilot.press("equals_sign")
                await settled(pilot)
                assert f"mean of 4, {words}\n" in text_of(app)
                lens = session.readouts.lens("m2", run=words.replace(" − ", "-"))
                assert isinstance(readouts.result, Lens)
                assert readouts.result.promoted == lens.promoted
            session.toggle("m2->logits")
            readouts.show(session, "m2")  # as the bench does after every command
            await pilot.press("right", "Q", *" Mary", "tab", *" John", "enter")
            await settled(pilot)
            target = session.readouts.target([" Mary"], [" John"])
            found = session.readouts.attribution(run="circuit-clean", target=target)
            assert readouts.result == found and found.value("m2") != 0
            assert "' Mary' − ' John', mean of 4, circuit − clean" in text_of(app)
            await pilot.press("equals_sign", "comma")
            await settled(pilot)
            found = session.readouts.attribution(position=-2, target=target)
            assert readouts.result == found


async def test_what_is_no_token_is_said_and_nothing_is_asked(session: Session) -> None:
    app = host()
    async with app.run_test(size=(80, 40)) as pilot:
        readouts = app.query_one(Readouts)
        readouts.focus()
        readouts.show(session, "m2")
        await pilot.press("Q", *" Mary John", "enter")
        await pilot.pause()
        assert "is 2 tokens" in str(app.screen.query_one(".error", Static).content)
        await pilot.press("escape")
        assert readouts.target is None


@pytest.mark.parametrize("size", [(80, 24), (160, 48)])
async def test_the_head_says_the_role_of_the_position(
    session: Session, size: tuple[int, int]
) -> None:
    app = host()
    async with app.run_test(size=size) as pilot:
        readouts = app.query_one(Readouts)
        readouts.focus()
        readouts.show(session, "m1")
        await settled(pilot)
        shared = {session.prompts(i).roles[-1] for i in range(session.task.n_pairs)}
        ends = {session.prompts(i).clean[-1] for i in range(session.task.n_pairs)}
        said = f"END {ends.pop().replace(' ', '·')}" if len(ends) == 1 else "END"
        assert shared == {"END"} and f"{said} (last)" in head_of(app)
        await pilot.press("greater_than_sign")
        roles, seen = session.prompts(0).roles, set()
        for back in range(2, len(roles) + 1):
            await pilot.press("comma")
            await settled(pilot)
            role, token = roles[-back], session.prompts(0).clean[-back].replace(" ", "·")
            assert f"{short_role(role, ROLE)} {token} (−{back})" in head_of(app)
            seen.add(role)
        assert {"IO", "S1", "S2"} <= seen


async def test_why_a_head_attends_is_a_view_of_heads(session: Session) -> None:
    app = host()
    async with app.run_test(size=(80, 40)) as pilot:
        readouts = app.query_one(Readouts)
        readouts.focus()
        readouts.show(session, "a1.h0")
        readouts.show_view("why")
        for run in ("clean", "corrupted", "clean-corrupted"):
            await until(pilot, lambda run=run: readouts.run == run and readouts.result is not None)  # type: ignore[misc]
            wanted = session.readouts.result("why", "a1.h0", run=run)
            assert isinstance(wanted, Rows)
            assert readouts.result == wanted
            assert wanted.rows[0][0] in text_of(app) and "query reads" in text_of(app)
            await pilot.press("equals_sign")
        readouts.show(session, "m0")
        await settled(pilot)
        assert "Only heads attend" in text_of(app)
