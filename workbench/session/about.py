"""What a session is called: its title and tags, in a small file beside the journal.

They stand beside the journal and not in it: so a session can be named that is damaged, or open in
another process, or not loaded, and a workbench that knows no titles reads the journal as before.
Importing this loads no torch.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from workbench.base.json_values import object_of, read_values, string, strings
from workbench.base.text import printable, shown_path
from workbench.base.write_file import write_bytes
from workbench.errors import WorkbenchError

LONGEST = 120
"""Characters of a title: what a line of a list, or a terminal's title, has room for."""


@dataclass(frozen=True)
class SessionAbout:
    """A session's title and tags; both may be empty.

    Glossary: docs/glossary.md#title.
    """

    title: str = ""
    tags: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """Title and tags in one line, as `parse` reads them."""
        return " ".join([*filter(None, [self.title]), *(f"#{tag}" for tag in self.tags)])

    @classmethod
    def parse(cls, text: str) -> SessionAbout:
        """Take a line apart: words that begin with # are tags, the others are the title.

        Raises:
            WorkbenchError: the title is longer than `LONGEST` characters.
        """
        words = text.split()
        tags = [word[1:] for word in words if word.startswith("#") and word != "#"]
        title = " ".join(word for word in words if not word.startswith("#") or word == "#")
        if len(title) > LONGEST:
            raise WorkbenchError(f"A title has at most {LONGEST} characters, not {len(title)}.")
        return cls(printable(title), tuple(dict.fromkeys(map(printable, tags))))


def about_path(journal: Path) -> Path:
    """Where the title and tags of this journal's session are kept."""
    return journal.with_suffix(".about.json")


def read_about(journal: Path) -> SessionAbout:
    """Title and tags of a session; what cannot be read counts as none."""
    try:
        value = object_of(read_values(about_path(journal)))
        tags = tuple(map(printable, strings(value["tags"])))
        return SessionAbout(printable(string(value["title"]))[:LONGEST], tags)
    except (OSError, ValueError, KeyError, TypeError):
        return SessionAbout()


def write_about(journal: Path, about: SessionAbout) -> None:
    """Keep title and tags; with neither, the file goes.

    Raises:
        WorkbenchError: it cannot be written; what stood there is as it was.
    """
    path = about_path(journal)
    if about != SessionAbout():
        write_bytes(path, json.dumps(asdict(about)).encode("ascii"))
        return
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        why = os.strerror(error.errno or 0).lower()
        raise WorkbenchError(f"{shown_path(path)} cannot be removed: {why}.") from None


class Titled:
    """What has a title and tags, kept beside its journal.

    Attributes:
        path: the journal.
    """

    path: Path
    _about: SessionAbout

    @property
    def about(self) -> SessionAbout:
        """Its title and tags."""
        return self._about

    @property
    def title(self) -> str:
        """What its user calls it; may be empty."""
        return self._about.title

    def entitle(self, about: SessionAbout) -> None:
        """Give it this title and these tags. Raises WorkbenchError if they cannot be kept."""
        write_about(self.path, about)
        self._about = about
