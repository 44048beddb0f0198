"""Action: one thing to do on a screen, with its keys, its footer word, its sentence."""

from __future__ import annotations

from dataclasses import dataclass

from textual.binding import Binding


@dataclass(frozen=True)
class Action:
    """One thing the user can do.

    Attributes:
        name: the method `action_<name>` of the screen, with an argument where it takes one.
        keys: Textual's names of its keys, comma separated.
        shown: how the keys are written for people.
        label: one or two words, for the footer.
        help: one sentence, for the help screen and the command palette.
        group: heading in the help screen.
        title: its name in the command palette, if the label says too little there.
    """

    name: str
    keys: str
    shown: str
    label: str
    help: str
    group: str
    title: str = ""

    @property
    def in_palette(self) -> str:
        """Its name in the command palette, with its key."""
        return f"{self.title or self.label.capitalize()} ({self.shown})"

    @property
    def call(self) -> str:
        """The action as Textual calls it."""
        return self.name if self.name.endswith(")") else self.name + "()"

    def binding(self) -> Binding:
        return Binding(self.keys, self.name, self.label, show=False, key_display=self.shown)
