"""Where in a prompt something is done: all positions, numbers, slices, or token roles.

`-1`, `0,3` and `-2:` count as Python does; `S2` is every position of that role, in each prompt its
own. A word that can be read as a number is a number. Importing this loads no torch.

Glossary: docs/glossary.md#token-role.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from workbench.errors import WorkbenchError

ALL = "all"
ROLE = r"[\w+'.-]{1,60}"
"""What a role may be called here: as a task calls it, or by what lies around it, as `IO..S2`."""

_POSITION = re.compile(r"-?\d+|(-?\d+)?:(-?\d+)?")
_ROLE = re.compile(ROLE)


def parse_positions(at: str) -> tuple[slice | int | str, ...]:
    """Positions as Python's slices and numbers, and roles by name.

    Raises:
        WorkbenchError: it is none of these.
    """
    if at == ALL:
        return (slice(None),)
    out: list[slice | int | str] = []
    for word in at.split(","):
        found = _POSITION.fullmatch(word)
        if found is None and _ROLE.fullmatch(word) is None:
            raise WorkbenchError(
                f"{at!r} are no positions: write all, numbers and slices such as -1, 0,3, -2:, or "
                "token roles such as S2."
            )
        if found is None:
            out.append(word)
            continue
        if ":" not in word:
            out.append(int(word))
            continue
        first, last = (None if part is None else int(part) for part in found.groups())
        out.append(slice(first, last))
    return tuple(out)


def positions_at(at: str, prompt: int, length: int, roles: Sequence[str] = ()) -> list[int]:
    """Positions of a sequence, counted in its prompt.

    Args:
        prompt: how many tokens the prompt has.
        length: how many with those that were generated, which have no roles.
        roles: of each of the prompt's positions; empty where it has none.

    Raises:
        WorkbenchError: the prompt has no such position or role.
    """
    chosen: set[int] = set()
    for one in parse_positions(at):
        if isinstance(one, str):
            chosen.update(positions_of_role(one, roles))
        elif isinstance(one, slice):
            chosen.update(range(prompt)[one])
            if one.stop is None:
                chosen.update(range(prompt, length))
        elif -prompt <= one < prompt:
            chosen.add(one % prompt)
        else:
            raise WorkbenchError(f"A prompt of {prompt} tokens has no position {one}.")
    return sorted(chosen)


def check_from_end(position: int | None, lengths: Iterable[int]) -> None:
    """Refuse a position counted from the prompts' ends that no prompt has.

    Args:
        position: 0 is the last; None for all positions.
        lengths: of the prompts, in tokens.

    Raises:
        WorkbenchError: no prompt has it.
    """
    if position is None:
        return
    most = max(lengths) - 1
    if not 0 <= position <= most:
        raise WorkbenchError(
            f"There is no position {position}: it is counted from the prompts' ends, 0 for the "
            f"last token to {most} for the first of the longest prompt."
        )


def positions_of_role(role: str, roles: Sequence[str]) -> list[int]:
    """Where a role stands among those of a prompt's positions.

    Raises:
        WorkbenchError: nowhere.
    """
    found = [position for position, name in enumerate(roles) if name == role]
    if found:
        return found
    if not roles:
        raise WorkbenchError(
            f"Something is done at the role {role}, and a text by itself has no token roles: take "
            "it back, or name positions (at -1)."
        )
    there = ", ".join(dict.fromkeys(roles))
    raise WorkbenchError(
        f"A prompt has no token of the role {role}, at which something is done: its roles are "
        f"{there}."
    )
