"""What was found of effects as a file: a picture or a table, as the file's name says."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.base.write_file import write_bytes
from workbench.errors import WorkbenchError
from workbench.readouts.files import TABLES, check_readout_file

if TYPE_CHECKING:
    from workbench.effects.tables import Result


def write_effects(result: Result, path: str | os.PathLike[str], *, sort: str = "node") -> None:
    """Write direct and total effects, a map, or joint effects.

    Args:
        path: `.svg`, `.pdf` or `.png` for a picture; `.csv`, `.tsv`, `.md` or `.tex` for a table.
        sort: the column by which direct and total effects are sorted in a table.

    Raises:
        WorkbenchError: the name says no format, the file cannot be written, or there is no picture.
    """
    check_readout_file(path)
    suffix = Path(path).suffix.lower()
    if suffix in TABLES:
        from workbench.effects.tables import table_of

        write_bytes(path, TABLES[suffix](table_of(result, sort)).encode("utf-8", "replace"))
        return
    from workbench.effects.map_results import NodeMap
    from workbench.effects.plots import map_drawing, scatter
    from workbench.effects.repair_results import SelfRepair
    from workbench.effects.role_map_results import RoleMap

    if isinstance(result, SelfRepair):
        drawing = scatter(result)
    elif isinstance(result, NodeMap | RoleMap):
        drawing = map_drawing(result)
    else:
        raise WorkbenchError(
            "Joint effects are a table, which has no plot: write a table, such as .csv."
        )
    write_bytes(path, drawing.file(suffix.removeprefix(".")))
