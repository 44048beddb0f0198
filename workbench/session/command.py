"""Command: the base of all commands of a session, and how one is written down and read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields
from functools import cache
from typing import Any, ClassVar

from workbench.base.json_values import number, string, strings, whole
from workbench.base.text import counted, quoted
from workbench.circuits.names import kind_of
from workbench.errors import WorkbenchError
from workbench.session.state import Change
from workbench.session.steps import steps

NO_CHANGE = Change()

KINDS: dict[str, type[Command]] = {}
"""Every kind of command by its name in the journal; a class enters itself."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """Base of all commands.

    Attributes:
        kind: its name in the journal and in circuit files.
        change: what it did; empty for `Undo`, `Redo` and `GoTo`, whose change follows from what
            came before.

    Glossary: docs/glossary.md#command.
    """

    kind: ClassVar[str]
    change: Change = NO_CHANGE

    def __init_subclass__(cls) -> None:
        KINDS[cls.kind] = cls

    def describe(self) -> str:
        """One line for the status and the history."""
        raise NotImplementedError

    def to_json(self) -> dict[str, Any]:
        """Plain values: the kind, what was asked, and the change if there is one."""
        asked = {
            field.name: list(value)
            if isinstance(value := getattr(self, field.name), tuple)
            else value
            for field in fields(self)
            if field.name != "change"
        }
        change = {"change": self.change.to_json()} if self.change else {}
        return {"command": self.kind, **asked, **change}

    @staticmethod
    def from_json(value: Any) -> Command:
        """The command that `to_json` gave these values for.

        Raises:
            WorkbenchError: if it is no command, one of an unknown kind, or has other fields.
        """
        if not isinstance(value, dict):
            raise WorkbenchError(f"There is no command in {quoted(value)}.")
        kind = value.get("command")
        if not isinstance(kind, str) or kind not in KINDS:
            raise WorkbenchError(
                f"There is no command {quoted(kind)}; a newer version may have written it."
            )
        cls = KINDS[kind]
        known = _fields(cls.kind)
        arguments: dict[str, Any] = {}
        try:
            for name, item in value.items():
                if name == "command":
                    continue
                if name not in known:
                    raise WorkbenchError(f"The command {cls.kind} has no field {quoted(name)}.")
                arguments[name] = known[name][0](item)
            for name, (_, needed) in known.items():
                if needed and name not in arguments:
                    raise WorkbenchError(f"The command {cls.kind} lacks its field {name!r}.")
            return cls(**arguments)
        except (TypeError, ValueError) as error:
            raise WorkbenchError(f"The command {cls.kind} is not readable: {error}.") from None


_READERS: dict[str, Callable[[Any], Any]] = {
    "str": string,
    "int": whole,
    "float": number,
    "tuple[str, ...]": strings,
    "tuple[StepTaken, ...]": steps,
    "Change": Change.from_json,
}


@cache
def _fields(kind: str) -> dict[str, tuple[Callable[[Any], Any], bool]]:
    """Of each field of a command what reads it, and whether it has to be there."""
    return {f.name: (_READERS[str(f.type)], f.default is MISSING) for f in fields(KINDS[kind])}


def kept_words(change: Change) -> str:
    """How many edges a change keeps: "12 edges kept, 3 at some roles"."""
    at = f", {change.n_at_roles:,} at some roles" if change.n_at_roles else ""
    return f"{counted(len(change.added), 'edge')} kept{at}"


def into(node: str, inputs: str) -> str:
    """A node and those of its inputs that are meant, in words."""
    return node if kind_of(node) != "head" or inputs == "qkv" else f"{node}<{inputs}>"
