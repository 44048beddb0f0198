"""Options of a method: the fields that it declares, and the values that it is told.

From the fields come the checks, the values of `--option NAME=VALUE`, and the dialog's inputs.

Glossary: docs/glossary.md#measure.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NoReturn

from workbench.errors import WorkbenchError

OWN_FLAGS = {"edges": "--edges N", "threshold": "--threshold T"} | {
    name: f"--{name.replace('_', '-')}"
    for name in ("steps", "absolute", "measure", "by_role", "seed")
}
"""Options for which the commands have a flag of their own."""


def own_flag(name: str) -> str:
    """The flag of an option of `OWN_FLAGS`, without what follows it."""
    return OWN_FLAGS[name].split()[0]


@dataclass(frozen=True)
class Whole:
    """An option that is a whole number.

    Attributes:
        name: as it is told.
        default: None where nothing is meant by saying nothing.
        least: the least value; None for any.
        help: a sentence for whoever chooses.
        label: beside the dialog's field; "" for the name.
        needed: what the method has to be told by it, if it cannot do without.
    """

    name: str
    default: int | None = None
    least: int | None = None
    help: str = ""
    label: str = ""
    needed: str = ""

    def read(self, text: str) -> int:
        """The number in a text. Raises WorkbenchError."""
        try:
            return int(text.replace(",", ""))
        except ValueError:
            raise WorkbenchError(f"{self.name} is a whole number, not {text[:60]!r}.") from None

    def check(self, value: Any) -> None:
        """Raises WorkbenchError for a value that it cannot have."""
        if isinstance(value, bool) or not isinstance(value, int):
            raise WorkbenchError(f"{self.name} is a whole number, not {value!r}.")
        if self.least is not None and value < self.least:
            raise WorkbenchError(
                f"The number of {self.name} has to be {self.least} or more, not {value}."
            )

    def words(self, value: Any) -> str:
        """A value in a few words."""
        return f"{self.name} {value:g}"


@dataclass(frozen=True)
class Number:
    """An option that is any finite number; attributes as of `Whole`."""

    name: str
    default: float | None = None
    least: float | None = None
    help: str = ""
    label: str = ""
    needed: str = ""

    def read(self, text: str) -> float:
        """The number in a text. Raises WorkbenchError."""
        try:
            return float(text.replace("−", "-"))
        except ValueError:
            raise WorkbenchError(f"{self.name} is a number, not {text[:60]!r}.") from None

    def check(self, value: Any) -> None:
        """Raises WorkbenchError for a value that it cannot have."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise WorkbenchError(f"{self.name} is a number, not {value!r}.")
        if not math.isfinite(value):
            raise WorkbenchError(f"The {self.name} has to be a finite number.")
        if self.least is not None and value < self.least:
            raise WorkbenchError(f"The {self.name} has to be {self.least:g} or more, not {value}.")

    def words(self, value: Any) -> str:
        """A value in a few words."""
        return f"{self.name} {value:g}"


@dataclass(frozen=True)
class OneOf:
    """An option that is one of a few words.

    Attributes:
        name: as it is told.
        choices: each value, and how it is called beside the label.
        default: one of the values.
        help: a sentence for whoever chooses.
        label: beside the dialog's field; "" for the name.
    """

    name: str
    choices: tuple[tuple[str, str], ...]
    default: str
    help: str = ""
    label: str = ""
    needed: ClassVar[str] = ""

    def read(self, text: str) -> str:
        """The text, which `check` judges."""
        return text

    def check(self, value: Any) -> None:
        """Raises WorkbenchError for a value that it cannot have."""
        values = [choice for choice, _ in self.choices]
        if value not in values:
            raise WorkbenchError(
                f"There is no {self.name} {value!r}; choose one of: {', '.join(values)}."
            )

    def words(self, value: Any) -> str:
        """A value in a few words."""
        return f"{self.label or self.name} {dict(self.choices)[value]}"


