"""Asking for the lists of a template's slots, and how many pairs to make."""

from __future__ import annotations

from collections.abc import Sequence

from screens.widgets.dialogs import Ask

N_PAIRS = "pairs"
"""In lower case, as no slot is: how many pairs to make."""


def lists_of(typed: str) -> tuple[dict[str, list[str]], int | None]:
    """The lists, and how many pairs; None for all.

    Raises:
        ValueError: what is wrong with it, as a sentence.
    """
    lists: dict[str, list[str]] = {}
    number: int | None = None
    for part in filter(str.strip, typed.split(";")):
        name, colon, values = part.partition(":")
        name = name.strip()
        if not colon:
            raise ValueError(f"Write a colon between a name and its values, not {part.strip()!r}.")
        if name == N_PAIRS:
            if not values.strip().isdecimal():
                raise ValueError(f"{values.strip()!r} is no number of pairs.")
            number = int(values)
        else:
            lists[name] = [value.strip() for value in values.split(",") if value.strip()]
    return lists, number


class AskLists(Ask):
    """Answers what was typed: lists as `lists_of` reads them."""

    def __init__(self, slots: Sequence[str], known: Sequence[str]) -> None:
        """`known`: single tokens that the task's answers come from, offered for the first list."""
        bases = list(dict.fromkeys(slot.rstrip("0123456789") for slot in slots))
        first = ", ".join(word.strip() for word in known)
        value = "; ".join(f"{base}: {first if i == 0 else ''}" for i, base in enumerate(bases))
        super().__init__(
            f"Lists for {' '.join(f'[{slot}]' for slot in slots)}",
            f"{value}; {N_PAIRS}: 32",
            hint="NAME: Mary, John, Paul; PLACE: store, garden; pairs: 32. Slots that share a list "
            "never take the same value in a pair.",
            check=_complaint,
        )


def _complaint(typed: str) -> str | None:
    try:
        lists_of(typed)
    except ValueError as error:
        return str(error)
    return None
