"""Held results on the disk: a folder beside the journal, two files for each result.

`3.npz` has what the method found, `3.json` what was made of it; the second is written last and
renamed into place, so a result is there as a whole or not at all. Writing them never loses one that
is held in memory: a folder that cannot be written costs the resuming only.
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from workbench.base.json_values import strings
from workbench.circuits.graph import Graph
from workbench.discovery.catalogue import find_method
from workbench.discovery.findings_file import load_findings, save_findings
from workbench.discovery.options import Options
from workbench.discovery.selection import Selection, select
from workbench.errors import WorkbenchError
from workbench.session.results import DiscoveryResult

SHOWN = "shown"
"""The file that holds the number of the shown result."""


class ResultFiles:
    """The results of one session.

    Attributes:
        folder: where they are; made when the first one is saved.

    Glossary: docs/glossary.md#result-files.
    """

    def __init__(self, journal: Path) -> None:
        self.folder = journal.with_suffix(".found")

    def save(self, held: DiscoveryResult, *, scores: bool = True) -> None:
        """Write a result.

        Args:
            scores: False if they are there already, and only what was made of them is other.

        Raises:
            WorkbenchError: if it cannot be written.
        """
        try:
            self.folder.mkdir(exist_ok=True)
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
        with contextlib.suppress(OSError):
            if self.folder.is_dir():
                self._write(self.folder / SHOWN, str(shown.number) if shown else "")

    def remove(self, held: DiscoveryResult) -> None:
        """Remove the files of a result, as far as that can be done."""
        with contextlib.suppress(OSError):
            for ending in ("json", "npz"):
                self._path(held.number, ending).unlink(missing_ok=True)

    def load(self, graph: Graph) -> tuple[tuple[DiscoveryResult, ...], DiscoveryResult | None]:
        """All results that can be read, in order, and the shown one."""
        results = []
        for path in self.folder.glob("*.json") if self.folder.is_dir() else ():
            with contextlib.suppress(WorkbenchError, OSError, ValueError, KeyError, TypeError):
                results.append(self._read(int(path.stem), graph))
        results.sort(key=lambda held: held.number)
        number = ""
        with contextlib.suppress(OSError):
            number = (self.folder / SHOWN).read_text()
        shown = next((held for held in results if str(held.number) == number), None)
        return tuple(results), shown

    def _path(self, number: int, ending: str) -> Path:
        return self.folder / f"{number}.{ending}"

    def _read(self, number: int, graph: Graph) -> DiscoveryResult:
        value = json.loads(self._path(number, "json").read_text())
        found, _ = load_findings(self._path(number, "npz"), graph)
        selection = value["selection"] and Selection(**value["selection"])
        return DiscoveryResult(
            number=number,
            name=str(value["name"]),
            options=_options(found.method, value["options"]),
            selection=selection,
            found=found,
            fraction=float(value["fraction"]),
            seconds=float(value["seconds"]),
            failure=str(value["failure"]),
            selected=select(found, selection),
            metric=value["metric"],
            faithfulness=value["faithfulness"],
            refused=frozenset(strings(value["refused"])),
            pairs=str(value.get("pairs", "")),
        )

    @staticmethod
    def _write(path: Path, text: str) -> None:
        draft = path.with_name(f".{path.name}.new")
        with draft.open("w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)


def _options(method: str, told: dict[str, Any]) -> Options:
    """Those that the method has; older files name options of other methods too."""
    heeded = (*find_method(method).option_names, "seed")
    return Options(**{name: value for name, value in told.items() if name in heeded})


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
