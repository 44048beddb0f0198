"""Writing what the screen of effects shows to a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.screen import Screen

from screens.base.worker import Worker, error_sentence
from workbench.base.home import meant_path
from workbench.effects.map_results import NodeMap
from workbench.effects.role_map_results import RoleMap

if TYPE_CHECKING:
    from screens.effects.computing import Found

HINT = "A picture (.svg, .pdf, .png), or every value (.csv, .tsv, .md, .tex)."


def ask_and_write(screen: Screen[str | None], found: Found | None, sort: str, by: Worker) -> None:
    """Ask for a file's name and write to it.

    Args:
        found: what is written; None: nothing is known yet, which is said.
        sort: the column by which a table is sorted.
        by: does the writing.
    """
    from screens.widgets.ask_path import AskPath
    from workbench.effects.files import write_effects
    from workbench.readouts.files import check_readout_file

    if found is None:
        screen.notify("Nothing is known yet that could be written.", timeout=4)
        return

    def check(text: str) -> None:
        check_readout_file(meant_path(text))

    def refused(error: BaseException) -> None:
        screen.notify(error_sentence(error), severity="error", markup=False, timeout=10)

    def write(text: str | None) -> None:
        if text is not None:
            path = meant_path(text)
            by.put(
                lambda: write_effects(found, path, sort=sort),
                lambda _: screen.notify(f"Written: {path}", markup=False, timeout=6),
                refused,
            )

    name = "effects.svg" if isinstance(found, NodeMap) else "repair.svg"
    name = "roles.svg" if isinstance(found, RoleMap) else name
    screen.app.push_screen(AskPath("Write the effects to", name, hint=HINT, check=check), write)
