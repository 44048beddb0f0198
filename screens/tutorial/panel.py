"""The tutorial's panel: the step's number and title, its text, what to do, and the keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.style import Style
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static

from screens.base.actions import keyed
from screens.base.tokens import one_line
from screens.tutorial.keys import TUTORIAL_ACTIONS

if TYPE_CHECKING:
    from workbench.tutorial.tour import Tour

DONE, TO_DO = "✓", "▸"
WIDE = 120  # columns from which what to do stands beside the text
LEAST_ROWS = 20  # rows of the screen below which the panel is folded by itself


class TutorialPanel(Vertical):
    """Above the panels of a screen; its keys are the screen's and can be clicked."""

    ALLOW_SELECT = False
    DEFAULT_CSS = """
    TutorialPanel {
        height: auto;
        background: $boost;
        padding: 0 1;
        & > Static { width: 100%; height: auto; }
        & > #tutorial-head { height: 1; }
        & > #tutorial-ask { min-height: 2; color: $text-accent; text-style: bold; }
        &.-done > #tutorial-ask { color: $text-success; }
        &.-folded > #tutorial-text { display: none; }
        &.-folded > #tutorial-ask { display: none; }
    }
    TutorialPanel.-wide {
        layout: grid;
        grid-size: 2;
        grid-columns: 3fr 2fr;
        grid-rows: 1 auto;
        grid-gutter: 0 3;
        & > #tutorial-head { column-span: 2; }
        & > #tutorial-text { min-height: 3; }
    }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._tour: Tour | None = None
        self._folded: bool | None = None
        self._drawn: tuple[object, ...] = ()

    def compose(self) -> ComposeResult:
        yield Static(id="tutorial-head")
        yield Static(id="tutorial-text")
        yield Static(id="tutorial-ask")

    def show(self, tour: Tour, *, folded: bool | None) -> None:
        """Show the tutorial as it stands; `folded` None: if there is little room."""
        self._tour, self._folded = tour, folded
        if folded is None:
            folded = self.app.size.height < LEAST_ROWS
        drawn = (tour.at, tour.remark, tour.ask, folded, self.size.width)
        if drawn == self._drawn:
            return
        self._drawn = drawn
        self.set_class(folded, "-folded")
        self.set_class(tour.remark is not None, "-done")
        self.query_one("#tutorial-head", Static).update(self._head(tour, folded))
        self.query_one("#tutorial-text", Static).update(Text(keyed(tour.step.text)))
        self.query_one("#tutorial-ask", Static).update(self._ask(tour))

    def on_resize(self) -> None:
        self.set_class(self.size.width >= WIDE, "-wide")
        if self._tour is not None:
            self.show(self._tour, folded=self._folded)

    def _ask(self, tour: Tour) -> Text:
        """What is to be done, or what was said of it."""
        if tour.remark is None:
            return Text(f"{TO_DO} {one_line(keyed(tour.ask))}")
        return Text(f"{DONE} {one_line(keyed(tour.remark))}")

    def _head(self, tour: Tour, folded: bool) -> Text:
        """Number and title, or folded what to do, on the left; keys on the right."""
        keys = self._keys(tour, folded)
        mark = f" {DONE}" if tour.remark is not None else ""
        number = f"{tour.at + 1}/{len(tour.steps)}"
        if folded:
            left = Text(f"{number} ").append_text(self._ask(tour))
        else:
            left = Text.assemble(f"Tutorial {number}{mark} ", (tour.step.title, "bold"))
        room = max(1, self.size.width - keys.cell_len - 2)
        left.truncate(room, overflow="ellipsis")
        return Text.assemble(left, " " * (room + 2 - left.cell_len), keys)

    def _keys(self, tour: Tour, folded: bool) -> Text:
        """Keys with what they do now; each can be clicked."""
        done = tour.remark is not None
        words = {
            "tutorial_next": "end" if tour.last else "next" if done else "skip",
            "tutorial_fold": "unfold" if folded else "fold",
        }
        text = Text()
        for action in TUTORIAL_ACTIONS:
            if action.name == "tutorial_back" and (folded or not tour.at):
                continue
            if action.name == "tutorial_menu" and folded:
                continue
            click = Style(meta={"@click": f"screen.{action.call}"})
            wanted = action.name == "tutorial_next" and (done or tour.last)
            text.append("  " if text else "")
            text.append(f"{action.shown} ", click + Style(bold=True, reverse=wanted))
            text.append(words.get(action.name, action.label), click + Style(reverse=wanted))
        return text
