"""Place: where the user was in the app and what was shown, kept beside the journal.

It is no part of what was done: it may be lost or ignored, and never stands in the way of resuming.
Importing this loads no torch.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from workbench.base.json_values import object_of, read_values, shaped
from workbench.base.write_file import write_bytes
from workbench.errors import WorkbenchError

MOST_BYTES = 100_000
"""More than any place takes: a larger file is not ours."""


@dataclass(frozen=True)
class Place:
    """What the bench showed, and where its cursors stood.

    Names are as the bench has them; one that means nothing any more is passed over there.

    Attributes:
        panel: that had the focus.
        node: the chosen one.
        inputs: which of its inputs: 'qkv', 'q', 'k' or 'v'.
        setting: of the exact effects: 'full', 'along' or 'within'.
        costs: drop costs were shown.
        by_role: edges were told apart by token roles.
        edge: under the cursor of the table; "" for none.
        filter: its words.
        sort: the column that the edges were sorted by.
        descending: largest first.
        readout: name of the view of the readouts.
        second: name of the view of the second readouts, where there are two.
        position: of the token that they read, counted from the end: -1 is the last.
        pair: index of the prompt that they read; None: the mean over all.
        by_group: the graph showed groups.
        run, second_run: what they read: a name of `workbench.readouts.runs.RUNS`.
        target, distractor: the tokens that they were asked about, as typed; "" for the task's own.
        second_target, second_distractor: those of the second readouts.

    Glossary: docs/glossary.md#place.
    """

    panel: str = "circuit"
    node: str = "logits"
    inputs: str = "qkv"
    setting: str = "full"
    costs: bool = False
    by_role: bool = False
    edge: str = ""
    filter: str = ""
    sort: str = "effect"
    descending: bool = True
    readout: str = ""
    second: str = ""
    position: int = -1
    pair: int | None = None
    by_group: bool = False
    run: str = "clean"
    second_run: str = "clean"
    target: str = ""
    distractor: str = ""
    second_target: str = ""
    second_distractor: str = ""


class PlaceFile:
    """The file that holds the place of one session.

    Attributes:
        path: beside the journal; there is none before `save` was called.
    """

    def __init__(self, journal: Path) -> None:
        self.path = journal.with_suffix(".place")

    def load(self) -> Place | None:
        """The place that was saved last; None if none was.

        What newer versions have added is passed over.

        Raises:
            WorkbenchError: the file cannot be read, or is damaged.
        """
        try:
            if not self.path.exists():
                return None
            value = object_of(read_values(self.path, MOST_BYTES))
            known = {f.name for f in fields(Place)}
            return shaped(Place, {name: value[name] for name in value if name in known})
        except (OSError, ValueError, TypeError):
            raise WorkbenchError(
                f"Where you were is not known: {self.path.name} is not readable. "
                "The session itself is whole."
            ) from None

    def save(self, place: Place) -> None:
        """Write it whole or not at all.

        Raises:
            WorkbenchError: it cannot be written; what was there before still is.
        """
        write_bytes(self.path, json.dumps(asdict(place)).encode("ascii") + b"\n")
