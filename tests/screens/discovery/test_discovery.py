"""Discoveries on the bench: asked for, run in the background, stopped, held, stepped through."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, cast

import pytest
from textual.pilot import Pilot
from textual.widgets import Button, Input, Static

from screens.app import WorkbenchApp
from screens.bench.screen import BenchScreen
from screens.discovery.dialog import DiscoverDialog
from screens.discovery.discovery_line import DiscoveryLine
from screens.discovery.proposal_strip import ProposalStrip
from screens.discovery.results import Results, SelectAgain
from screens.help.screen import HelpScreen
from screens.palette.entries import entries
from screens.widgets.choice import Choice
from screens.widgets.dialogs import Confirm, Export
from screens.widgets.name_list import NameList
from tests.screens.bench.test_bench import bench_of, row_text, screen_text, settled
from tests.support.slow_methods import SlowMethod, give_method
from tests.support.tiny_sessions import tiny_session, until
from tests.support.toy_session import ToyEngine, toy_session
from workbench.discovery.catalogue import METHODS
from workbench.discovery.options import ABSOLUTE, EDGES, SEED, THRESHOLD, Options, steps
from workbench.discovery.selection import Selection
from workbench.formats import load_circuit
from workbench.session.session import Session

pytestmark = pytest.mark.slow

NARROW, WIDE = (80, 24), (160, 48)
SIZES = [NARROW, WIDE]
GREEDY = Selection("greedy", n=12)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> SlowMethod:
    return give_method(monkeypatch)


@pytest.fixture
def toy(tmp_path: Path) -> tuple[Session, ToyEngine]:
    return toy_session(tmp_path, layers=3, heads=4)


@pytest.fixture
def session(toy: tuple[Session, ToyEngine]) -> Session:
    return toy[0]


def told(app: WorkbenchApp) -> str:
    """All notifications; for what has not gone by itself."""
    return " ".join(f"{note.title} {note.message}" for note in app._notifications)


async def opened(pilot: Pilot[Any], kind: type) -> Any:
    await until(pilot, lambda: isinstance(pilot.app.screen, kind))
    return pilot.app.screen


async def choose_method(pilot: Pilot[Any], name: str) -> DiscoverDialog:
    dialog = await opened(pilot, DiscoverDialog)
    names = dialog.query_one(NameList)
    while names.highlighted[0] != name:
        await pilot.press("down")
    return dialog


async def fill(pilot: Pilot[Any], selector: str, value: str) -> None:
    """Type into an input in place of what is there."""
    entry = pilot.app.screen.query_one(f"{selector} Input", Input)
    entry.focus()
    entry.value = value
    await pilot.pause()


def button(app: WorkbenchApp, words: str) -> Button:
    return next(b for b in app.screen.query(Button) if words in str(b.label))


def box_text(app: WorkbenchApp) -> str:
    """What stands in the box of a dialog."""
    box = app.screen.query_one(".box").content_region
    lines = screen_text(app).splitlines()[box.y : box.bottom]
    return "\n".join(line[box.x : box.right] for line in lines)


def strip(app: WorkbenchApp) -> ProposalStrip:
    return bench_of(app).query_one(ProposalStrip)


def strip_text(app: WorkbenchApp) -> str:
    lines = screen_text(app).splitlines()
    region = strip(app).region
    return "\n".join(lines[region.y : region.bottom])


async def stepping(pilot: Pilot[Any], session: Session) -> BenchScreen:
    """On a bench that steps through a result of twelve edges."""
    session.discoveries.run("slow", selection=GREEDY)
    bench = await settled(pilot)
    bench.discovering.changed()
    bench.notify("in the way")
    await pilot.press("P")
    bench = await settled(pilot)
    assert not pilot.app._notifications, "nothing lies over the strip"
    return bench


# Asking.


async def test_the_way_of_selecting_follows_the_method_until_it_is_changed(
    session: Session,
) -> None:
    app = WorkbenchApp(session=session)
    async with app.run_test(size=SIZES[0]) as pilot:
        await settled(pilot)
        await pilot.press("D")
        dialog = await opened(pilot, DiscoverDialog)
        how = dialog.query_one("#how", Choice)
        assert how.value == "top"
        await choose_method(pilot, "ifr")
        await pilot.pause()
        assert how.value == "greedy" and "From the logits" in box_text(app)
        await choose_method(pilot, "atp")
        await pilot.pause()
        assert how.value == "top"
        how.choose("threshold")
        await pilot.press("up")
        await pilot.pause()
        assert dialog.method.name == "ifr" and how.value == "threshold"


@pytest.mark.parametrize("size", SIZES)
async def test_every_method_can_be_read_and_only_what_it_heeds_is_asked(
    session: Session, size: tuple[int, int]
) -> None:
    app = WorkbenchApp(session=session)
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        await pilot.press("D")
        dialog = await opened(pilot, DiscoverDialog)
        for method in METHODS.values():
            assert dialog.method is method
            await pilot.pause()
            text = " ".join(box_text(app).split())
            assert method.name in text
            definition = " ".join(method.definition.split())
            assert definition[1:] in text, "the whole definition can be read"
            shown = {
                field.id.removeprefix("option-")
                for field in dialog.query("OptionFields > *")
                if field.display and field.parent.display
            }
            assert shown == set(method.option_names)
            selects = dialog.query_one("SelectionFields").display
            assert selects == (method.kind in ("edges", "nodes"))
            assert "enter start" in text and "Start" in text and "esc cancel" in text
            await pilot.press("down")
        await pilot.press("escape")
        await settled(pilot)
        assert session.discoveries.results == ()


async def test_what_is_typed_is_checked_and_reaches_the_method(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = give_method(
        monkeypatch, "slow", "search", options=(steps(5), EDGES, THRESHOLD, ABSOLUTE, SEED)
    )
    app = WorkbenchApp(session=session)
    async with app.run_test(size=NARROW) as pilot:
        await settled(pilot)
        await pilot.press("D")
        dialog = await choose_method(pilot, "slow")
        for name, bad, words in (
            ("steps", "many", "steps: type a whole number"),
            ("steps", "0", "steps: it has to be 1 or more"),
            ("threshold", "x", "tau: type a number"),
            ("threshold", "inf", "finite"),
        ):
            await fill(pilot, "#option-steps", "3")
            await fill(pilot, f"#option-{name}", bad)
            await pilot.press("enter")
            assert words in str(dialog.query_one(".error", Static).content)
            assert app.screen is dialog
        await fill(pilot, "#option-threshold", "0.25")
        await fill(pilot, "#option-edges", "1,000")
        dialog.query_one("#option-absolute", Choice).action_turn(1)
        await pilot.press("enter")
        await settled(pilot)
        await until(pilot, lambda: len(session.discoveries.results) == 1)
        assert slow.told == [Options(steps=3, threshold=0.25, edges=1000, absolute=True)]


async def test_the_selection_is_asked_for_in_words(session: Session, slow: SlowMethod) -> None:
    app = WorkbenchApp(session=session)
    async with app.run_test(size=NARROW) as pilot:
        await settled(pilot)
        await pilot.press("D")
        dialog = await choose_method(pilot, "slow")

        def words() -> str:
            return str(dialog.query_one("#in-words", Static).content)

        assert words() == "The 13 edges of largest |score|; then dead ends are taken out."
        dialog.query_one("#how").focus()
        await pilot.press("right")
        await fill(pilot, "#n", "20")
        assert words().startswith("From the logits, 20 times the edge of largest |score|")
        await pilot.click("#sign")
        await pilot.click("#fill")
        assert "importance" in words() and "no more than that are left" in words()
        dialog.query_one("#how").focus()
        await pilot.press("right")
        assert "at least" in words() and not dialog.query_one("#n").display
        await fill(pilot, "#least", "0.5")
        await pilot.click("#start")
        await until(pilot, lambda: len(session.discoveries.results) == 1)
        assert session.discoveries.results[0].selection == Selection(
            "threshold", threshold=0.5, signed=True
        )


async def test_what_does_not_suit_the_session_is_refused_in_the_dialog(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = give_method(monkeypatch, ablations=("zero",))
    app = WorkbenchApp(session=session)
    async with app.run_test(size=NARROW) as pilot:
        await settled(pilot)
        await pilot.press("D")
        dialog = await choose_method(pilot, "slow")
        await pilot.press("enter")
        assert "for the ablation zero alone" in str(dialog.query_one(".error", Static).content)
        assert app.screen is dialog and slow.told == []


# Running.


@pytest.mark.parametrize("size", SIZES)
async def test_it_runs_in_the_background_and_stepping_goes_on(
    session: Session, slow: SlowMethod, size: tuple[int, int]
) -> None:
    app = WorkbenchApp(session=session)
    async with app.run_test(size=size) as pilot:
        bench = await settled(pilot)
        line = bench.query_one(DiscoveryLine)
        assert not line.display or line.size.height == 0
        await pilot.press("D")
        dialog = await choose_method(pilot, "slow")
        dialog.query_one("#how", Choice).action_turn(1)
        slow.waits_at = 5
        await pilot.press("enter")
        await until(pilot, lambda: slow.pieces == 5)
        await pilot.pause(0.1)
        text = screen_text(app)
        assert re.search(r"slow +[█░]+ +\d+%", text)
        assert "S stop, keep what it found" in text
        results = session.discoveries.results
        assert results == ()
        await pilot.press("D")
        await pilot.pause()
        slow.gate.set()
        await until(pilot, lambda: len(session.discoveries.results) == 1)
        await until(pilot, lambda: bench.discovery.run is None)
        await settled(pilot)
        held = session.discoveries.results[0]
        assert held.complete and held.circuit.n_edges > 0
        assert f"{held.circuit.n_edges} edges kept" in told(app) and "slow is done" in told(app)
        assert "S stop" not in screen_text(app)


async def test_a_command_answers_while_it_runs(session: Session, slow: SlowMethod) -> None:
    app = WorkbenchApp(session=session)
    async with app.run_test(size=NARROW) as pilot:
        bench = await settled(pilot)
        await pilot.press("D")
        await choose_method(pilot, "slow")
        pieces = []
        session_discover = session.discoveries.run

        def slowly(*args: Any, on_piece: Any, **kwargs: Any) -> Any:
            def piece(fraction: float) -> None:
                on_piece(fraction)
                pieces.append(session.status().edges)
                if len(pieces) == 3:
                    slow.gate.clear()

            return session_discover(*args, on_piece=piece, **kwargs)

        session.discoveries.run = slowly  # type: ignore[method-assign, assignment]
        await pilot.press("enter")
        await until(pilot, lambda: len(pieces) == 3)
        await pilot.press("e")  # waits for the piece that is under way, no longer
        slow.gate.set()
        await until(pilot, lambda: session.status().edges > 0)
        await until(pilot, lambda: bench.discovery.run is None)
        assert pieces[2] == 0 and pieces[5] > 0


async def test_it_is_stopped_and_what_it_found_is_of_use(
    session: Session, slow: SlowMethod
) -> None:
    app = WorkbenchApp(session=session)
    async with app.run_test(size=NARROW) as pilot:
        bench = await settled(pilot)
        await pilot.press("S")
        assert "No discovery is running" in told(app)
        slow.waits_at = 3
        await pilot.press("D")
        await choose_method(pilot, "slow")
        await pilot.press("enter")
        await until(pilot, lambda: slow.pieces == 3)
        await pilot.pause(0.1)
        await pilot.click(DiscoveryLine, offset=(app.size.width - 6, 0))
        assert "stopping after this piece" in screen_text(app)
        slow.gate.set()
        await until(pilot, lambda: len(session.discoveries.results) == 1)
        await settled(pilot)
        held = session.discoveries.results[0]
        assert not held.complete and 0 < held.fraction < 1
        assert "was stopped after" in told(app)
        assert session.discoveries.shown is held and bench.table.finder == "slow"
        await pilot.press("D")
        await opened(pilot, Results)
        assert f"{100 * held.fraction:.1f}%" in screen_text(app)
        assert "Partial:" in screen_text(app)


async def test_a_method_that_breaks_says_so_in_a_sentence(
    session: Session, slow: SlowMethod
) -> None:
    app = WorkbenchApp(session=session)
    async with app.run_test(size=NARROW) as pilot:
        bench = await settled(pilot)
        for fails_at, n_held in ((0, 0), (5, 1)):
            slow.fails_at = fails_at
            await pilot.press("D")
            await choose_method(pilot, "slow")
            await pilot.press("enter")
            await until(pilot, lambda: bool(slow.told) and bench.discovery.run is None)
            await settled(pilot)
            assert "the method broke" in told(app)
            assert len(session.discoveries.results) == n_held
            slow.told.clear()
        assert "what it found is kept" in told(app)
        await pilot.press("e")
        await settled(pilot)
        assert session.status().edges > 0


async def test_leaving_asks_while_one_runs_and_ends_it(session: Session, slow: SlowMethod) -> None:
    app = WorkbenchApp(session=session)
    async with app.run_test(size=NARROW) as pilot:
        bench = await settled(pilot)
        slow.gate.clear()
        await pilot.press("D")
        await choose_method(pilot, "slow")
        await pilot.press("enter")
        await until(pilot, lambda: bench.discovery.run is not None)
        await pilot.press("q")
        await opened(pilot, Confirm)
        await pilot.press("n")
        await until(pilot, lambda: app.screen is bench)
        assert bench.discovery.run is not None
        await pilot.press("q")
        await opened(pilot, Confirm)
        await pilot.press("y")
    slow.gate.set()


async def test_leaving_by_the_app_cancels_it(session: Session, slow: SlowMethod) -> None:
    app = WorkbenchApp(session=session)
    slow.gate.clear()
    async with app.run_test(size=NARROW) as pilot:
        bench = await settled(pilot)
        await pilot.press("D")
        await choose_method(pilot, "slow")
        await pilot.press("enter")
        await until(pilot, lambda: bench.discovery.run is not None)
        run = bench.discovery.run
    assert run is not None and run.cancel.is_set()
    slow.gate.set()


# Results.


@pytest.mark.parametrize("size", SIZES)
async def test_results_are_listed_shown_taken_and_removed(
    session: Session, slow: SlowMethod, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    give_method(monkeypatch, "finder", "search", options=(THRESHOLD,))
    first = session.discoveries.run("slow", selection=GREEDY)
    second = session.discoveries.run("finder", Options(threshold=0.5))
    app = WorkbenchApp(session=session)
    async with app.run_test(size=size) as pilot:
        bench = await settled(pilot)
        assert bench.table.finder == "finder"
        await pilot.press("D")
        await opened(pilot, Results)
        text = screen_text(app)
        assert re.search(rf"▸ ● finder +tau 0\.5 +{second.circuit.n_edges} ", text)
        assert re.search(rf"slow +greedy 12 +{first.circuit.n_edges} .*all", text)
        for words in ("⏎ show", "P step through", "L take whole", "t other selection",
                      "D new discovery", "o export", "- remove",
                      "space hide the column"):  # fmt: skip
            assert words in text, words
        await pilot.press("k", "enter")
        await settled(pilot)
        shown = session.discoveries.shown
        assert shown is first and bench.table.finder == "slow"

        await pilot.press("D")
        await opened(pilot, Results)
        await pilot.click(button(app, "take whole"))
        await settled(pilot)
        assert session.circuit == first.circuit
        await pilot.press("u")
        await settled(pilot)
        assert session.status().edges == 0

        await pilot.press("D")
        await opened(pilot, Results)
        await pilot.press("space")
        await settled(pilot)
        assert session.discoveries.shown is None and bench.table.finder == ""

        await pilot.press("D", "k", "minus")
        await opened(pilot, Confirm)
        await pilot.press("y")
        await settled(pilot)
        assert session.discoveries.results == (second,)


async def test_another_selection_and_an_export(
    session: Session, slow: SlowMethod, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_method(monkeypatch, "finder", "search")
    session.discoveries.run("finder")
    held = session.discoveries.run("slow", selection=GREEDY)
    app = WorkbenchApp(session=session)
    async with app.run_test(size=NARROW) as pilot:
        await settled(pilot)
        await pilot.press("D", "t")
        dialog = await opened(pilot, SelectAgain)
        assert dialog.query_one("#n Input", Input).value == "12"
        await fill(pilot, "#n", "0")
        await pilot.press("enter")
        assert "1 or more" in str(dialog.query_one(".error", Static).content)
        await fill(pilot, "#n", "30")
        await pilot.press("enter")
        await opened(pilot, Results)
        again = session.discoveries.result(held.number)
        assert again.selection == Selection("greedy", n=30) and len(slow.told) == 1
        assert "greedy 30" in screen_text(app)
        await pilot.press("k", "t")
        assert "chose its edges itself" in str(app.screen.query_one(".error", Static).content)


async def test_a_result_is_exported(tmp_path: Path) -> None:
    session = tiny_session(tmp_path)
    held = session.discoveries.run("eap", selection=Selection(n=40))
    app = WorkbenchApp(session=session)
    path = tmp_path / "out.json"
    async with app.run_test(size=NARROW) as pilot:
        await settled(pilot)
        await pilot.press("D", "o")
        dialog = await opened(pilot, Export)
        assert dialog.query_one(Input).value == "eap.json"
        dialog.query_one(Input).value = str(path)
        await pilot.press("enter")
        await settled(pilot)
        assert load_circuit(path, session.graph) == held.circuit


# The table.


@pytest.mark.parametrize("size", SIZES)
async def test_its_scores_are_a_column_and_what_is_undecided_is_marked(
    session: Session, slow: SlowMethod, size: tuple[int, int]
) -> None:
    held = session.discoveries.run("slow", selection=GREEDY)
    app = WorkbenchApp(session=session)
    async with app.run_test(size=size) as pilot:
        bench = await settled(pilot)
        await pilot.press("2")
        await settled(pilot)
        table = bench.table
        heading = str(table.heading(table.scrollable_content_region.width))
        assert " slow " in heading and "exact" in heading and "0+" in heading
        for row in table.rows:
            assert row.found == held.found.edges[session.graph.parse_edge(row.edge)]
            line = row_text(bench, row.edge)
            assert f"{row.found:+.4f}".replace("-", "−") in line
            assert ("◇" in line) == held.circuit.has(row.edge)
        table.sort_by("found")
        sizes = [abs(cast(float, row.found)) for row in table.rows]
        assert sizes == sorted(sizes, reverse=True)
        session.discoveries.show(None)
        bench.discovering.changed()
        await settled(pilot)
        assert table.sort == "effect" and "◇" not in screen_text(app)


async def test_no_column_of_the_table_is_ever_cut(session: Session, slow: SlowMethod) -> None:
    session.discoveries.run("slow", selection=GREEDY)
    app = WorkbenchApp(session=session)
    async with app.run_test(size=NARROW) as pilot:
        table = (await settled(pilot)).table
        for name in ("eap", "eap-ig-activations (12)"):
            table.find_by(name)
            for width in range(44, 160):
                spans = table.columns(width)
                assert spans[-1][1] + spans[-1][2] <= width
                found = next((cells for column, _, cells in spans if column == "found"), None)
                if found is None:
                    assert width < 50, "only where there is hardly room for numbers"
                    continue
                heading = str(table.heading(width))
                whole = found >= len(name) + 2
                assert (name if whole else "found") in heading and "…" not in heading
                assert whole or width < 90, "with so much room it has its whole name"


# Stepping.


@pytest.mark.parametrize("size", SIZES)
async def test_stepping_by_keys_shows_what_accepting_does(
    session: Session, slow: SlowMethod, size: tuple[int, int]
) -> None:
    app = WorkbenchApp(session=session)
    async with app.run_test(size=size) as pilot:
        bench = await stepping(pilot, session)
        assert strip(app).has_focus
        proposal = session.discoveries.proposal()
        text = strip_text(app)
        assert f"slow proposes to keep {proposal[0].edge}" in text
        assert "which closes this input" in text and f"1 of {len(proposal)}" in text
        then = session.discoveries.if_accepted(proposal[0].edge)[1]
        assert f"faithfulness 1.0000 → {then:.4f}" in text.replace("−", "-")
        edge = bench.table.highlighted
        assert edge is not None and edge.edge == proposal[0].edge
        assert "exact" in text

        await pilot.press("right", "l", "left")
        await settled(pilot)
        assert f"2 of {len(proposal)}" in strip_text(app)
        await pilot.press("k")
        await settled(pilot)
        await pilot.press("y")
        await settled(pilot)
        assert session.circuit.edges() == [proposal[0].edge]
        assert session.status().faithfulness == pytest.approx(then)
        assert f"1 of {len(proposal) - 1}" in strip_text(app)
        await pilot.press("n")
        await settled(pilot)
        assert session.discoveries.shown is not None and session.discoveries.shown.refused == {
            proposal[1].edge
        }
        assert proposal[2].edge in strip_text(app)

        await pilot.press("u")
        await settled(pilot)
        assert session.discoveries.shown.refused == frozenset()
        assert proposal[1].edge in strip_text(app)
        await pilot.press("u")
        await settled(pilot)
        assert session.status().edges == 0 and proposal[0].edge in strip_text(app)
        await pilot.press("u")
        assert "Nothing was decided" in told(app)

        await pilot.press("n", "A")
        await settled(pilot)
        assert set(session.circuit.edges()) == {p.edge for p in proposal[1:]}
        assert "but for 1 that you refused" in told(app)
        assert not strip(app).display
        await pilot.press("u")
        await settled(pilot)
        assert session.status().edges == 0


async def test_keys_faster_than_the_engine_are_not_lost(
    toy: tuple[Session, ToyEngine], slow: SlowMethod
) -> None:
    session, engine = toy
    app = WorkbenchApp(session=session)
    async with app.run_test(size=NARROW) as pilot:
        bench = await stepping(pilot, session)
        proposal = [p.edge for p in session.discoveries.proposal()]
        engine.gate.clear()
        await pilot.press("y", "y", "n", "y")
        await until(pilot, lambda: app.key_queue.idle)
        assert proposal[4] in strip_text(app) and session.status().edges == 0
        assert "…" in strip_text(app), "what accepting does is not known yet"
        engine.gate.set()
        await settled(pilot)
        assert set(session.circuit.edges()) == {proposal[i] for i in (0, 1, 3)}
        assert session.discoveries.shown is not None and session.discoveries.shown.refused == {
            proposal[2]
        }
        assert proposal[4] in strip_text(app) and "…" not in strip_text(app).splitlines()[1]
        assert bench.quiet


async def test_stepping_by_mouse(session: Session, slow: SlowMethod) -> None:
    app = WorkbenchApp(session=session)
    async with app.run_test(size=NARROW) as pilot:
        bench = await stepping(pilot, session)
        n = len(session.discoveries.proposal())

        async def click(words: str) -> None:
            line = screen_text(app).splitlines()[-1]
            await pilot.click(offset=(line.index(words), app.size.height - 1))
            await settled(pilot)

        await click("y accept")
        assert session.status().edges == 1 and strip(app).has_focus
        await click("n refuse")
        assert len(session.discoveries.proposal()) == n - 2
        await click("next")
        assert f"2 of {n - 2}" in strip_text(app)
        await click("undo")
        assert len(session.discoveries.proposal()) == n - 1
        await pilot.click("#edges", offset=(20, 3))
        await settled(pilot)
        assert not strip(app).has_focus and "P goes on" in strip_text(app)
        assert "keep/drop" in screen_text(app).splitlines()[-1]
        region = strip(app).region
        await pilot.click(offset=(region.x + 3, region.y))
        await settled(pilot)
        assert strip(app).has_focus
        await click("end")
        assert not strip(app).display and bench.panel == "candidates"


async def test_what_is_found_meanwhile_does_not_change_the_proposal(
    session: Session, slow: SlowMethod, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_method(monkeypatch, "finder", "search")
    app = WorkbenchApp(session=session)
    async with app.run_test(size=NARROW) as pilot:
        bench = await stepping(pilot, session)
        held = session.discoveries.shown
        await pilot.press("D", "D")
        await choose_method(pilot, "finder")
        await pilot.press("enter")
        await until(pilot, lambda: len(session.discoveries.results) == 2)
        await settled(pilot)
        assert session.discoveries.shown is held and bench.table.finder == "slow"
        assert "slow proposes" in strip_text(app)
        await pilot.press("D", "j", "enter")
        await settled(pilot)
        assert "finder proposes" in strip_text(app) and "1 of" in strip_text(app)


async def test_an_edge_of_yours_that_it_lacks_is_proposed_to_be_dropped(
    session: Session, slow: SlowMethod
) -> None:
    held = session.discoveries.run("slow", selection=GREEDY)
    extra = next(c.edge for c in session.candidates("logits") if not held.circuit.has(c.edge))
    session.expand("logits", keep=[extra])
    app = WorkbenchApp(session=session)
    async with app.run_test(size=NARROW) as pilot:
        await settled(pilot)
        await pilot.press("P")
        await settled(pilot)
        for _ in range(40):
            if "to drop" in strip_text(app):
                break
            await pilot.press("right")
            await settled(pilot)
        assert f"to drop {extra}" in strip_text(app)
        assert "●◇" in row_text(bench_of(app), extra)
        await pilot.press("y")
        await settled(pilot)
        assert not session.circuit.has(extra)


async def test_without_a_result_there_is_nothing_to_step_through(
    session: Session, slow: SlowMethod
) -> None:
    app = WorkbenchApp(session=session)
    async with app.run_test(size=NARROW) as pilot:
        bench = await settled(pilot)
        await pilot.press("P")
        assert "No result is shown" in told(app)
        held = session.discoveries.run("slow", selection=GREEDY)
        session.discoveries.take(held.number)
        bench.discovering.changed()
        await pilot.press("P")
        assert "Nothing that slow proposes is left" in told(app)


async def test_help_explains_the_strip_and_its_keys(session: Session, slow: SlowMethod) -> None:
    app = WorkbenchApp(session=session)
    async with app.run_test(size=WIDE) as pilot:
        await stepping(pilot, session)
        await pilot.press("question_mark")
        await opened(pilot, HelpScreen)
        text = screen_text(app)
        assert "Help: proposal" in text and "A proposal is the circuit of the shown" in text
        assert "Keep or drop this edge as proposed." in text


async def test_all_of_it_is_in_the_palette(session: Session) -> None:
    app = WorkbenchApp(session=session)
    async with app.run_test(size=NARROW) as pilot:
        bench = await settled(pilot)
        names = [entry.title for entry in entries(app, bench)]
        for name in ("Discover circuits (D)", "Step through the proposal (P)",
                     "Stop the discovery (S)"):  # fmt: skip
            assert name in names


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("keys", [("D", "D"), ("D",), ("2",), ("P", "y")])
def test_snapshot(
    snap_compare: Any,
    monkeypatch: pytest.MonkeyPatch,
    session: Session,
    slow: SlowMethod,
    keys: tuple[str, ...],
    size: tuple[int, int],
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr("screens.bench.status_bar.seconds", lambda value: "12 ms")
    session.discoveries.run("slow", selection=Selection("threshold", threshold=0.4, signed=True))
    session.discoveries.run("slow", selection=GREEDY)

    async def run(pilot: Pilot[Any]) -> None:
        await settled(pilot)
        for key in keys:
            await pilot.press(key)
            await settled(pilot)

    assert snap_compare(WorkbenchApp(session=session), terminal_size=size, run_before=run)
