"""The table of columns and kinds in `docs/heads.md`, made from the catalogue."""

from __future__ import annotations

from tests.support.paths import ROOT
from workbench.readouts.heads.columns import COLUMNS, KINDS

HEADS_PAGE = ROOT / "docs" / "heads.md"
GROUPS = {
    "patterns": "random tokens, said twice",
    "weights": "the weights",
    "task": "the task's prompts",
}


def heads_tables() -> str:
    """Both tables, as they stand in the page."""
    lines = ["| column | measured on | |", "| --- | --- | --- |"]
    for column in COLUMNS.values():
        definition = column.definition.replace("|", "\\|")
        lines.append(f"| `{column.name}` | {GROUPS[column.group]} | {definition} |")
    lines += ["", "| mark | kind | told by |", "| --- | --- | --- |"]
    lines += [f"| {k.mark} | {k.name} | `{k.column}` from {k.least} on |" for k in KINDS]
    return "\n".join(lines) + "\n"
