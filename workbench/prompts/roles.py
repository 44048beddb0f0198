"""Roles: a name for every position of every prompt, shared by prompts of all lengths.

A pair's spans name some of its positions, the same in both prompts. What they leave over is named
by where it lies: `..S1` before the first, `IO..S2` between two. A task without any gets them by
what its prompts show: `diff1`, `diff2` where the two prompts of a pair differ, and `END`.

Pure Python, without torch.

Glossary: docs/glossary.md#token-role.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby

from tasks.pair import Pair, RoleSpan
from tasks.task import Task
from workbench.errors import WorkbenchError
from workbench.prompts.encoding import Encoding, shown

END = "END"
"""The last position, where no span names it otherwise."""
BOS = "BOS"
"""A BOS token that was put before the prompt."""
BETWEEN = ".."
DIFFERENT = "diff"
NAME = re.compile(r"[\w+'-]{1,24}")
"""What a role may be called: it is written into the names of edges, as in m0->a9.h1<k>@S1."""
MOST_SPANS = 200
"""Spans of a pair; above it the field was surely meant for something else."""


class RoleError(ValueError):
    """Spans that do not fit their prompt; the message is a clause."""


@dataclass(frozen=True)
class Roles:
    """The roles of a batch.

    Attributes:
        names: all of them, in the order in which they stand in the prompts.
        of_pairs: [pair] by position the index of its role in `names`.
        by_task: the task names some of them; else they are by what the prompts show.

    Glossary: docs/glossary.md#token-role.
    """

    names: tuple[str, ...]
    of_pairs: tuple[tuple[int, ...], ...]
    by_task: bool

    @cached_property
    def _places(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self.names)}

    def index(self, name: str) -> int:
        """A role's place among the names.

        Raises:
            WorkbenchError: no pair has it.
        """
        if name not in self._places:
            raise WorkbenchError(
                f"No pair has a role {name[:40]!r}: there are {', '.join(self.names)}."
            )
        return self._places[name]

    def at(self, pair: int) -> tuple[str, ...]:
        """The role of each position of a pair's prompts."""
        return tuple(self.names[place] for place in self.of_pairs[pair])

    def positions(self, name: str, pair: int) -> tuple[int, ...]:
        """Where a role stands in a pair's prompts; empty if this pair does not have it."""
        place = self.index(name)
        return tuple(at for at, role in enumerate(self.of_pairs[pair]) if role == place)

    def having(self, name: str) -> tuple[int, ...]:
        """The pairs that have a role somewhere.

        Raises:
            WorkbenchError: no pair has it.
        """
        place = self.index(name)
        return tuple(pair for pair, row in enumerate(self.of_pairs) if place in row)

    def marks(self, name: str, pairs: Sequence[int], first: int = 0) -> list[list[bool]]:
        """Where a role stands in some pairs of one length, [pair, position - first].

        Raises:
            WorkbenchError: no pair has it.
        """
        place = self.index(name)
        return [[role == place for role in self.of_pairs[pair][first:]] for pair in pairs]


def roles_of(
    pairs: Sequence[Pair],
    clean: Sequence[Sequence[int]],
    corrupted: Sequence[Sequence[int]],
    encoding: Encoding,
) -> Roles:
    """The roles of pairs whose spans fit them.

    Args:
        pairs: with their spans.
        clean, corrupted: [pair] the ids of the prompts, with a BOS that was put before them; a
            pair's two prompts have the same length.
        encoding: how they became tokens.
    """
    by_task = any(pair.roles for pair in pairs)
    if by_task:
        named = [
            positions_of(pair, ids, encoding) if pair.roles else {}
            for pair, ids in zip(pairs, clean, strict=True)
        ]
    else:
        named = list(_by_differences(clean, corrupted))
    rows = []
    for ids, roles in zip(clean, named, strict=True):
        rows.append(_every_position(len(ids), roles, encoding.put_before(ids)))
    names = in_order(rows)
    places = {name: place for place, name in enumerate(names)}
    return Roles(names, tuple(tuple(places[name] for name in row) for row in rows), by_task)


def positions_of(pair: Pair, ids: Sequence[int], encoding: Encoding) -> dict[int, str]:
    """The positions that a pair's spans name.

    Args:
        ids: of its clean prompt, with a BOS that was put before it.

    Raises:
        RoleError: a span lies outside the prompt, cuts through a token or overlaps another one.
    """
    if len(pair.roles) > MOST_SPANS:
        raise RoleError(f"it has {len(pair.roles):,} places of roles, more than {MOST_SPANS}")
    pieces = encoding.pieces(ids)
    by_characters = not all(span.tokens for span in pair.roles)
    own = encoding.offsets(pair.clean, ids) if by_characters else []
    named: dict[int, str] = {}
    for span in pair.roles:
        if not NAME.fullmatch(span.role):
            raise RoleError(
                f"{span.role[:40]!r} is no name of a role: letters, digits, _ + ' and - make one"
            )
        found = (
            _token_span(span, encoding.put_before(ids), len(ids))
            if span.tokens
            else _character_span(span, pair.clean, own, pieces)
        )
        for at in found:
            if named.setdefault(at, span.role) != span.role:
                raise RoleError(
                    f"the roles {named[at]} and {span.role} overlap at the token {pieces[at]!r}: "
                    f"[{shown(pieces)}]"
                )
    return named


