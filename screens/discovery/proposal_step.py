"""One step through a proposal, and the two lines that tell of it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from rich.style import Style
from rich.text import Text

from screens.base.actions import keyed
from screens.base.numbers import PENDING, count, digits_for, plain, signed
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


def step_lines(step: Step, width: int, quiet: Style, *, focused: bool) -> list[Text]:
    """The edge that is proposed, and what accepting it does; `quiet` for words around numbers."""
    edge = step.proposed
    head = Text(" ")
    if not focused:
        click = Style(meta={"@click": "screen.step_proposal()"}, underline=True)
        head.append(keyed("{key:bench.step_proposal} goes on"), click).append(":  ")
    head.append(f"{step.name} proposes ", quiet)
    verb = "to keep " if edge.keep else "to drop "
    head.append(verb).append(edge.edge, "bold")
    if edge.closes:
        head.append(", which closes this input", quiet)
    head.append(f"   {count(step.at + 1)} of {count(step.n)}")
    return [head, _numbers(step, width, quiet)]


def _numbers(step: Step, width: int, quiet: Style) -> Text:
    """Scores and what accepting does; of the scores as many as there is room for."""
    accepting = Text.assemble(("accepting: faithfulness ", quiet), plain(step.now, 4), " → ")
    if not step.known:
        accepting.append(PENDING, "dim")
    elif step.then is None or step.now is None:
        accepting.append("undefined", "bold")
    else:
        accepting.append(plain(step.then, 4), "bold")
        accepting.append(f" ({signed(step.then - step.now, 4)})")
    text = Text(" ")
    for label, value in _scores(step):
        score = Text.assemble((label + " ", quiet), signed(value, digits_for(abs(value))), "  ")
        if text.cell_len + score.cell_len + LONGEST < width:
            text.append_text(score)
    return text.append_text(accepting)


def _scores(step: Step) -> list[tuple[str, float]]:
    named = [("exact", step.exact), (step.name, step.found), ("EAP", step.eap)]
    return [(label, value) for label, value in named if value is not None]
