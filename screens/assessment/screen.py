"""The assessment screen: what is asked of a circuit before it is believed.

Questions stand in a list; the answer of the chosen one, its definition and its picture beside it.
They are computed in the background, one after the other, for the circuit as it stood when each
was asked; results are the session's and stay when the screen is left.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container, VerticalScroll
from textual.screen import Screen
from textual.widgets import Static

from screens.assessment.copies import part_plots
from screens.assessment.keys import ACTIONS, BY_NAME, FOOTER
from screens.assessment.part_list import PartList, PartRow
from screens.assessment.plot import plot
from screens.assessment.tell import describe, summary
from screens.base.actions import Action
from screens.base.numbers import count, plain
from screens.base.prose import prose
from screens.base.tokens import one_line
from screens.base.worker import Worker, error_sentence
from screens.widgets.changes import put_text
from screens.widgets.copying import Copies
from screens.widgets.detaching import detach
from screens.widgets.key_bar import KeyBar
from screens.widgets.line_list import LineList
from screens.widgets.search import SEARCH_BINDINGS, PaneSearch
from screens.widgets.text_pane import TextPane
from workbench.assessment.catalogue import Part, parts_of_one
from workbench.assessment.report.tables import tables_of
from workbench.base.home import meant_path
from workbench.errors import Cancelled

if TYPE_CHECKING:
    from textual_plotext import PlotextPlot

    from workbench.session.assessments import PartAnswer
    from workbench.session.session import Session

LOOK_AGAIN = 0.5
"""Seconds between looks whether the circuit was edited, and at how far a computation is."""


class AssessmentScreen(PaneSearch, Screen[None]):
    """Questions and answers.

    Attributes:
        asked: the questions.
        waiting: names of the parts to be computed, the one under way first.
        done: the fraction done of the one under way.
        failed: names of the parts whose last computation failed, with the sentence.
    """

    CSS_PATH = Path(__file__).with_name("screen.tcss")
    AUTO_FOCUS = "PartList"
    HORIZONTAL_BREAKPOINTS = [  # noqa: RUF012 - the base class declares it
        (0, "-narrow"),
        (100, "-wide"),
    ]
    ACTIONS: ClassVar[tuple[Action, ...]] = ACTIONS
    BINDINGS: ClassVar[list[BindingType]] = [
        *(action.binding() for action in ACTIONS),
        *SEARCH_BINDINGS,
    ]

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self.asked = parts_of_one()
        self.waiting: list[str] = []
        self.done = 0.0
        self.failed: dict[str, str] = {}
        self._cancel = threading.Event()
        self._shown: tuple[object, ...] | None = None
        self._plot: PlotextPlot | None = None

    def compose(self) -> ComposeResult:
        yield Static(id="assessed-title")
        with Container(id="assessed-body"):
            yield PartList()
            with TextPane(id="answer"):
                yield Static(id="question")
                yield Static(id="found")
                yield Static(id="more")
                yield Static(id="definition")
        yield KeyBar(BY_NAME["help"], id="keys")

    def on_mount(self) -> None:
        self._background = Worker(self, "assessment")
        self._reports = Worker(self, "reports")
        self.query_one(KeyBar).offer([BY_NAME[name] for name in FOOTER])
        self.set_interval(LOOK_AGAIN, self.redraw)

    def on_unmount(self) -> None:
        self._cancel.set()
        self._background.stop()
        self._reports.stop()

    def on_resize(self) -> None:
        self.call_after_refresh(self.redraw)

    def search_pane(self) -> VerticalScroll:
        return self.query_one("#answer", VerticalScroll)

    @property
    def parts(self) -> PartList:
        return self.query_one(PartList)

    @property
    def chosen(self) -> Part:
        row = self.parts.highlighted
        return self.asked[0] if row is None else row.part

    # Showing.

    def redraw(self) -> None:
        status = self.session.status()
        share = "undefined" if status.faithfulness is None else plain(status.faithfulness, 4)
        state = "closed" if status.closed else "open"
        self.query_one("#assessed-title", Static).update(
            Text(f"Assessment  {count(status.edges)} edges · faithfulness {share}, {state}")
        )
        self.parts.show([self._row(part) for part in self.asked])
        self._answer()

    def _row(self, part: Part) -> PartRow:
        held = self.session.assessor.held.get(part.name)
        under_way = bool(self.waiting) and self.waiting[0] == part.name
        return PartRow(
            part,
            "" if held is None else summary(part.name, held.result),
            held is not None and held.revision != self.session.status().revision,
            self.done if under_way else None,
            part.name in self.waiting,
            part.name in self.failed,
        )

    def _answer(self) -> None:
        """Show what was found for the chosen question, unless it stands there already."""
        part = self.chosen
        held = self.session.assessor.held.get(part.name)
        width = self.query_one("#answer").scrollable_content_region.width - 1
        stale = held is not None and held.revision != self.session.status().revision
        under_way = part.name in self.waiting
        wanted = (part.name, held, stale, self.failed.get(part.name), under_way, width)
        if width < 1 or wanted == self._shown:
            return
        moved = self._shown is None or self._shown[0] != part.name
        self._shown = wanted
        put_text(self.query_one("#question", Static), self._question(part, held, stale, width))
        above, below = (Text(), Text()) if held is None else describe(part.name, held.result, width)
        put_text(self.query_one("#found", Static), above)
        put_text(self.query_one("#more", Static), below)
        self.query_one("#more").display = bool(below)
        definition = prose(part.definition, width, "dim")
        put_text(self.query_one("#definition", Static), Text("\n").join(definition))
        self._draw(part, held)
        if moved:
            self.query_one("#answer").scroll_home(animate=False)

    def _question(self, part: Part, held: PartAnswer | None, stale: bool, width: int) -> Text:
        lines = prose(part.question, width, "bold")
        if part.name in self.failed:
            lines += [Text(), *prose(self.failed[part.name], width, "bold")]
        if held is None:
            if part.name not in self.failed and part.name not in self.waiting:
                lines += [Text("Not asked yet: enter asks it.")]
        elif stale:
            lines += prose("The circuit was edited since: enter asks it anew.", width)
        return Text("\n").join(lines)

    def _draw(self, part: Part, held: PartAnswer | None) -> None:
        if held is None:
            if self._plot is not None:
                self._plot.display = False
            return
        if self._plot is None:
            # Plotext is slow to import: not before there is something to draw.
            from textual_plotext import PlotextPlot

            self._plot = PlotextPlot()
            self.query_one("#answer").mount(self._plot, before="#more")
        self._plot.display = plot(self._plot.plt, part.name, held.result)
        self._plot.refresh()

    def copies(self) -> Copies:
        """What was found for the chosen question: its values and pictures; then all answers."""
        of_list, part = self.parts.copies(), self.chosen
        held = self.session.assessor.held.get(part.name)
        if held is None:
            return of_list
        tables = tables_of(part.title, held.result)
        plots = part_plots(part.name, held.result)
        return replace(of_list, tables=(*tables, *of_list.tables), row=None, plots=plots)

    def on_line_list_highlighted(self, event: LineList.Highlighted) -> None:
        self._answer()

    def on_line_list_chosen(self, event: LineList.Chosen) -> None:
        self.action_run()

    # Asking.

    def action_run(self) -> None:
        self._ask(self.chosen.name)

    def _unanswered(self) -> list[str]:
        revision = self.session.status().revision
        held = self.session.assessor.held
        fresh = {name for name, found in held.items() if found.revision == revision}
        return [part.name for part in self.asked if part.name not in fresh]

    def action_detach(self) -> None:
        from workbench.jobs.detach import detach_assessment

        names = list(self.waiting) or self._unanswered()
        if not names:
            self.notify("All are answered for this circuit.", timeout=4)
            return
        cancel, session = self._cancel, self.session
        detach(self, self._reports, lambda: detach_assessment(session, names), cancel.set)

    def action_run_all(self) -> None:
        todo = self._unanswered()
        if not todo:
            self.notify("All are answered for this circuit.", timeout=4)
        for name in todo:
            self._ask(name)

    def _ask(self, name: str) -> None:
        if name in self.waiting:
            return
        self.failed.pop(name, None)
        if not self.waiting:
            self._cancel = threading.Event()
            self.done = 0.0
        self.waiting.append(name)
        cancel, assessor = self._cancel, self.session.assessor

        def work() -> PartAnswer:
            if cancel.is_set():
                raise Cancelled
            return assessor.run(name, cancel=cancel, on_piece=self._moved)

        def ended(_: PartAnswer) -> None:
            self._ended(name)

        def failed(error: BaseException) -> None:
            if not isinstance(error, Cancelled):
                self.failed[name] = one_line(error_sentence(error))
            self._ended(name)

        self._background.put(work, ended, failed)
        self.redraw()

    def _moved(self, fraction: float) -> None:
        self.done = fraction

    def _ended(self, name: str) -> None:
        if name in self.waiting:
            self.waiting.remove(name)
        self.done = 0.0
        self.redraw()

    def action_cancel(self) -> None:
        if self.waiting:
            self._cancel.set()
            self.notify("Stopping after the piece under way.", timeout=3)

    def action_report(self) -> None:
        from screens.widgets.ask_path import AskPath
        from workbench.assessment.report.page import check_report

        def check(text: str) -> None:
            check_report(meant_path(text))

        def write(text: str | None) -> None:
            if text is not None:
                path = meant_path(text)
                self._reports.put(
                    lambda: self.session.assessor.write_report(path), written, refused
                )

        def written(paths: tuple[Path, ...]) -> None:
            more = "" if len(paths) == 1 else f" and {len(paths) - 1} pictures"
            self.notify(f"Wrote {one_line(str(paths[0]))}{more}.", markup=False, timeout=6)

        def refused(error: BaseException) -> None:
            self.notify(error_sentence(error), severity="error", markup=False, timeout=10)

        hint = "An .html file has the pictures in it; an .md file has them in a folder beside it."
        dialog = AskPath("Write the report to", "assessment.html", hint=hint, check=check)
        self.app.push_screen(dialog, write)

    # Leaving.

    def action_other_side(self) -> None:
        answer = self.query_one("#answer")
        (self.parts if self.focused is answer else answer).focus()

    def action_leave(self) -> None:
        if self.waiting:
            self._cancel.set()
        self.dismiss(None)

    def action_help(self) -> None:
        from screens.help.screen import HelpScreen

        self.app.push_screen(HelpScreen())
