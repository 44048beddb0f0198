"""Action: one thing to do on a screen, with its keys, its footer word, its sentence.

An action's id is what the user's keymap calls it. Which keys an action has then is asked here
(`use_keys` says), so that footers, help and palette all show them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from textual.binding import Binding

from screens.base.key_names import written

_USER: dict[str, tuple[str, ...]] = {}
_KNOWN: dict[str, Action] = {}  # by id, as tables of keys are imported
_KEY = re.compile(r"\{key:([a-z_]+\.[a-z_]+)\}")


def use_keys(keys: Mapping[str, tuple[str, ...]]) -> None:
    """Let these actions, by ids, have these keys, by Textual's names; others their own.

    What binds keys has to be told as well: `App.set_keymap`.
    """
    _USER.clear()
    _USER.update(keys)


@dataclass(frozen=True)
class Action:
    """One thing the user can do.

    Attributes:
        name: the method `action_<name>` of the screen, with an argument where it takes one.
        own_keys: Textual's names of its keys, comma separated, where the user chose none.
        own_shown: how these are written for people.
        label: one or two words, for the footer.
        help: one sentence, for the help screen and the command palette.
        group: heading in the help screen.
        title: its name in the command palette, if the label says too little there.
        id: what a keymap calls it, `screen.name`; see `scoped`. Empty: its keys stay.
    """

    name: str
    own_keys: str
    own_shown: str
    label: str
    help: str
    group: str
    title: str = ""
    id: str = ""

    @property
    def keys(self) -> str:
        """Its keys as they are now."""
        return ",".join(_USER[self.id]) if self.id in _USER else self.own_keys

    @property
    def shown(self) -> str:
        """How its keys are written for people; of the user's own the first."""
        return written(_USER[self.id][0]) if self.id in _USER else self.own_shown

    @property
    def in_palette(self) -> str:
        """Its name in the command palette, with its first key."""
        key = written(self.keys.split(",")[0])
        return f"{self.title or self.label[:1].upper() + self.label[1:]} ({key})"

    @property
    def call(self) -> str:
        """The action as Textual calls it."""
        return self.name if self.name.endswith(")") else self.name + "()"

    def binding(self, *, of_screen: bool = False) -> Binding:
        """Its keys, bound, with the sentence for the help screen.

        Args:
            of_screen: a widget binds what its screen does.
        """
        return Binding(
            self.own_keys,
            f"screen.{self.name}" if of_screen else self.name,
            self.label,
            show=False,
            key_display=self.own_shown,
            tooltip=self.help,
            id=self.id or None,
        )


def scoped(scope: str, actions: Iterable[Action]) -> tuple[Action, ...]:
    """The actions of a screen or widget with their ids: `scope.id`, else `scope.name`."""
    found = tuple(
        replace(action, id=f"{scope}.{action.id or _plain(action.name, scope)}")
        for action in actions
    )
    _KNOWN.update({action.id: action for action in found})
    return found


def key_of(action: str) -> str:
    """The first key of an action as people write it: the user's own if there is one.

    Raises:
        KeyError: no table that was imported has such an action.
    """
    return written(_KNOWN[action].keys.split(",")[0])


def keyed(text: str) -> str:
    """A text for the screen, the keys in it named by actions: `{key:bench.expand}`.

    What is no action's id stays as it is.
    """
    return _KEY.sub(lambda found: key_of(found[1]) if found[1] in _KNOWN else found[0], text)


def _plain(name: str, scope: str) -> str:
    """A name as a keymap has it: "panel('circuit')" is panel_circuit."""
    return re.sub(r"\W+", "_", name).strip("_").removeprefix("app_").removeprefix(f"{scope}_")
