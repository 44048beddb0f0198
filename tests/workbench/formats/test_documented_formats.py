"""The page on files has every format, as the catalogue has it."""

from __future__ import annotations

from tests.support.paths import ROOT
from workbench.formats.catalogue import BUILT_IN, Format

PAGE = ROOT / "docs" / "files.md"


def row(known: Format) -> str:
    """The line of the page's table that a format has."""
    suffixes = ", ".join(f"`{suffix}`" for suffix in (known.suffix, *known.suffixes))
    read = "" if not known.read else "with the model's shape" if known.needs_graph else "yes"
    written = "yes" if known.write else ""
    return f"| `{known.name}` | {known.title} | {suffixes} | {read} | {written} |"


def test_every_format_has_its_line() -> None:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    start = lines.index("| format | what it is | files | read | written |")
    stated = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        stated.append(line)
    assert stated == [row(known) for known in BUILT_IN]
