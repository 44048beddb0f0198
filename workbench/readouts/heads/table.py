"""What was measured of all heads, as plain values: order, filter, kinds.

No torch, no computing.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from workbench.base.json_values import count, items, maybe, object_of, real, string, strings
from workbench.base.table import Cell, Table
from workbench.base.text import printable
from workbench.circuits.names import head_name
from workbench.errors import WorkbenchError
from workbench.readouts.heads.columns import COLUMNS, KINDS, RANK, HeadKind
from workbench.readouts.heads.ways import INPUTS
from workbench.readouts.runs import RUNS

if TYPE_CHECKING:
    from workbench.readouts.results import Position

HEAD = "head"
"""The column of names, by which a table can be sorted too."""

LOOKS = "@"
"""Before a role's name: how much a head looks at it, in a table of one place of the prompts."""

DIRECT = "Direct attribution:"
ON_PROMPTS = ("Patterns:", DIRECT, "No direct attribution")
"""How notes begin that are of where heads were read; all others are of weights."""

_COMPARED = re.compile(r"(@?[\w+.'-]+?)(<=|>=|<|>)(-?\d+(?:\.\d+)?)")
_TELLS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}


@dataclass(frozen=True)
class HeadsAt:
    """The place of the task's prompts at which heads were read.

    Attributes:
        position: from the prompts' ends if negative, else from their starts; or the role.
        pair: of one pair, from 0; None: the mean over all, at a role over those that have it.
        n_pairs: how many these are.
        run: one of `readouts.runs.RUNS`.
        token: that stands there, of one pair.
        roles: of the prompts, in order.
        looks: [head, role], how much each head looks at each role from there; None where no pair
            has the role before.
    """

    position: Position
    pair: int | None
    n_pairs: int
    run: str
    token: str | None
    roles: tuple[str, ...]
    looks: tuple[tuple[float | None, ...], ...]

    @property
    def is_difference(self) -> bool:
        """The numbers are differences between two runs."""
        return len(RUNS[self.run]) > 1

    def most(self, head: int) -> tuple[tuple[str, float], ...]:
        """The roles that a head looks at, by falling size of the share."""
        shares = zip(self.roles, self.looks[head], strict=True)
        known = [(role, share) for role, share in shares if share is not None]
        return tuple(sorted(known, key=lambda one: -abs(one[1])))


