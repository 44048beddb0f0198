"""Pickles read without running anything: their opcodes are followed, not obeyed.

A pickle is a program whose instructions may call any function. Here it is walked, instruction by
instruction, on a stack of our own, and only those are known that make lists, tuples, sets,
dictionaries, texts, numbers and nothing. What names a class or a function is refused by its name,
but for those in `inert`, which become `Record`s: what would have been called, and with what.

What is made takes memory in proportion to the pickle: nothing is copied, and what a dictionary or
a set is to hold by its hash is looked at first, since a small nest of tuples can take for ever.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from workbench.errors import WorkbenchError

# A number of more digits than this is no score and no index.
MOST_BYTES_OF_NUMBER = 16
MOST_IN_KEY = 64
ORDERED = "collections.OrderedDict"
# How older pickles write a set: as a call with a list, which is the set.
SETS = tuple(
    f"{module}.{kind}" for module in ("builtins", "__builtin__") for kind in ("set", "frozenset")
)
DAMAGED = WorkbenchError("It is a damaged binary file, a pickle that breaks off or makes no sense.")

_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_VALUES = (
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"),
)
_EMPTY: dict[str, Callable[[], Any]] = {
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "EMPTY_DICT": dict,
    "EMPTY_SET": set,
}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


@dataclass(eq=False)
class Record:
    """What a pickle would have made by calling something; nothing was called.

    Attributes:
        name: the class or the function, with its module.
        arguments: what it would have been called with; None for the class or function itself.
        state: what would have been put into the object.
    """

    name: str
    arguments: tuple[Any, ...] | None = None
    state: Any = None


@dataclass
class _Machine:
    """The stack, the marks on it, and the memo of a pickle."""

    inert: Collection[str]
    persistent: bool
    stack: list[Any] = field(default_factory=list)
    marks: list[int] = field(default_factory=list)
    memo: dict[int, Any] = field(default_factory=dict)

    def since_mark(self) -> list[Any]:
        start = self.marks.pop()
        if start > len(self.stack):
            raise IndexError
        items = self.stack[start:]
        del self.stack[start:]
        return items

    def pop(self) -> Any:
        if self.marks and self.marks[-1] == len(self.stack):
            raise IndexError
        return self.stack.pop()


def read_pickle(data: bytes, *, inert: Collection[str] = (), persistent: bool = False) -> Any:
    """The plain value that a pickle describes.

    Args:
        inert: classes and functions, with their modules, that may be named: they become records.
        persistent: things kept outside the pickle may be named, as torch names its storages; they
            become records named "persistent".

    Raises:
        WorkbenchError: it is damaged, or wants something made that is not plain.
    """
    machine = _Machine(inert, persistent)
    try:
        for opcode, argument, _ in pickletools.genops(data):
            if opcode.name == "STOP":
                (value,) = machine.stack
                return value
            _step(machine, opcode.name, argument)
    except WorkbenchError:
        raise
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        raise DAMAGED from None
    except RecursionError:
        raise DAMAGED from None
    raise DAMAGED


def _step(machine: _Machine, name: str, argument: Any) -> None:
    stack = machine.stack
    if name in ("PROTO", "FRAME"):
        return
    if name == "MARK":
        machine.marks.append(len(stack))
    elif name in _CONSTANTS:
        stack.append(_CONSTANTS[name])
    elif name in _EMPTY:
        stack.append(_EMPTY[name]())
    elif name in _VALUES:
        stack.append(_number_or_text(argument))
    elif name in ("MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT"):
        machine.memo[len(machine.memo) if name == "MEMOIZE" else argument] = stack[-1]
    elif name in ("GET", "BINGET", "LONG_BINGET"):
        stack.append(machine.memo[argument])
    elif name in _TUPLES:
        count = _TUPLES[name]
        items = tuple(machine.pop() for _ in range(count))[::-1]
        stack.append(items)
    elif name in ("TUPLE", "LIST", "DICT", "FROZENSET"):
        stack.append(_gathered(name, machine.since_mark()))
    elif name in ("APPEND", "APPENDS", "SETITEM", "SETITEMS", "ADDITEMS"):
        _put_into(machine, name)
    else:
        _step_of_objects(machine, name, argument)


def _step_of_objects(machine: _Machine, name: str, argument: Any) -> None:
    """What names, calls or fills an object: a record of it, if it is among the inert."""
    stack = machine.stack
    if name == "GLOBAL":
        stack.append(_named(machine, argument.replace(" ", ".", 1)))
    elif name == "STACK_GLOBAL":
        attribute, module = machine.pop(), machine.pop()
        stack.append(_named(machine, f"{module}.{attribute}"))
    elif name in ("REDUCE", "NEWOBJ"):
        arguments, maker = machine.pop(), machine.pop()
        if not isinstance(maker, Record) or not isinstance(arguments, tuple):
            raise DAMAGED
        stack.append(_made(maker.name, arguments))
    elif name == "BUILD":
        state = machine.pop()
        if isinstance(stack[-1], Record):
            stack[-1].state = state
    elif name == "BINPERSID" and machine.persistent:
        stack.append(Record("persistent", (machine.pop(),)))
    else:
        raise WorkbenchError(
            "It is a pickle that holds more than plain lists, texts and numbers "
            f"(its instruction {name}), and nothing in a pickle is run here: save a list of edges."
        )


def _named(machine: _Machine, name: str) -> Record:
    if name not in machine.inert and name not in SETS:
        shown = name if name.isascii() and name.isprintable() else ascii(name)
        raise WorkbenchError(
            f"It is a pickle that would make or call {shown[:80]}, and nothing in a pickle is run "
            "here: save a list of edges as JSON or CSV."
        )
    return Record(name)


def _made(name: str, arguments: tuple[Any, ...]) -> Any:
    if name == ORDERED and not arguments:
        return {}
    if name in SETS and len(arguments) == 1 and isinstance(arguments[0], list):
        return set(map(_key, arguments[0]))
    return Record(name, arguments)


def _number_or_text(value: Any) -> Any:
    if isinstance(value, int) and value.bit_length() > 8 * MOST_BYTES_OF_NUMBER:
        raise DAMAGED
    return value


def _gathered(name: str, items: list[Any]) -> Any:
    if name == "LIST":
        return items
    if name == "TUPLE":
        return tuple(items)
    if name == "FROZENSET":
        return frozenset(map(_key, items))
    return dict(zip(map(_key, items[::2]), items[1::2], strict=True))


def _put_into(machine: _Machine, name: str) -> None:
    if name in ("APPEND", "SETITEM"):
        items = [machine.pop() for _ in range(1 if name == "APPEND" else 2)][::-1]
    else:
        items = machine.since_mark()
    target = machine.stack[-1]
    if name.startswith("APPEND") and isinstance(target, list):
        target.extend(items)
    elif name.startswith("SETITEM") and isinstance(target, dict):
        target.update(zip(map(_key, items[::2]), items[1::2], strict=True))
    elif name == "ADDITEMS" and isinstance(target, set):
        target.update(map(_key, items))
    else:
        raise DAMAGED


def _key(value: Any) -> Any:
    """The value, if it can be hashed in no time: plain, or a small nest of tuples of such."""
    waiting, seen = [value], 0
    while waiting:
        item = waiting.pop()
        seen += 1
        if isinstance(item, tuple):
            waiting.extend(item)
        elif not isinstance(item, str | int | float | None):
            raise DAMAGED
        if seen + len(waiting) > MOST_IN_KEY:
            raise DAMAGED
    return value
