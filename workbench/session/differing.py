"""What differs between two mappings, as it stands in a change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

T = TypeVar("T")


def differences(
    before: Mapping[str, T], after: Mapping[str, T]
) -> tuple[tuple[str, T | None, T | None], ...]:
    """(name, before, after) of each entry that is not the same in both; None for none."""
    names = [*before, *(name for name in after if name not in before)]
    return tuple((n, before.get(n), after.get(n)) for n in names if before.get(n) != after.get(n))


def updated(
    before: Mapping[str, T], items: Iterable[tuple[str, T | None, T | None]]
) -> dict[str, T]:
    """A copy with what stands after in the place of what stood before."""
    after = dict(before)
    update(after, items)
    return after


def update(target: dict[str, T], items: Iterable[tuple[str, T | None, T | None]]) -> None:
    """The same in place."""
    for name, _, after in items:
        if after is None:
            target.pop(name, None)
        else:
            target[name] = after
