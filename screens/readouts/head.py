"""The head of the readouts: their views as tabs, and the selectors of position and prompt.

Each key stands beside what it moves, so that nothing has to be looked up; each can be clicked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from textual.content import Content

from screens.base.tokens import fit, short_role, show_token
from screens.readouts.text import QUIET, lines, link
from workbench.readouts.catalogue import Readout
from workbench.readouts.runs import RUN_WORDS

if TYPE_CHECKING:
    from screens.readouts.requests import Prompts
    from workbench.session.session import Session

MORE_BEFORE, MORE_AFTER = "‹", "›"
"""There are more views to the left, to the right."""
TOKEN, ROLE = 11, 7
"""Cells of the longest token, and of the longest role."""
PLACE = 40
"""Cells of the position where both selectors stand on one line: for the longest role and token."""


@dataclass(frozen=True)
class Reading:
    """What the selectors stand at.

    Attributes:
        place: the position in words; None where the view has but one.
        pair: index of the chosen prompt; None for the mean over `n_pairs`.
        run: one of `RUNS`; None where the view reads the clean one only.
        asked: what is asked about; None where the view is of no tokens.
        way: which of the view's ways, in words; None where it has but one.
        carried: it is read through a Jacobian lens, and need not be.
        by: what colours are of; None where there is no choice.
    """

    place: str | None
    pair: int | None
    n_pairs: int
    run: str | None
    asked: str | None
    way: str | None = None
    carried: bool = False
    by: str | None = None


def draw_head(
    views: Sequence[Readout], view: int, reading: Reading, pending: bool, width: int
) -> Content:
    """Three or four lines of `width` cells.

    Args:
        views: that there are.
        view: index of the chosen one.
        pending: newer values are being computed.
    """
    return lines([_tabs(views, view, width), *_selectors(reading, pending, width)])


def _tabs(views: Sequence[Readout], view: int, width: int) -> Content:
    """The views' names, as long as there is room for; brackets mark the chosen one."""
    for names in zip(*(one.names for one in views), strict=True):
        if sum(map(len, names)) + len(names) + 1 <= width:
            break
    first, last = shown_tabs([len(name) for name in names], view, width)
    tabs = Content.styled(MORE_BEFORE, QUIET) if first else Content()
    for i, name in enumerate(names[first : last + 1], first):
        before = "[" if i == view else "]" if i == view + 1 else " "
        style = link("view", i, "bold reverse" if i == view else "")
        tabs += Content.assemble((before, "bold"), (name, style))
    tabs += Content.styled("]" if view == last else " ", "bold")
    return tabs + Content.styled(MORE_AFTER, QUIET) if last < len(views) - 1 else tabs


def shown_tabs(sizes: Sequence[int], view: int, width: int) -> tuple[int, int]:
    """First and last of the tabs shown: all, or as many around the chosen one as fit."""
    first = last = view
    if sum(sizes) + len(sizes) + 1 <= width:
        return 0, len(sizes) - 1
    room = width - len(MORE_BEFORE) - len(MORE_AFTER) - 1 - (sizes[view] + 1)
    while True:
        after = last + 1 < len(sizes) and sizes[last + 1] + 1 <= room
        before = first > 0 and sizes[first - 1] + 1 <= room
        if not after and not before:
            return first, last
        # Evenly to both sides, so that the neighbours can be clicked.
        if after and (not before or last - view <= view - first):
            last += 1
            room -= sizes[last] + 1
        else:
            first -= 1
            room -= sizes[first] + 1


def _selectors(reading: Reading, pending: bool, width: int) -> list[Content]:
    place, pair, n_pairs = reading.place, reading.pair, reading.n_pairs
    # The keys stand before what they move, so that they stay under the mouse when it changes.
    back, on = link("position", -1, "bold"), link("position", 1, "bold")
    position = Content.assemble(("position ", QUIET), ("[,]", back), ("[.]", on))
    position += Content(fit(f" {place}", min(PLACE, width) - position.cell_length).rstrip())
    if place is None:
        position = Content.assemble(("position ", QUIET), "the last (fixed)")
    before, after = link("pair", -1, "bold"), link("pair", 1, "bold")
    prompt = Content.assemble(("prompt   ", QUIET), ("[<]", before), ("[>]", after))
    if pair is None:
        prompt += Content(f" mean of {n_pairs}")
    else:
        prompt += Content.assemble(
            f" {pair + 1} of {n_pairs}   ", ("[0] mean", link("mean", None, "bold"))
        )
    one_line = width >= PLACE + 38
    last = (
        position.extend_right(max(0, PLACE - position.cell_length)) + prompt if one_line else prompt
    )
    rows = [last] if one_line else [position, last]
    of = Content.assemble(("reading  ", QUIET), ("[=]", link("run", None, "bold")))
    of += Content(f" {RUN_WORDS[reading.run or 'clean']}{'' if reading.run else ' (fixed)'}")
    if reading.way is not None:
        of = Content.assemble(("given    ", QUIET), ("[;]", link("way", None, "bold")))
        of += Content(f" {reading.way}")
    if reading.asked is not None:
        of = of.extend_right(max(2, (PLACE if one_line else 25) - of.cell_length))
        of += Content.assemble(("[Q]", link("ask", None, "bold")), " ")
        of += Content(fit(reading.asked, max(4, width - of.cell_length)).rstrip())
    rows.insert(0, of)
    if reading.carried or reading.by is not None:
        rows.insert(1, _lens(reading))
    if pending:
        room = width - last.cell_length - 1
        word = "computing …"
        # Where there is no room for the word, an ellipsis stands for it.
        waiting = Content.styled(word if len(word) <= room else "…", "bold")
        rows[-1] = last.extend_right(max(1, room + 1 - waiting.cell_length)) + waiting
    return rows


def _lens(reading: Reading) -> Content:
    """What is read through, where it is not the logit lens, and what colours are of."""
    row = Content.styled("lens     ", QUIET)
    if reading.carried:
        row += Content.assemble(("[~]", link("through", None, "bold")), " Jacobian  ")
    if reading.by is not None:
        row += Content.assemble(("[;]", link("way", None, "bold")), f" by {reading.by}")
    return row


class Reader(Protocol):
    """What reads: of which session, which prompt, which position."""

    session: Session | None
    pair: int | None
    position: int
    prompts: Prompts | None


def place_at(reader: Reader) -> str:
    """Role and token at the position: the prompt's, or those that all prompts share."""
    role = token = None
    if reader.session is not None and reader.pair is not None:
        prompt = reader.session.prompts(reader.pair)
        if len(prompt.clean) >= -reader.position:
            role, token = prompt.roles[reader.position], prompt.clean[reader.position]
    elif reader.prompts is not None:
        role = reader.prompts.roles.get(reader.position)
        token = reader.prompts.shared.get(reader.position)
    shown = "" if token is None else f" {show_token(token, TOKEN)}"
    return shown if role is None else f" {short_role(role, ROLE)}{shown}"
