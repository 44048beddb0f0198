"""The highlighted state: its numbers, and what going there would change."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap

from rich.text import Text

from screens.base.actions import keyed
from screens.base.numbers import PENDING, count, plain, seconds, signed
from screens.base.tokens import fit, one_line
from screens.history.state_list import local
from workbench.base.text import counted
from workbench.session.changed_parts import changed_parts
from workbench.session.state import Change
from workbench.session.state_rows import StateRow

GAP = "   "
"""Between two names."""


def preview(row: StateRow, change: Change | None, width: int, height: int) -> Text:
    """The preview at a size.

    Args:
        row: the state.
        change: what leads there from the present state; None while it is not known.
        width: cells.
        height: lines.
    """
    title = "The start" if row.n == 0 else f"State {row.n}"
    head = Text(title, "bold")
    if row.name:
        head.append(f" {one_line(row.name)!r}", "bold")
    head.append(f"  {_where(row)}", "dim")
    lines = [head, *_prose(one_line(row.did), width), *_prose(_numbers(row), width)]
    if change is None:
        lines.append(Text("" if row.is_current else PENDING, "dim"))
    else:
        lines += _prose(f"Going there: {_told(change)}.", width)
        kept, dropped = changed_parts(change)
        names = [*_listed("+", kept), *_listed("−", dropped)]
        names += [*_listed("open", change.opened), *_listed("closed", change.closed)]
        lines += _wrapped(names, width, max(1, height - len(lines)))
    return Text("\n").join(Text(fit(line.plain, width), spans=line.spans) for line in lines)


def _prose(words: str, width: int) -> list[Text]:
    return [Text(line) for line in wrap(words, max(8, width))]


def _where(row: StateRow) -> str:
    if row.is_current:
        return "you are here"
    if row.on_current_path:
        return keyed("on the way here: {key:history.undo} leads back to it")
    return (
        keyed("ahead: {key:history.redo} leads to it")
        if row.is_ahead
        else f"on branch {row.branch}"
    )


def _numbers(row: StateRow) -> str:
    words = [f"{count(row.edges)} edges", f"faithfulness {plain(row.faithfulness, 4)}"]
    if row.change is not None:
        words.append(f"change {signed(row.change, 4)}")
    if row.seconds is not None:
        words.append(f"took {seconds(row.seconds)}")
    if row.when:
        words.append(local(row.when))
    return " · ".join(words)


def _told(change: Change) -> str:
    """What the change does, counted."""
    words = []
    if change.added or change.removed:
        edges = counted(len(change.added), "edge")
        words.append(f"{edges} added, {count(len(change.removed))} removed")
    if staying := {e for e, *_ in change.at}.difference(change.added, change.removed):
        words.append(f"{counted(len(staying), 'edge')} at other roles")
    if change.opened:
        words.append(f"{counted(len(change.opened), 'input')} opened")
    if change.closed:
        words.append(f"{counted(len(change.closed), 'input')} closed")
    if change.neurons:
        words.append(f"other neurons of {', '.join(mlp for mlp, _, _ in change.neurons)}")
    if change.groups:
        words.append("other groups")
    if change.notes:
        words.append(f"{counted(len(change.notes), 'note')} changed")
    if change.threshold:
        words.append(f"threshold {change.threshold[1]:.3g}")
    if change.pairs:
        there = counted(len(change.pairs.after), "pair")
        words.append(f"other pairs: {there} in place of {count(len(change.pairs.before))}")
    return ", ".join(words) or "everything stays as it is"


def _listed(sign: str, names: Sequence[str]) -> list[str]:
    return [f"{sign} {name}" for name in names]


def _wrapped(names: Sequence[str], width: int, height: int) -> list[Text]:
    """As many of the names as there is room for, and how many more there are."""
    lines: list[list[str]] = []
    for name in names:
        if lines and len(GAP.join([*lines[-1], name])) <= width:
            lines[-1].append(name)
        else:
            lines.append([name])
    if len(lines) > height:
        shown = sum(len(line) for line in lines[:height])
        last = lines[height - 1]
        while last and len(GAP.join([*last, _more(len(names) - shown)])) > width:
            last.pop()
            shown -= 1
        last.append(_more(len(names) - shown))
    return [Text(GAP.join(line), "dim") for line in lines[:height]]


def _more(number: int) -> str:
    return f"… {count(number)} more"
