"""In which format a file is written, by its name and by what was asked for."""

from __future__ import annotations

import os

from workbench.base.text import shown_path
from workbench.errors import WorkbenchError
from workbench.formats.catalogue import BUILT_IN, FORMATS, find_format, writable

PICTURES = (".svg", ".pdf", ".png", ".dot", ".gv", ".graphml")
"""Suffixes of what `workbench draw` writes, and of files that only look like it."""


def form_of(path: str | os.PathLike[str], format: str | None = None) -> str:
    """The name of the format in which a circuit is written to this path.

    Args:
        format: what was asked for; None for what the path's suffix says: ours where it is .json
            or has no suffix.

    Raises:
        WorkbenchError: the suffix is that of another format, of a picture, or of none at all.
    """
    suffix = os.path.splitext(os.fspath(path))[1].lower()
    shown = shown_path(path)
    if suffix in PICTURES:
        raise WorkbenchError(
            f"{shown} would be a picture, which `workbench draw CIRCUIT -o {shown}` makes: give a "
            "circuit file the suffix .json."
        )
    if format is not None:
        known = find_format(format)
        owner = next((f for f in BUILT_IN if suffix in (f.suffix, *f.suffixes)), None)
        alike = suffix in ("", known.suffix, *known.suffixes)
        if not alike and owner is not None:
            raise WorkbenchError(
                f"{shown} has the suffix of another format than {known.name}, whose files end in "
                f"{known.suffix}: change the one or the other."
            )
        return known.name
    if suffix in ("", ".json"):
        return "circuit"
    for name in writable():
        entry = FORMATS.get(name)
        if entry is not None and suffix in (entry.suffix, *entry.suffixes):
            return name
    suffixes = dict.fromkeys(f.suffix for f in BUILT_IN if f.write)
    raise WorkbenchError(
        f"{shown} has a suffix of no circuit format: end it in {' or '.join(suffixes)}, or name "
        "the format (--format)."
    )
