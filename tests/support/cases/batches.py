"""A batch of groups that were never text: all of it that experiments ask for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from workbench.prompts.batch import Batch, Group
from workbench.prompts.roles import Roles

ROLES = ("A", "B", "C", "D", "END")


class OpenBatch(Batch):
    """A batch whose fields tests may set."""

    __setattr__ = object.__setattr__


def batch_of(groups: Sequence[Group], **more: Any) -> Any:
    """The groups with roles: three of four stand anywhere, some pairs lack one, `END` is last."""
    n = sum(len(group.indices) for group in groups)
    of_pairs: list[tuple[int, ...]] = [()] * n
    for group in groups:
        for index in group.indices:
            rng = np.random.default_rng(index)
            inner = rng.integers(0, len(ROLES) - 1, group.length - 1)
            of_pairs[index] = (*(int(role) for role in inner), len(ROLES) - 1)
    roles = Roles(ROLES, tuple(of_pairs), True)
    nothing: dict[str, Any] = {"task": None, "dropped": 0, "left_out": {}, "warnings": ()}
    nothing |= {"prepend_bos": False, "answer_tokens": (), "encoding": None}
    return OpenBatch(groups=tuple(groups), n_pairs=n, roles=roles, **nothing | more)
