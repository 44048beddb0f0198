"""Drafts: pairs that were typed and are not kept, in a file beside the journal.

They are no part of what was done, but somebody typed them: they outlive the app and its being
killed. What cannot be read or written costs the drafts alone. Importing this loads no torch.
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from tasks.pair import Pair
from workbench.base.json_values import items, object_of, read_values
from workbench.base.write_file import write_bytes
from workbench.errors import WorkbenchError
from workbench.prompts.pair_json import pair_from_json, pair_to_json

MOST_BYTES = 10 * 2**20
"""More than anybody types: a larger file is not ours."""

NEW = Pair("", "", (), ())
"""Stands for the pair that a new one changes."""

Drafts = dict[Pair, Pair]
"""What is typed, by the pair of the set that it changes."""


class DraftFile:
    """The file of one session."""

    def __init__(self, journal: Path) -> None:
        self.path = journal.with_suffix(".drafts")
        self._written: Drafts | None = None

    def load(self) -> Drafts:
        """What stands there; nothing if that cannot be read."""
        with suppress(OSError, ValueError, KeyError, TypeError):
            found = map(object_of, items(read_values(self.path, MOST_BYTES)))
            self._written = {
                pair_from_json(object_of(one["of"])): pair_from_json(object_of(one["typed"]))
                for one in found
            }
        return dict(self._written or {})

    def save(self, drafts: Drafts) -> None:
        """Write all of them, if they are others than before; whole or not at all."""
        if drafts == (self._written or {}):
            return
        found = [
            {"of": pair_to_json(of), "typed": pair_to_json(typed)} for of, typed in drafts.items()
        ]
        with suppress(WorkbenchError):
            write_bytes(self.path, json.dumps(found).encode())
            self._written = dict(drafts)
