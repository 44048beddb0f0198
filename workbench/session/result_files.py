"""Held results on the disk: a folder beside the journal, two files for each result.

`3.npz` has what the method found, `3.json` what was made of it; the second is written last and
renamed into place, so a result is there as a whole or not at all. Writing them never loses one that
is held in memory: a folder that cannot be written costs the resuming only.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from workbench.base.json_values import (
    MOST_BYTES,
    maybe,
    object_of,
    read_values,
    real,
    string,
    strings,
)
from workbench.base.text import shown_path
from workbench.base.write_file import write_bytes
from workbench.circuits.graph import Graph
from workbench.discovery.findings_file import load_findings, save_findings
from workbench.discovery.request import options_from_json, selection_from_json
from workbench.discovery.selection import select
from workbench.errors import WorkbenchError
from workbench.session.results import DiscoveryResult

SHOWN = "shown"
"""The file that holds the number of the shown result."""


class ResultFiles:
    """The results of one session.

    Attributes:
        folder: where they are; made when the first one is saved.
        damage: a sentence on each result that `load` could not read.

    Glossary: docs/glossary.md#result-files.
    """

    def __init__(self, journal: Path) -> None:
        self.folder = journal.with_suffix(".found")
        self.damage: tuple[str, ...] = ()

    def save(self, held: DiscoveryResult, *, scores: bool = True) -> None:
        """Write a result.

        Args:
            scores: False if they are there already, and only what was made of them is other.

        Raises:
            WorkbenchError: if it cannot be written.
        """
        try:
            self.folder.mkdir(exist_ok=True, mode=0o700)
            if scores:
                save_findings(self._path(held.number, "npz"), held.found)
            self._write(self._path(held.number, "json"), json.dumps(_to_json(held)))
        except OSError as error:
            raise WorkbenchError(
                f"The result cannot be kept in {self.folder}: "
                f"{(error.strerror or str(error)).lower()}; it is lost when the session ends."
            ) from None

    def mark(self, shown: DiscoveryResult | None) -> None:
        """Remember which one is shown."""
        with contextlib.suppress(OSError, WorkbenchError):
            if self.folder.is_dir():
                self._write(self.folder / SHOWN, str(shown.number) if shown else "")

    def remove(self, held: DiscoveryResult) -> None:
        """Remove the files of a result, as far as that can be done."""
        with contextlib.suppress(OSError):
            for ending in ("json", "npz"):
                self._path(held.number, ending).unlink(missing_ok=True)

    def load(self, graph: Graph) -> tuple[tuple[DiscoveryResult, ...], DiscoveryResult | None]:
        """All results that can be read, in order, and the shown one; `damage` tells the rest."""
        results, self.damage = [], ()
        for number in self._numbers(".json"):  # which is written last
            try:
                results.append(self._read(number, graph))
            except (WorkbenchError, OSError, ValueError, KeyError, TypeError):
                self.damage += (
                    f"Result {number} cannot be read (its files are {number}.json and {number}.npz "
                    f"in {shown_path(self.folder)}): run the method again.",
                )
        mark = b""
        with contextlib.suppress(OSError), (self.folder / SHOWN).open("rb") as file:
            mark = file.read(20)
        shown = next((held for held in results if str(held.number).encode() == mark), None)
        return tuple(results), shown

    def _numbers(self, *endings: str) -> list[int]:
        """Of the results that have a file of these endings, in order."""
        with contextlib.suppress(OSError):
            stems = {path.stem for path in self.folder.iterdir() if path.suffix in endings}
            return sorted(int(stem) for stem in stems if stem.isdecimal() and len(stem) < 10)
        return []

    @property
    def last(self) -> int:
        """The largest number that is taken, by a result that cannot be read, too; 0 for none."""
        return max(self._numbers(".json", ".npz"), default=0)

    def _path(self, number: int, ending: str) -> Path:
        return self.folder / f"{number}.{ending}"

    def _read(self, number: int, graph: Graph) -> DiscoveryResult:
        value = object_of(read_values(self._path(number, "json"), MOST_BYTES))
        found, _ = load_findings(self._path(number, "npz"), graph)
        selection = maybe(selection_from_json)(value["selection"])
        refused = strings(value["refused"])
        for edge in refused:
            graph.parse_edge(edge)
        return DiscoveryResult(
            number=number,
            name=string(value["name"]),
            options=options_from_json(found.method, object_of(value["options"])),
            selection=selection,
            found=found,
            fraction=real(value["fraction"]),
            seconds=real(value["seconds"]),
            failure=string(value["failure"]),
            selected=select(found, selection),
            metric=maybe(real)(value["metric"]),
            faithfulness=maybe(real)(value["faithfulness"]),
            refused=frozenset(refused),
            pairs=string(value.get("pairs", "")),
        )

    @staticmethod
    def _write(path: Path, text: str) -> None:
        write_bytes(path, text.encode("ascii"))


def _to_json(held: DiscoveryResult) -> dict[str, Any]:
    return {
        "name": held.name,
        "options": held.options.to_json(),
        "selection": held.selection and asdict(held.selection),
        "fraction": held.fraction,
        "seconds": held.seconds,
        "failure": held.failure,
        "metric": held.metric,
        "faithfulness": held.faithfulness,
        "refused": sorted(held.refused),
        "pairs": held.pairs,
    }
