"""Templates: one pair with slots, such as [NAME1] and [PLACE], that makes many pairs.

A slot takes the values of the list of its name, or of its name without the number: [NAME1] and
[NAME2] both take names, and never the same one in a pair. A slot names the role of what stands
there; where it stands again, with a number: NAME1-2. Pure Python.
"""

from __future__ import annotations

import math
import random
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations, product

from tasks.pair import Pair
from tasks.roles import marked_pair, role
from workbench.errors import WorkbenchError
from workbench.prompts.checks import ALL, Finding, Needs, check_pairs
from workbench.prompts.encoding import Encoding

SLOT = re.compile(r"\[([A-Z][A-Z_]*)([0-9]*)\]")
MOST = 10_000
"""Pairs that one template makes at most."""
SPARE = 4
"""Of so many times the pairs that are asked for, some may turn out not to be usable."""


@dataclass(frozen=True)
class Filled:
    """What a template made.

    Attributes:
        pairs: those that can be used.
        left_out: the gravest finding of each that cannot, in order.
        possible: how many pairs the lists could make.
    """

    pairs: tuple[Pair, ...]
    left_out: tuple[Finding, ...]
    possible: int


def slots(pair: Pair) -> tuple[str, ...]:
    """The names of a template's slots, in the order in which they first stand there."""
    texts = (pair.clean, pair.corrupted, *pair.answers, *pair.wrong_answers)
    found = (match for text in texts for match in SLOT.finditer(text))
    return tuple(dict.fromkeys(match[1] + match[2] for match in found))


def fill(
    template: Pair,
    lists: Mapping[str, Sequence[str]],
    encoding: Encoding,
    *,
    n: int | None = None,
    seed: int = 0,
    needs: Needs = ALL,
) -> Filled:
    """Make pairs of a template.

    Args:
        template: a pair with slots.
        lists: values by the name of a slot, with or without its number.
        encoding: the tokenizer that the pairs are checked against.
        n: how many usable pairs to make; None: all that there can be.
        seed: of which are chosen where there can be more.

    Raises:
        WorkbenchError: a slot has no list or one too short, or there would be too many pairs.
    """
    names = slots(template)
    if not names:
        raise WorkbenchError("There is no slot in it: write [NAME1] where a name is to stand.")
    families = _families(names, lists)
    possible = math.prod(
        math.perm(len(values), len(members)) for values, members in families.values()
    )
    if (possible if n is None else n) > MOST:
        raise WorkbenchError(
            f"These lists would make {n or possible:,} pairs, more than {MOST:,}: take fewer."
        )
    if possible <= MOST:
        chosen = list(_all(families))
        if n is not None:
            random.Random(seed).shuffle(chosen)
    else:
        chosen = list(_some(families, min(MOST, SPARE * (n or 1)), seed))
    made = list(dict.fromkeys(_filled(template, values) for values in chosen))
    kept: list[Pair] = []
    bad: list[Finding] = []
    for row in check_pairs(made, encoding, needs):
        if row.fatal is not None:
            bad.append(row.fatal)
        elif n is None or len(kept) < n:
            kept.append(row.pair)
        else:
            break
    return Filled(tuple(kept), tuple(bad), possible)


Families = dict[str, tuple[tuple[str, ...], list[str]]]
"""By the list's name, its values and the slots that take them."""


def _families(names: Sequence[str], lists: Mapping[str, Sequence[str]]) -> Families:
    families: Families = {}
    for name in names:
        base = name.rstrip("0123456789")
        of = name if name in lists else base
        values = tuple(dict.fromkeys(lists.get(of, ())))
        if not values:
            raise WorkbenchError(f"The slot [{name}] has no list: give one for {base}.")
        families.setdefault(of, (values, []))[1].append(name)
    for of, (values, members) in families.items():
        if len(values) < len(members):
            raise WorkbenchError(
                f"The list {of} has {len(values)} values for {len(members)} slots: add more."
            )
    return families


def _all(families: Families) -> Iterator[dict[str, str]]:
    ways = [permutations(values, len(members)) for values, members in families.values()]
    names = [name for _, members in families.values() for name in members]
    for way in product(*ways):
        yield dict(zip(names, (value for part in way for value in part), strict=True))


def _some(families: Families, n: int, seed: int) -> Iterator[dict[str, str]]:
    generator = random.Random(seed)
    seen: set[tuple[str, ...]] = set()
    while len(seen) < n:
        values = {
            name: value
            for all_values, members in families.values()
            for name, value in zip(members, generator.sample(all_values, len(members)), strict=True)
        }
        if (key := tuple(values.values())) not in seen:
            seen.add(key)
            yield values


def _filled(template: Pair, values: Mapping[str, str]) -> Pair:
    def put(text: str) -> str:
        return SLOT.sub(lambda match: values[match[1] + match[2]], text)

    def marked(text: str) -> str:
        times: Counter[str] = Counter()

        def one(match: re.Match[str]) -> str:
            slot = match[1] + match[2]
            times[slot] += 1
            return role(slot if times[slot] == 1 else f"{slot}-{times[slot]}", values[slot])

        return SLOT.sub(one, text)

    return marked_pair(
        marked(template.clean),
        put(template.corrupted),
        tuple(map(put, template.answers)),
        tuple(map(put, template.wrong_answers)),
    )
