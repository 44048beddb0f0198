"""The circuit as groups with a role: a box for each, the edges between them counted.

From the logits down to the embeddings. What is in no group is one box, so that nothing is left out
of the counts.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from rich.cells import cell_len
from rich.text import Text

from screens.base.numbers import count
from screens.base.tokens import fit, one_line
from screens.graph.canvas import Spot
from screens.graph.layer_map import FED_BY, FEEDS, Ink, trunk
from screens.graph.picture import Bundle, Member, Picture, letter
from screens.widgets.line_list import POINTER

GUTTER = 8
LIGHT, HEAVY = tuple("─│┌┐└┘"), tuple("━┃┏┓┗┛")
"""A box's line, its side, its corners from the top left."""
MOST_WIDTH = 100
MOST_NODE_LINES = 3


def draw_groups(
    picture: Picture, *, cursor: str | None, width: int, ink: Ink
) -> tuple[list[Text], list[Spot]]:
    """Lines and spots of the group view; a spot's key is its member's."""
    members = picture.members()
    bundles = picture.bundles(members)
    titles = {member.key: title(member) for member in members}
    room = max(24, min(MOST_WIDTH, width - GUTTER))
    near: dict[int, str] = {}
    here: int | None = None
    boxes: list[tuple[Member, int, list[str]]] = []
    y = 0
    for member in members:
        body = _body(picture, member, bundles, titles, room - 4)
        boxes.append((member, y, body))
        if member.key == cursor:
            here = y
        out = sum(b.n_edges for b in bundles if (b.source, b.destination) == (cursor, member.key))
        into = sum(b.n_edges for b in bundles if (b.source, b.destination) == (member.key, cursor))
        if out or into:
            near[y] = _counts(out, into)
        y += len(body) + 2
    marks = trunk(near, here)
    lines: list[Text] = []
    spots: list[Spot] = []
    for member, top, body in boxes:
        under_cursor = member.key == cursor
        for i, row in enumerate(_box(titles[member.key], body, room, under_cursor, ink)):
            line = Text(no_wrap=True)
            line.append(fit(marks.get(top + i, ""), GUTTER), ink("near"))
            lines.append(line.append_text(row))
        spots.append(Spot(member.key, GUTTER, top, room, len(body) + 2))
    return lines, spots


def _box(title: str, body: Sequence[str], width: int, under_cursor: bool, ink: Ink) -> list[Text]:
    """Lines of a box; heavy where the cursor is."""
    line, side, *corners = HEAVY if under_cursor else LIGHT
    style, plain = ink("near" if under_cursor else "box"), ink("plain")
    name = f"{POINTER if under_cursor else ' '}{title} "
    name = fit(name, min(width - 3, cell_len(name)))
    head = Text(no_wrap=True).append(corners[0] + line, style).append(name, ink("title"))
    rows = [head.append(line * (width - 3 - cell_len(name)) + corners[1], style)]
    for words in body:
        row = Text(no_wrap=True).append(f"{side} ", style).append(fit(words, width - 4), plain)
        rows.append(row.append(f" {side}", style))
    return [*rows, Text(corners[2] + line * (width - 2) + corners[3], style)]


def _counts(out: int, into: int) -> str:
    """Edges from the cursor's member and into it; the marks alone where numbers have no room."""
    text = (f"{FEEDS}{count(out)}" if out else "") + (f"{FED_BY}{count(into)}" if into else "")
    return text if len(text) < GUTTER - 1 else text[0] + (FED_BY if out and into else "")


def title(member: Member) -> str:
    """A member's name on one line, with its letter if it is a group."""
    name = one_line(member.name)
    return f"{letter(int(member.key))} {name}" if member.key.isdecimal() else name


def _body(
    picture: Picture,
    member: Member,
    bundles: Sequence[Bundle],
    titles: dict[str, str],
    width: int,
) -> list[str]:
    rows = []
    if member.role:
        rows += textwrap.wrap(one_line(member.role), width)[:2]
    if member.key in ("rest",) or member.key.isdecimal():
        within = picture.within(member)
        words = f"{_nodes(len(member.nodes))}, {_edges(within)} among them"
        words = words if within else _nodes(len(member.nodes))
        rows += _wrapped(f"{words}: {' '.join(member.nodes)}" if member.nodes else words, width)
    out = [(b.destination, b.n_edges) for b in bundles if b.source == member.key]
    into = [(b.source, b.n_edges) for b in bundles if b.destination == member.key]
    for mark, words, ends in ((FEEDS, "edges to", out), (FED_BY, "edges from", into)):
        if ends:
            ends.sort(key=lambda end: -end[1])
            named = ", ".join(f"{titles[key]}: {count(n)}" for key, n in ends)
            rows += _wrapped(f"{mark} {words} {named}", width)
    return rows


def _wrapped(text: str, width: int) -> list[str]:
    rows = textwrap.wrap(text, width, subsequent_indent="  ", break_long_words=True)
    if len(rows) <= MOST_NODE_LINES:
        return rows
    kept = rows[:MOST_NODE_LINES]
    left_out = sum(len(row.split()) for row in rows[MOST_NODE_LINES:])
    while " " in kept[-1].strip() and len(kept[-1]) + len(f" … {left_out} more") > width:
        kept[-1] = kept[-1].rpartition(" ")[0]
        left_out += 1
    kept[-1] += f" … {left_out} more"
    return kept


def _nodes(n: int) -> str:
    return "1 node" if n == 1 else f"{count(n)} nodes"


def _edges(n: int) -> str:
    return "1 edge" if n == 1 else f"{count(n)} edges"
