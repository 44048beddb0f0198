"""One key has one meaning: whatever it does on several screens is of one kind."""

from __future__ import annotations

import importlib
import pkgutil
from collections import defaultdict
from collections.abc import Iterator

from textual.binding import Binding
from textual.dom import DOMNode

import screens
from screens.help.meanings import MEANINGS, MOVES


def bound() -> Iterator[tuple[str, str]]:
    """Each key that a widget or screen of ours binds, and the action."""
    modules = [m.name for m in pkgutil.walk_packages(screens.__path__, "screens.")]
    for module in map(importlib.import_module, modules):
        for value in vars(module).values():
            if not (isinstance(value, type) and issubclass(value, DOMNode)):
                continue
            if value.__module__ != module.__name__:
                continue
            for binding in value.__dict__.get("BINDINGS", ()):
                assert isinstance(binding, Binding)
                for key in binding.key.split(","):
                    yield key, binding.action.removeprefix("app.").removeprefix("screen.")


def test_a_key_with_several_actions_has_one_meaning_for_all_of_them() -> None:
    actions = defaultdict(set)
    for key, action in bound():
        if key not in MOVES:
            actions[key].add(action)
    of_several = {key: sorted(found) for key, found in actions.items() if len(found) > 1}
    told = {key: sorted(MEANINGS[key].actions) for key in of_several if key in MEANINGS}
    assert told == of_several


def test_no_meaning_is_of_a_key_that_has_one_action_only() -> None:
    actions = defaultdict(set)
    for key, action in bound():
        actions[key].add(action)
    assert [key for key in MEANINGS if len(actions[key]) < 2] == []
