"""The files that tell of a whole sweep: its table, twice, and its page."""

from __future__ import annotations

import json
from pathlib import Path

from workbench.assessment.report.page import write_page
from workbench.base.write_file import write_bytes
from workbench.sweeps.cells import Sweep
from workbench.sweeps.folder import SweepFolder
from workbench.sweeps.page import page
from workbench.sweeps.results import Circuits, rows_of, table_of
from workbench.sweeps.training import heads_of, heads_table


def write_results(sweep: Sweep, folder: SweepFolder) -> tuple[Path, ...]:
    """Write table.jsonl, table.csv and page.html into the sweep's folder.

    And heads.csv, where models' heads were measured.

    Returns:
        The files.

    Raises:
        WorkbenchError: one of them could not be written.
    """
    rows = rows_of(sweep, folder)
    lines, table = folder.path / "table.jsonl", folder.path / "table.csv"
    write_bytes(lines, "".join(json.dumps(row) + "\n" for row in rows).encode())
    write_bytes(table, table_of(rows).to_csv().encode("utf-8", "replace"))
    heads, written = heads_of(sweep.cells, folder), [lines, table]
    if heads:
        written.append(folder.path / "heads.csv")
        write_bytes(written[-1], heads_table(heads).to_csv().encode("utf-8", "replace"))
    blocks = page(sweep.path.name, rows, Circuits(sweep, folder), sweep.cells, heads)
    return *written, *write_page(blocks, folder.path / "page.html")