def _token_span(span: RoleSpan, first: int, length: int) -> range:
    if not 0 <= span.start < span.stop <= length - first:
        raise RoleError(
            f"the role {span.role} has tokens {span.start} to {span.stop - 1}, and the prompt has "
            f"0 to {length - first - 1}"
        )
    return range(first + span.start, first + span.stop)


def _character_span(
    span: RoleSpan, text: str, offsets: Sequence[tuple[int, int] | None], pieces: Sequence[str]
) -> Iterator[int]:
    """The tokens of a span; the space before a word need not be in it."""
    start, stop = span.start, span.stop
    if start == stop:
        raise RoleError(f"the role {span.role} has no character: its range ends where it begins")
    if not 0 <= start < stop <= len(text):
        raise RoleError(
            f"the role {span.role} has characters {start} to {stop - 1}, and the prompt has 0 to "
            f"{len(text) - 1}"
        )
    found = False
    for at, place in enumerate(offsets):
        if place is None or place[0] >= stop or place[1] <= start:
            continue
        token = text[place[0] : place[1]]
        bare = (
            (place[0] + len(token) - len(token.lstrip()), place[0] + len(token.rstrip()))
            if token.strip()
            else place
        )
        if bare[0] >= stop or bare[1] <= start:
            continue  # only the space around it is in the span
        if bare[0] < start or bare[1] > stop:
            raise RoleError(
                f"the role {span.role}, {text[start:stop]!r}, cuts through the token "
                f"{pieces[at]!r}: [{shown(pieces)}]"
            )
        found = True
        yield at
    if not found:
        raise RoleError(f"the role {span.role} covers no token: [{shown(pieces)}]")


def without_unfit_roles(task: Task, encoding: Encoding) -> Task:
    """The task, without its roles where this tokenizer cuts its words in other places.

    For a task that is generated: its words are chosen for the metric, and their roles are only
    names.
    """
    if not any(pair.roles for pair in task.pairs):
        return task
    ids = encoding.prompts([pair.clean for pair in task.pairs])
    try:
        for pair, own in zip(task.pairs, ids, strict=True):
            positions_of(pair, own, encoding)
    except (RoleError, WorkbenchError) as error:
        note = f"Without roles, since {str(error).removesuffix('.')}."
        pairs = tuple(replace(pair, roles=()) for pair in task.pairs)
        return replace(task, pairs=pairs, notes=(*task.notes, note))
    return task


def _by_differences(
    clean: Sequence[Sequence[int]], corrupted: Sequence[Sequence[int]]
) -> Iterator[dict[int, str]]:
    """`diff1`, `diff2` where the two prompts of any pair of the same length differ."""
    differ: dict[int, set[int]] = {}
    for ids, others in zip(clean, corrupted, strict=True):
        places = {
            at for at, (one, other) in enumerate(zip(ids, others, strict=True)) if one != other
        }
        differ.setdefault(len(ids), set()).update(places)
    named = {length: dict(_runs(places, length)) for length, places in differ.items()}
    yield from (named[len(ids)] for ids in clean)


def _runs(places: set[int], length: int) -> Iterator[tuple[int, str]]:
    # The last position stays END, whether or not the prompts differ there.
    inner = sorted(places - {length - 1})
    for number, (_, run) in enumerate(
        groupby(enumerate(inner), lambda entry: entry[1] - entry[0]), start=1
    ):
        yield from ((at, f"{DIFFERENT}{number}") for _, at in run)


def _every_position(length: int, named: dict[int, str], bos: int) -> list[str]:
    """A name for each position, what is left over named by its neighbors."""
    roles = {length - 1: END, **dict.fromkeys(range(bos), BOS), **named}
    row: list[str] = []
    before = ""
    for at in range(length):
        if at in roles:
            before = "" if roles[at] == BOS else roles[at]
            row.append(roles[at])
        else:
            after = roles[min(later for later in roles if later > at)]
            row.append(f"{before}{BETWEEN}{after}")
    return row


def in_order(rows: Iterable[Sequence[str]]) -> tuple[str, ...]:
    """All names by where they stand on average, in shares of a prompt's length."""
    sums: dict[str, float] = {}
    counts: dict[str, int] = {}
    for row in rows:
        for at, name in enumerate(row):
            sums[name] = sums.get(name, 0.0) + at / max(1, len(row) - 1)
            counts[name] = counts.get(name, 0) + 1
    return tuple(sorted(sums, key=lambda name: sums[name] / counts[name]))
