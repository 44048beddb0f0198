"""Cells computed: scores once, then each circuit that is selected from them.

A circuit file is scored, and a model's heads are measured, in cells of their own.
"""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.base.failures import is_memory_error, memory_errors
from workbench.base.progress import Progress, silent
from workbench.base.strict_json import strict_json
from workbench.base.text import printable
from workbench.base.work import Stop, finish
from workbench.errors import Cancelled, WorkbenchError
from workbench.sweeps.cells import Cell
from workbench.sweeps.folder import CIRCUIT, RESULT, SweepFolder, disk_errors
from workbench.sweeps.under_way import Board

if TYPE_CHECKING:
    from workbench.discovery.findings import Findings
    from workbench.discovery.request import DiscoveryRequest
    from workbench.discovery.run import Discovery
    from workbench.experiment.experiment import Experiment
    from workbench.experiment.pieces import Pieces
    from workbench.models.model import Model

Told = Callable[[Cell, str], None]
"""Told of each cell when it ends, and why it failed; "" where it did not."""

NO_MEMORY = "There is not enough memory for this cell: try fewer pairs, or close other programs."


class Computer:
    """Computes cells into a folder; keeps the model and the runs that it used last.

    Attributes:
        folder: of the sweep.
        loaded: how many times a model was loaded.
    """

    def __init__(self, folder: SweepFolder) -> None:
        self.folder = folder
        self._board = Board(folder)
        self.loaded = 0
        self._of_model: tuple[Any, ...] | None = None
        self._model: Model | None = None
        self._of_runs: Any = None
        self._runs: Experiment | Pieces | None = None

    def use(self, folder: SweepFolder) -> None:
        """Go on in another folder."""
        self.folder, self._board = folder, Board(folder)

    def compute(
        self,
        cells: Sequence[Cell],
        told: Told,
        progress: Progress | None = None,
        cancel: Stop | None = None,
    ) -> None:
        """Compute cells that share scores, one after the other; a failed one stops no other.

        Args:
            progress: told what is being done of the present cell, and the fraction of that cell.

        Raises:
            Cancelled: `cancel` was set; what is finished by then is written.
        """
        for cell in cells:
            if cancel is not None and cancel.is_set():
                raise Cancelled
            if self.folder.is_done(cell):
                told(cell, "")
                continue
            say = self._telling(cell, progress or silent)
            self._board.begin(cell)
            try:
                self._cell(cell, say, cancel)
                reason = ""
            except WorkbenchError as error:
                reason = str(error)
            except Cancelled:
                raise
            except Exception as error:
                reason = _sentence(error)
            finally:
                self._board.end(cell)
            if reason:
                self.folder.write_failure(cell, reason)
            told(cell, reason)

    def _telling(self, cell: Cell, say: Progress) -> Progress:
        """Of the cell's parts its method alone counts: it is what takes long."""

        def tell(message: str, fraction: float | None) -> None:
            done = fraction if message == _running(cell) else None
            self._board.say(cell, message, done)
            say(message, done)

        return tell

    def _cell(self, cell: Cell, say: Progress, cancel: Stop | None) -> None:
        began, found = time.perf_counter(), None
        remarks: list[str] = []
        with warnings.catch_warnings(record=True) as warned, memory_errors(NO_MEMORY):
            warnings.simplefilter("always")
            if cell.kind == "found":
                request = cell.request()
                runs = self._prepared(cell, request.entry.adds_up, say)
                request.check_metric(runs.metric_name)
                found = self._found(cell, request, runs, say, cancel)
                told = found.to_json()
            else:
                told = self._heads(cell, say) if cell.kind == "heads" else self._given(cell, say)
        remarks += [str(one.message) for one in warned if "workbench" in one.filename]
        if found is not None and not found.complete:
            raise Cancelled  # what is stopped is begun anew, not kept in part
        told |= {"command": cell.command(), "warnings": remarks}

        def fill(folder: Path) -> None:
            if found is not None:
                found.save(folder / CIRCUIT)
            told["wall_seconds"] = time.perf_counter() - began
            text = json.dumps(strict_json(told), indent=1, allow_nan=False)
            (folder / RESULT).write_text(text, encoding="utf-8")

        self.folder.write_cell(cell, fill)

    def _given(self, cell: Cell, say: Progress) -> dict[str, Any]:
        """A circuit file scored, as `workbench evaluate --json` says it."""
        from workbench.engine.score_pieces import score_some
        from workbench.experiment.interventions import interventions_of
        from workbench.experiment.prepare import prepare_some
        from workbench.formats.chosen import load_chosen

        model = self._loaded(cell, say)
        circuit = load_chosen(cell.told["file"], model.graph)
        done = interventions_of(circuit)
        began = time.perf_counter()
        if done:
            runs = prepare_some(model, cell.settings.task, cell.settings, say, done)
        else:
            runs = self._prepared(cell, True, say)
        scored = score_some(runs, circuit, say)
        for warning in scored.warnings:
            warnings.warn(warning, stacklevel=2)
        told = {"evaluation": scored.score.to_json(), "seconds": time.perf_counter() - began}
        return told | ({"interventions": [one.text for one in done]} if done else {})

    def _heads(self, cell: Cell, say: Progress) -> dict[str, Any]:
        """The heads of a model, as `workbench heads --json` says them."""
        from workbench.readouts.heads.finder import find_heads

        model, began = self._loaded(cell, say), time.perf_counter()
        found = find_heads(
            model, seed=cell.settings.seed, progress=lambda fraction: say(_running(cell), fraction)
        )
        return found.to_json() | {"seconds": time.perf_counter() - began}

    def _loaded(self, cell: Cell, say: Progress) -> Model:
        if cell.of_model() != self._of_model:
            self._model = self._runs = self._of_runs = self._of_model = None
            if cell.kind != "heads":
                cell.settings.checked()
            self._model = cell.settings.load_model(say)
            self._of_model = cell.of_model()
            self.loaded += 1
        assert self._model is not None
        return self._model

    def _prepared(self, cell: Cell, adds_up: bool, say: Progress) -> Experiment | Pieces:
        """The runs of a cell; all pairs at once where its method's numbers do not add up."""
        from workbench.experiment.pieces import Pieces
        from workbench.experiment.prepare import prepare_some

        model = self._loaded(cell, say)
        settings, of_one = self._of_runs or (None, None)
        # What is run in pieces for one method may have to be refused of another.
        fits = of_one is None or of_one == adds_up
        if self._runs is None or settings != cell.settings or not fits:
            self._runs = self._of_runs = None
            why = "" if adds_up else f"{cell.method} needs all of them at once."
            self._runs = prepare_some(
                model, cell.settings.task, cell.settings, say, all_at_once=why
            )
            of_one = adds_up if isinstance(self._runs, Pieces) else None
            self._of_runs = (cell.settings, of_one)
        return self._runs

    def _found(
        self,
        cell: Cell,
        request: DiscoveryRequest,
        runs: Experiment | Pieces,
        say: Progress,
        cancel: Stop | None,
    ) -> Discovery:
        from workbench.discovery.run import discovery_from, discovery_from_pieces
        from workbench.experiment.pieces import Pieces

        findings, seconds = self._findings(cell, request, runs, say, cancel)
        if isinstance(runs, Pieces):
            return discovery_from_pieces(runs, findings, request, seconds, say, cancel)[0]
        return discovery_from(runs, findings, request, seconds)

    def _findings(
        self,
        cell: Cell,
        request: DiscoveryRequest,
        runs: Experiment | Pieces,
        say: Progress,
        cancel: Stop | None,
    ) -> tuple[Findings, float]:
        """The scores, from their file where another size has had them, and how long they took."""
        from workbench.discovery.findings import Findings
        from workbench.discovery.findings_file import load_findings, save_findings
        from workbench.discovery.in_pieces import find_in_pieces
        from workbench.experiment.pieces import Pieces

        path = self.folder.scores(cell)
        if cell.shares_scores and path.is_file():
            findings, about = load_findings(path, runs.model.graph)
            return findings, float(about["seconds"])

        def step(fraction: float) -> None:
            say(_running(cell), fraction)

        began = time.perf_counter()
        if isinstance(runs, Pieces):
            findings, seconds = find_in_pieces(runs, request, step, cancel)
        else:
            findings = Findings.about(runs, request.method)
            finish(request.entry.load()(runs, findings, request.options), step, cancel)
            seconds = time.perf_counter() - began
        if not findings.complete:
            if cancel is not None and cancel.is_set():
                raise Cancelled
            raise WorkbenchError(f"{request.method} did not come to its end.")
        if cell.shares_scores:
            with disk_errors(self.folder.path):
                path.parent.mkdir(parents=True, exist_ok=True)
            save_findings(path, findings, {"seconds": seconds})
        return replace(findings, remarks=list(findings.remarks)), seconds


def _running(cell: Cell) -> str:
    return f"Running {cell.method}"


def _sentence(error: Exception) -> str:
    """Why a cell failed, of an error that says it in no sentence."""
    if is_memory_error(error):
        return NO_MEMORY
    lines = str(error).strip().splitlines()
    said = f": {printable(lines[0][:200]).rstrip('.')}" if lines else ""
    return f"The computation failed with {type(error).__name__}{said}."
