"""An attention pattern as text: shades, and one row in numbers.

Shades can be told apart without colour. Rows are queries, columns keys, both in the prompt's order.
A cell's shade says in which range its weight lies; the legend says which. The chosen query's row is
spelled out below (or, with room, beside) the map.
"""

from __future__ import annotations

from textual.content import Content

from screens.base.numbers import plain
from screens.base.tokens import fit, show_token
from screens.readouts.text import HEADING, POINTER, QUIET, index, lines, link, quiet, ray, where
from workbench.readouts.results import AttentionPattern

SHADES = ((0.75, "█"), (0.5, "▓"), (0.25, "▒"), (0.1, "░"), (0.02, "·"))
"""Least weight, shade; a smaller weight is left blank."""
MOST_BAR = 24
BESIDE = 34
"""Cells that the list of one row needs to stand beside the map."""


def shade(weight: float) -> str:
    """The sign for a weight: that of the range in which it lies."""
    return next((sign for least, sign in SHADES if weight >= least), " ")


def _cell(weight: float, cell: int) -> str:
    """A weight's shade in so many cells; a minus stands before what is below 0."""
    sign = shade(abs(weight))
    return f"-{sign}" if weight < 0 and sign != " " else sign * cell


def legend() -> str:
    """What the shades mean."""
    return "shade: " + " ".join(f"{sign}≥{100 * least:.0f}%" for least, sign in reversed(SHADES))


def draw_attention(attention: AttentionPattern, position: int, width: int) -> Content:
    """The map, the query at `position` (from the end if negative) marked and spelled out."""
    n, rows = len(attention.tokens), attention.row_at
    query = rows[position] if -len(rows) <= position < len(rows) else rows[-1]
    label = min(12, max(len(show_token(token, 12)) for token in attention.tokens))
    label = max(6, min(label, width - 8 - n))
    # Shades two cells wide are square and easier to read; long prompts get narrow ones.
    map_width = label + 6 + 2 * n
    signed = any(weight < 0 for weight in attention.weights.flat)
    cell = 2 if map_width <= width or signed else 1
    map_width = label + 6 + cell * n
    words = legend() + (", - less" if signed else "")
    heat = [*_map(attention, query, label, cell), *quiet(words, min(width, max(map_width, 36)))]
    heading = Content.styled(f"{attention.place.node}, {where(attention.place, False)}", HEADING)
    if map_width + 2 + BESIDE <= width:
        row = _row(attention, query, width - map_width - 2)
        body = [
            (left.extend_right(max(0, map_width + 2 - left.cell_length)) + right)
            for left, right in zip(
                [*heat, *[Content()] * (len(row) - len(heat))],
                [*row, *[Content()] * (len(heat) - len(row))],
                strict=True,
            )
        ]
    else:
        body = [*heat, Content(), *_row(attention, query, width)]
    return lines([heading, *body, Content(), *quiet(attention.definition, width)])


def _map(attention: AttentionPattern, query: int, label: int, cell: int) -> list[Content]:
    n, rows = len(attention.tokens), attention.row_at
    margin = " " * (label + 5)
    parts = []
    if n > 10:
        tens = "".join(
            str(key // 10 if key % 10 == 0 and key else " ").ljust(cell) for key in range(n)
        )
        parts.append(Content.styled(margin + tens, QUIET))
    units = "".join(str(key % 10).ljust(cell) for key in range(n))
    parts.append(Content.styled(f"{'query':<{label + 1}}key " + units, QUIET))
    for q, token in enumerate(attention.tokens):
        here = q == query
        name = f"{q:>3}{POINTER if here else ' '}{fit(show_token(token, label), label)} "
        weights = attention.weights[q, : _keys(attention, q)]
        shades = "".join(_cell(float(weight), cell) for weight in weights)
        bold = "bold" if here else ""
        # To the last position of it; a role need not stand in the first pair.
        style = link("query", -1 - rows[::-1].index(q), bold) if q in rows else bold
        parts.append(Content.assemble((name, style), (shades.ljust(n * cell), "$text-primary")))
    return parts


def _keys(attention: AttentionPattern, query: int) -> int:
    """How many keys a query can see; a role may stand before another or after it."""
    return len(attention.tokens) if attention.by_role else query + 1


def _row(attention: AttentionPattern, query: int, width: int) -> list[Content]:
    """One query's keys by falling weight, in numbers."""
    n = len(attention.tokens)
    token = show_token(attention.tokens[query], 12)
    weights = [float(weight) for weight in attention.weights[query, : _keys(attention, query)]]
    order = sorted(range(len(weights)), key=lambda key: -abs(weights[key]))
    which = f"role {query}" if attention.by_role else f"query {query}, position {index(query - n)}"
    parts = [Content.assemble((f"{token} ({which})", "bold"))]
    parts.append(Content.styled("attends to key        share", QUIET))
    for key in order:
        name = fit(show_token(attention.tokens[key], 13), 13)
        tint = "$text-warning" if weights[key] < 0 else "$text-primary"
        room = min(MOST_BAR, width - 27)
        parts.append(
            Content.assemble(
                f"{key:>6}  {name} ",
                f"{plain(weights[key], 3)} ",
                (ray(weights[key], 1.0, room) if abs(weights[key]) >= 0.005 else "", tint),
            )
        )
    return parts