@dataclass(frozen=True)
class Flag:
    """An option that is on or off.

    Attributes:
        name: as it is told.
        default: whether it is on where nothing is said.
        help: a sentence for whoever chooses.
        label: beside the dialog's field; "" for the name.
        off, on: the two in words.
    """

    name: str
    default: bool = False
    help: str = ""
    label: str = ""
    off: str = "no"
    on: str = "yes"
    needed: ClassVar[str] = ""

    def read(self, text: str) -> bool:
        """Whether a text says yes. Raises WorkbenchError."""
        value = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
        if text.lower() not in value:
            raise WorkbenchError(f"{self.name} is yes or no, not {text[:60]!r}.")
        return value[text.lower()]

    def check(self, value: Any) -> None:
        """Raises WorkbenchError for a value that it cannot have."""
        if not isinstance(value, bool):
            raise WorkbenchError(f"{self.name} is on or off, not {value!r}.")

    def words(self, value: Any) -> str:
        """A value in a few words."""
        return f"{self.label or self.name} {self.on if value else self.off}"


Option = Whole | Number | OneOf | Flag

EDGES = Whole(
    "edges",
    least=1,
    help="How many edges to end with.",
    needed="with how many edges it is to end",
)
THRESHOLD = Number(
    "threshold",
    help="Tau, in units of what is measured.",
    label="tau",
    needed="how much worse the loss of an edge has to make it for the edge to be kept",
)
ABSOLUTE = Flag(
    "absolute",
    help="Compare |change| with tau, not the change for the worse alone.",
    label="change",
    off="for the worse",
    on="either way",
)
MEASURE = OneOf(
    "measure",
    (("metric", "the metric"), ("kl", "KL")),
    "metric",
    help="What to go by.",
    label="by",
)
BY_ROLE = Flag(
    "by_role",
    help="Keep and drop edges at each role of the prompts alone.",
    label="over",
    off="whole edges",
    on="edges at token roles",
)
SEED = Whole("seed", least=0, help="Of what is left to chance.")


def steps(default: int) -> Whole:
    """The number of steps, of integrated gradients or of learning."""
    return Whole("steps", default, 1, "Of integrated gradients, or of learning.")


class Options:
    """What a method is told: a value for each option that something was said of.

    An option reads as an attribute, and as None where nothing was said; a request that was checked
    has the defaults filled in. A seed is always there. Values cannot be changed.
    """

    seed: int

    def __init__(self, seed: int = 0, **told: Any) -> None:
        object.__setattr__(self, "seed", seed)
        object.__setattr__(self, "_told", {n: v for n, v in told.items() if v is not None})

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return self._told.get(name)

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        raise AttributeError(f"Options cannot be changed; make new ones with `with_({name}=...)`.")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("Options cannot be changed.")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Options) and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash((self.seed, frozenset(self._told.items())))

    def __repr__(self) -> str:
        return f"Options({', '.join(f'{n}={v!r}' for n, v in self.to_json().items())})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _options, (self.to_json(),)

    @property
    def told(self) -> Mapping[str, Any]:
        """What was said, without the seed."""
        return dict(self._told)

    def with_(self, **told: Any) -> Options:
        """The same with other values; None takes one back."""
        return Options(**(self.to_json() | told))

    def to_json(self) -> dict[str, Any]:
        """All values by their names, the seed last."""
        return {**self._told, "seed": self.seed}


def _options(values: dict[str, Any]) -> Options:
    return Options(**values)


def read_options(fields: Iterable[Option], texts: Iterable[str], method: str) -> dict[str, Any]:
    """The values in texts such as "power=2".

    Raises:
        WorkbenchError: a text has another form, or the method has no such option.
    """
    known = {field.name: field for field in fields}
    told = {}
    for text in texts:
        name, equals, value = text.partition("=")
        name = name.strip()
        if not equals:
            raise WorkbenchError(f"An option is written NAME=VALUE, not {text[:60]!r}.")
        if name not in known:
            raise WorkbenchError(f"{method} does not heed {name}; {heeds(known.values())}.")
        told[name] = known[name].read(value.strip())
    return told


def heeds(fields: Iterable[Option]) -> str:
    """The options that a method has, in words."""
    # A seed goes with every command; most methods leave nothing to chance.
    names = [field.name for field in fields if field.name != "seed"]
    if not names:
        return "it has no such options"
    return "it heeds " + ", ".join(
        own_flag(name) if name in OWN_FLAGS else f"--option {name}" for name in names
    )
