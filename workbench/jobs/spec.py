"""What a job is asked to do, as it stands in its folder. Importing this loads no torch."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from workbench.base.json_values import items, number, object_of, one_of, read_values, shaped
from workbench.base.text import printable

Kind = Literal["discovery", "assessment", "clusters", "command"]
KINDS: tuple[Kind, ...] = ("discovery", "assessment", "clusters", "command")
VERSION = 1
_OWN: dict[str, Callable[[Any], Any]] = {
    "kind": one_of(KINDS),
    "asked": object_of,
    "metrics": lambda value: tuple(map(number, items(value))),
}


@dataclass(frozen=True)
class JobSpec:
    """What a job is asked to do; it never changes.

    Attributes:
        kind: of a session: a discovery, an assessment or clusters; or a command of the command
            line.
        what: the same in a few words, for lists.
        model, task: as the session or the command names them.
        session: the name of the session that it was detached from; "" of a command.
        created: when, ISO 8601, UTC.
        workbench: the version that it was detached by.
        pairs: the digest of the session's pairs, metric and interventions; "" of a command.
        metrics: of a session the metric of the model and of the corrupted run.
        folder: from where it is run, so that files are called as they were then.
        asked: of a discovery `method` and what `DiscoveryRequest.to_json` gives; of an assessment
            `parts` and `settings`; of clusters the request's fields; of a command `arguments`.
        version: of this form.
    """

    kind: str
    what: str
    model: str
    task: str
    session: str
    created: str
    workbench: str
    pairs: str = ""
    metrics: tuple[float, ...] = ()
    folder: str = ""
    asked: dict[str, Any] = field(default_factory=dict)
    version: int = VERSION

    def text(self) -> str:
        """As it is written."""
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def read(cls, path: Any) -> JobSpec:
        """What stands in a file.

        Raises:
            OSError, ValueError, TypeError: it cannot be read, or is something else.
        """
        found = shaped(cls, read_values(path), _OWN)
        if found.version != VERSION:
            raise ValueError("it is of another version of the workbench")
        return found

    @property
    def words(self) -> str:
        """What it is, without control characters."""
        return printable(self.what)[:200]


def new_id(kind: str, task: str) -> str:
    """A name that no other job has: when, what, of which task, and four random letters."""
    words = [re.sub(r"[^A-Za-z0-9]+", "-", word)[:20].strip("-") for word in (kind, task)]
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    return "-".join([stamp, *filter(None, words), secrets.token_hex(2)])
