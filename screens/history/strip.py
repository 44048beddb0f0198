"""The faithfulness over the steps of the present line, as a strip of blocks."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from screens.base.numbers import plain
from workbench.session.state_rows import StateRow

BLOCKS = "▁▂▃▄▅▆▇█"
UNKNOWN = "·"
LEAST_SPAN = 0.02
"""Differences smaller than this are not blown up to the whole height."""
BELOW = "▲"
LEAST_CELLS = 16
"""Cells of the strip below which the words before it give way."""
MOST_CELLS = 3
"""Cells that a step has at most."""


def strip(rows: Sequence[StateRow], at: int | None, width: int) -> Text:
    """Two lines: the strip with its bounds, and where a state stands in it.

    Args:
        rows: the states from the start to the present one.
        at: the number of the state to point at.
        width: cells.
    """
    values = [row.faithfulness for row in rows]
    known = [value for value in values if value is not None]
    if not known:
        return Text("The faithfulness is undefined: the metric does not tell the prompts apart.\n")
    low, high = min(known), max(known)
    if high - low < LEAST_SPAN:
        low = high - LEAST_SPAN
    lead, last = _cells(values, width)
    text = Text(lead, "dim")
    for i in last:
        text.append(_block(values[i], low, high))
    text.append("\n")
    step = next((i for i, row in enumerate(rows) if row.n == at), None)
    if step is not None:
        cell = next(c for c, i in enumerate(last) if i >= step)
        pointed = f"{BELOW} step {step} of {len(rows) - 1}"
        if len(lead) + cell + len(pointed) > width:
            pointed = f"step {step} of {len(rows) - 1} {BELOW}"
            text.append(" " * (len(lead) + cell + 1 - len(pointed)) + pointed, "dim")
        else:
            text.append(" " * (len(lead) + cell) + pointed, "dim")
    return text


def state_at(rows: Sequence[StateRow], x: int, width: int) -> StateRow | None:
    """The state whose block stands in a cell of the strip; None where there is none."""
    lead, last = _cells([row.faithfulness for row in rows], width)
    place = x - len(lead)
    return rows[last[place]] if 0 <= place < len(last) else None


def _cells(values: Sequence[float | None], width: int) -> tuple[str, list[int]]:
    """The words before the strip, and which step each of its cells shows."""
    known = [value for value in values if value is not None]
    if not known:
        return "", []
    lead = f"faithfulness {plain(min(known), 3)} to {plain(max(known), 3)}  "
    if width - len(lead) < LEAST_CELLS:
        lead = ""
    room = max(1, width - len(lead))
    cells = min(room, MOST_CELLS * len(values))
    # With more steps than cells each cell has the last of its steps: the strip ends with the
    # present state.
    return lead, [-(-(i + 1) * len(values) // cells) - 1 for i in range(cells)]


def _block(value: float | None, low: float, high: float) -> str:
    if value is None:
        return UNKNOWN
    share = (value - low) / (high - low)
    return BLOCKS[max(0, min(len(BLOCKS) - 1, round(share * (len(BLOCKS) - 1))))]
