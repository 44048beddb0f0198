"""The keys that act now, read from the bindings themselves, so that no list can go wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from textual.app import App
from textual.binding import ActiveBinding
from textual.screen import Screen
from textual.widget import Widget

from screens.base.key_names import written

HERE = "This panel"
SCREEN = "This screen"
EVERYWHERE = "Everywhere"
SIDEWAYS = ("scroll_left", "scroll_right", "page_left", "page_right")
"""What Textual binds for all that scrolls."""


@dataclass(frozen=True)
class KeyRow:
    """One thing that keys do now.

    Attributes:
        section: under which heading it stands.
        keys: as people write them, those that really reach it.
        does: a sentence, or a few words.
    """

    section: str
    keys: tuple[str, ...]
    does: str


def key_table(bindings: Mapping[str, ActiveBinding]) -> list[KeyRow]:
    """Rows in the order of the sections: the panel's own, the screen's by subject, the app's.

    Args:
        bindings: `Screen.active_bindings`: what each key does, nearest to the focus first.
    """
    grouped: dict[tuple[str, str], list[str]] = {}
    for key, active in bindings.items():
        # The key of one make of terminals only would puzzle all others.
        if (
            active.binding.description
            and active.enabled
            and "super+" not in key
            and not _moves_nothing(active)
        ):
            grouped.setdefault(_meaning(active), []).append(written(key))
    rows = [KeyRow(section, tuple(its), does) for (section, does), its in grouped.items()]
    order = [HERE, *dict.fromkeys(row.section for row in rows), SCREEN, EVERYWHERE]
    last = {section: i for i, section in enumerate(order)}
    last[HERE] = -1
    return sorted(rows, key=lambda row: last[row.section])


def _moves_nothing(active: ActiveBinding) -> bool:
    """Whether it scrolls sideways what has nothing beside what is seen, or cannot be moved."""
    if active.binding.action not in SIDEWAYS or not isinstance(active.node, Widget):
        return False
    return active.node.max_scroll_x == 0 or active.node.styles.overflow_x == "hidden"


def _meaning(active: ActiveBinding) -> tuple[str, str]:
    """Under which heading a key stands, and what it does."""
    action, description = active.binding.action, active.binding.description
    if isinstance(active.node, Screen):
        # A screen may say of its actions more than a binding can: what subject they belong to.
        for known in getattr(active.node, "ACTIONS", ()):
            if (known.name, known.label) == (action, description):
                return known.group, known.help
        # Moving between widgets and copying: Textual gives these to every screen.
        its_own = not action.startswith(("app.", "screen.copy"))
        return SCREEN if its_own else EVERYWHERE, _sentence(active.tooltip or description)
    section = EVERYWHERE if isinstance(active.node, App) else HERE
    return section, _sentence(active.tooltip or description)


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:] + ("" if words.endswith(".") else ".")
