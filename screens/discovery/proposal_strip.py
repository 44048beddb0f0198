"""The strip that steps through a proposal: which edge, what its scores are, what accepting does.

It has the focus while one steps, so that its keys are its own; the panels above follow the edge.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from rich.style import Style
from rich.text import Text
from textual.binding import Binding, BindingType
from textual.strip import Strip
from textual.widget import Widget

from screens.base.numbers import PENDING, count, digits_for, plain, signed
from screens.discovery.keys import PROPOSAL_ACTIONS
from workbench.session.proposal import Proposed

LONGEST = len("accepting: faithfulness 1.0000 → 1.0000 (+0.0000)")


@dataclass(frozen=True)
class Step:
    """What the strip shows.

    Attributes:
        name: of the result.
        at, n: the place of the edge among those that are left to decide, from 0, and how many.
        found, eap, exact: scores of the edge; None where there is none or it is not known.
        now, then: the circuit's faithfulness as it is and if the edge were accepted.
        known: `then` was computed for the circuit as it stands.
    """

    name: str
    proposed: Proposed
    at: int
    n: int
    found: float | None = None
    eap: float | None = None
    exact: float | None = None
    now: float | None = None
    then: float | None = None
    known: bool = False

    def told(self, then: float | None) -> Step:
        return replace(self, then=then, known=True)


class ProposalStrip(Widget, can_focus=True):
    """Two lines above the status bar; its keys stand in the footer while it has the focus."""

    ALLOW_SELECT = False
    HELP = """\
A **proposal** is the circuit of the shown result, beside yours: its edges that you do not keep, and
edges of yours that it lacks, from the logits backward. Accept one and it is kept, or dropped, as
proposed; an open input that it enters is closed on it alone, and further edges into it add to that.
Refuse one and it is not proposed again. **accepting** gives the faithfulness that the circuit would
then have, exact.
"""
    COMPONENT_CLASSES: ClassVar[set[str]] = {"proposal-strip--quiet"}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            action.keys,
            f"screen.{action.name}",
            action.label,
            show=False,
            key_display=action.shown,
            tooltip=action.help,
        )
        for action in PROPOSAL_ACTIONS
    ]
    DEFAULT_CSS = """
    ProposalStrip {
        display: none;
        height: 2;
        background: $boost;
        border-left: outer $primary;
        &.-stepping { display: block; }
        &:focus { background: $primary 20%; border-left: outer $accent; }
        & > .proposal-strip--quiet { color: $text-muted; }
    }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.step: Step | None = None

    def show(self, step: Step | None) -> None:
        """Show this step; None: not stepping."""
        self.step = step
        self.set_class(step is not None, "-stepping")
        self.refresh()

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        text = Text() if self.step is None else self._lines(self.step, width)[y]
        strip = Strip(text.render(self.app.console, end="")).adjust_cell_length(width)
        return strip.apply_style(self.rich_style)

    def _lines(self, step: Step, width: int) -> list[Text]:
        quiet = self.get_component_rich_style("proposal-strip--quiet")
        edge = step.proposed
        head = Text(" ")
        if not self.has_focus:
            click = Style(meta={"@click": "screen.step_proposal()"}, underline=True)
            head.append("P goes on", click).append(":  ")
        head.append(f"{step.name} proposes ", quiet)
        verb = "to keep " if edge.keep else "to drop "
        head.append(verb).append(edge.edge, "bold")
        if edge.closes:
            head.append(", which closes this input", quiet)
        head.append(f"   {count(step.at + 1)} of {count(step.n)}")
        return [head, self._numbers(step, width)]

    def _numbers(self, step: Step, width: int) -> Text:
        """Scores and what accepting does; of the scores as many as there is room for."""
        quiet = self.get_component_rich_style("proposal-strip--quiet")
        accepting = Text.assemble(("accepting: faithfulness ", quiet), plain(step.now, 4), " → ")
        if not step.known:
            accepting.append(PENDING, "dim")
        elif step.then is None or step.now is None:
            accepting.append("undefined", "bold")
        else:
            accepting.append(plain(step.then, 4), "bold")
            accepting.append(f" ({signed(step.then - step.now, 4)})")
        text = Text(" ")
        for label, value in self._scores(step):
            score = Text.assemble((label + " ", quiet), signed(value, _digits(value)), "  ")
            if text.cell_len + score.cell_len + LONGEST < width:
                text.append_text(score)
        return text.append_text(accepting)

    @staticmethod
    def _scores(step: Step) -> list[tuple[str, float]]:
        named = [("exact", step.exact), (step.name, step.found), ("EAP", step.eap)]
        return [(label, value) for label, value in named if value is not None]


def _digits(value: float) -> int:
    return digits_for(abs(value))