@dataclass(frozen=True)
class HeadTable:
    """Every head's numbers.

    Attributes:
        n_layers, n_heads: of the model.
        values: by a column's name, each head's, layer by layer; None where there is none.
        source: what stood for a token, one of `INPUTS`.
        seed: of the random tokens.
        notes: sentences on what was measured.
        at: where patterns and direct attribution were read of the task's prompts; None: patterns
            are of random tokens, direct attribution of the last token.

    Glossary: docs/glossary.md#head-table.
    """

    n_layers: int
    n_heads: int
    values: Mapping[str, tuple[float | None, ...]]
    source: str
    seed: int
    notes: tuple[str, ...] = ()
    at: HeadsAt | None = None

    @cached_property
    def heads(self) -> tuple[str, ...]:
        """All heads by name, layer by layer."""
        return tuple(
            head_name(layer, head) for layer in range(self.n_layers) for head in range(self.n_heads)
        )

    @cached_property
    def _place(self) -> dict[str, int]:
        return {head: i for i, head in enumerate(self.heads)}

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that there are, in order."""
        return tuple(name for name in COLUMNS if name in self.values)

    def value(self, head: str, column: str) -> float | None:
        """One number; `rank` is the head's place by copying, `@S2` how much it looks at that role.

        Raises:
            WorkbenchError: there is no such head or column.
        """
        if head not in self._place:
            raise WorkbenchError(f"There is no head {head}: they are a0.h0 to {self.heads[-1]}.")
        return self._column(column)[self._place[head]]

    def _column(self, name: str) -> tuple[float | None, ...]:
        if name == RANK and "copying" in self.values:
            return self._ranks
        if self.at is not None and name.removeprefix(LOOKS) in self._roles(name):
            place = self._roles(name).index(name.removeprefix(LOOKS))
            return tuple(row[place] for row in self.at.looks)
        if name not in self.values:
            looks = () if self.at is None else (f"{LOOKS}{role}" for role in self.at.roles)
            known = ", ".join((HEAD, RANK, *self.columns, *looks))
            raise WorkbenchError(f"There is no column {name!r}; choose one of: {known}.")
        return self.values[name]

    def _roles(self, name: str) -> tuple[str, ...]:
        """The roles as people may write them in a column's name: in small letters too."""
        if self.at is None or not name.startswith(LOOKS):
            return ()
        given = name.removeprefix(LOOKS)
        return self.at.roles if given in self.at.roles else tuple(map(str.lower, self.at.roles))

    @cached_property
    def _ranks(self) -> tuple[float, ...]:
        shares = [_number(value) for value in self.values["copying"]]
        return tuple(1.0 + sum(other > own for other in shares) for own in shares)

    def ordered(self, column: str = HEAD, *, reverse: bool = False) -> tuple[str, ...]:
        """The heads by a column, what one looks for first; heads without a number come last.

        Raises:
            WorkbenchError: there is no such column.
        """
        if column == HEAD:
            return tuple(reversed(self.heads)) if reverse else self.heads
        values = dict(zip(self.heads, self._column(column), strict=True))
        rising = column == RANK or (column in COLUMNS and COLUMNS[column].rising)
        known = [head for head in self.heads if not math.isnan(_number(values[head]))]
        rest = [head for head in self.heads if math.isnan(_number(values[head]))]
        known.sort(key=lambda head: _number(values[head]), reverse=rising == reverse)
        return (*known, *rest)

    def matching(self, words: str) -> tuple[str, ...]:
        """The heads that all words hold of: part of a name, a mark, or `copying>0.5`.

        Raises:
            WorkbenchError: a comparison is of a column that there is not.
        """
        tests = [self._test(word) for word in words.lower().split()]
        return tuple(head for head in self.heads if all(test(head) for test in tests))

    def _test(self, word: str) -> Callable[[str], bool]:
        compared = _COMPARED.fullmatch(word)
        if compared is None:
            return lambda head: word in head or any(k.mark == word for k, _ in self.kinds_of(head))
        column, how, than = compared.groups()
        values = dict(zip(self.heads, self._column(column), strict=True))

        def holds(head: str) -> bool:
            value = _number(values[head])
            return not math.isnan(value) and _TELLS[how](value, float(than))

        return holds

    # Kinds.

    def kinds_of(self, head: str) -> tuple[tuple[HeadKind, float], ...]:
        """The kinds that a head looks like, with the number that tells each, largest first.

        Copying by way of the last MLP tells a kind where nothing else does: most heads that write
        to the logits at all, an induction head too, copy in one way or the other.
        """
        at = self._place[head]
        found: list[tuple[HeadKind, float]] = []
        for kind in KINDS:
            if self.at is not None and self.at.is_difference and not by_weights(kind.column):
                continue  # a difference tells no kind
            value = _number(self.values.get(kind.column, (None,) * len(self.heads))[at])
            if value >= kind.least and not (kind.column == "carried" and found):
                found.append((kind, value))
        return tuple(sorted(found, key=lambda one: -one[1]))

    def marks(self) -> dict[str, str]:
        """By head, the marks of the kinds that it looks like, the most like first."""
        kinds = {head: self.kinds_of(head) for head in self.heads}
        return {
            head: " ".join(kind.mark for kind, _ in found) for head, found in kinds.items() if found
        }

    def looks_like(self, nodes: Sequence[str]) -> tuple[tuple[str, float], ...]:
        """The names of what these heads all look like, and how much on average; most like first.

        Nothing where some node is no head, or they have no kind in common.
        """
        if not nodes or any(node not in self._place for node in nodes):
            return ()
        found = [dict(self.kinds_of(node)) for node in nodes]
        shared = [kind for kind in KINDS if all(kind in one for one in found)]
        means = [(kind.name, sum(one[kind] for one in found) / len(found)) for kind in shared]
        several = "s" if len(nodes) > 1 else ""
        return tuple((name + several, mean) for name, mean in sorted(means, key=lambda m: -m[1]))

    # Elsewhere.

    def table(self, heads: Sequence[str] | None = None) -> Table:
        """All numbers of these heads, or of all, with every digit."""
        chosen = self.heads if heads is None else tuple(heads)
        shown = {name: self.values[name] for name in self.columns}
        ranks = {RANK: self._column(RANK)} if "copying" in shown else {}
        if self.at is not None:
            ranks |= {f"{LOOKS}{role}": self._column(f"{LOOKS}{role}") for role in self.at.roles}
        rows: list[tuple[Cell, ...]] = []
        for head in chosen:
            kinds = " ".join(kind.mark for kind, _ in self.kinds_of(head))
            numbers = [values[self._place[head]] for values in (shown | ranks).values()]
            rows.append((head, kinds, *numbers))
        return Table("heads", (HEAD, "kinds", *shown, *ranks), tuple(rows))

    def most(self, head: str) -> tuple[tuple[str, float], ...]:
        """The roles that a head looks at from where it was read, most first; () of no place."""
        return () if self.at is None else self.at.most(self._place[head])

    def definition(self, column: str) -> str:
        """What a column of this table is, in a sentence."""
        if column.startswith(LOOKS):
            return f"How much it looks at the role {column.removeprefix(LOOKS)} from there."
        own = COLUMNS[column]
        return own.here if self.at is not None and own.here else own.definition

    def to_json(self, heads: Sequence[str] | None = None) -> dict[str, Any]:
        """Plain values: a row for each of these heads, or of all."""
        table = self.table(heads)
        rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
        for row in rows:
            row["kinds"] = [kind.name for kind, _ in self.kinds_of(str(row[HEAD]))]  # type: ignore[assignment]
        return {
            "input": self.source,
            "seed": self.seed,
            "notes": list(self.notes),
            "at": None if self.at is None else self._place_json(),
            "columns": {name: self.definition(name) for name in self.columns},
            "heads": rows,
        }

    def _place_json(self) -> dict[str, Any]:
        assert self.at is not None
        names = ("position", "pair", "n_pairs", "run", "token", "roles")
        return {name: getattr(self.at, name) for name in names}

    def kept(self) -> dict[str, Any]:
        """As a file keeps it; `restored` reads it. Not of one place of the prompts."""
        return {
            "n_layers": self.n_layers,
            "n_heads": self.n_heads,
            "values": {name: list(values) for name, values in self.values.items()},
            "source": self.source,
            "seed": self.seed,
            "notes": list(self.notes),
        }


def check_words(words: str) -> None:
    """Refuse words of `HeadTable.matching` that no table could be asked.

    Raises:
        WorkbenchError: a comparison is of a column that there is not.
    """
    for word in words.lower().split():
        compared = _COMPARED.fullmatch(word)
        if compared is not None and compared[1] not in (RANK, *COLUMNS) and word[0] != LOOKS:
            known = ", ".join((RANK, *COLUMNS))
            raise WorkbenchError(f"There is no column {compared[1]!r}; choose one of: {known}.")


def restored(value: Any, n_layers: int, n_heads: int) -> HeadTable:
    """A table from what `HeadTable.kept` gave.

    Raises:
        ValueError, TypeError, KeyError: it is no such thing, or of another model.
    """
    if (value["n_layers"], value["n_heads"]) != (n_layers, n_heads):
        raise ValueError("of another model")
    if string(value["source"]) not in INPUTS:
        raise ValueError("of an unknown input")
    columns = {}
    for name, numbers in object_of(value["values"]).items():
        if name not in COLUMNS or len(items(numbers)) != n_layers * n_heads:
            raise ValueError("columns that are not known")
        columns[name] = tuple(map(maybe(real), numbers))
    notes = tuple(map(printable, strings(value["notes"])))
    return HeadTable(n_layers, n_heads, columns, value["source"], count(value["seed"]), notes)


def by_weights(column: str) -> bool:
    """Whether a column is by weights alone, the same wherever heads are read."""
    return COLUMNS[column].group == "weights"


def _number(value: float | None) -> float:
    return math.nan if value is None else value
