"""Cells handed out to a cluster by Ray; what they come to is written here.

No torch is loaded. A worker is an actor that asks for what the plan of its model says, and is
handed cells of that model as long as there are some. One that is lost, with its node or alone,
loses the cell that it was at; that is handed out again, and after three times counts as failed.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.base.json_values import read_values
from workbench.base.text import printable
from workbench.base.work import Stop
from workbench.base.write_file import write_bytes
from workbench.errors import Cancelled, WorkbenchError
from workbench.sweeps.cells import Cell, Sweep
from workbench.sweeps.folder import SweepFolder, disk_errors
from workbench.sweeps.ray_worker import RayWorker, Returned, plan
from workbench.sweeps.under_way import Board
from workbench.sweeps.workers import LOOK, At, best

if TYPE_CHECKING:
    from types import ModuleType

LOCAL = "local"
"""In place of an address: a Ray of its own on this machine."""
LOST = 3
"""How often a cell may be lost with its worker, or a worker fail to start, before it counts."""
TELL = 1.0
"""Seconds between two questions how far a worker is."""
STORE = 200_000_000
"""Bytes of a local Ray's object store; what goes through it are files of single cells."""
PATIENCE = 10.0
"""Seconds that a cluster has for answering."""
ON_HOST = ("cpu", "mps")
PLAN = "plan.json"


@dataclass(frozen=True)
class Needs:
    """What Ray is asked for, beside one CPU.

    Attributes:
        gpus: whole ones.
        memory: of the host, in bytes.
    """

    gpus: int
    memory: int

    @property
    def words(self) -> str:
        """In words."""
        return ("a GPU and " if self.gpus else "") + f"{self.memory / 1e9:,.1f} GB of memory"


@dataclass
class Worker:
    """An actor, and what it is at.

    Attributes:
        waits: for the start of the actor, then for the present cell; None while it has none.
        unit: what it was handed, the present cell first.
        asked: how far it is, as a question under way.
    """

    actor: Any
    model: tuple[Any, ...]
    waits: Any
    host: str = ""
    unit: list[Cell] = field(default_factory=list)
    last: Cell | None = None
    asked: Any = None

    @property
    def starts(self) -> bool:
        """Whether it does not run yet."""
        return not self.host


def check_ray(sweep: Sweep) -> None:
    """Raises WorkbenchError if Ray is not installed, or a cell names one card of several."""
    if importlib.util.find_spec("ray") is None:
        raise WorkbenchError(
            "--ray takes the extra `cluster`: install it with `pip install "
            "'circuit-workbench[cluster]'` (that is ray), here and on every node."
        )
    for cell in sweep.cells:
        if ":" in (device := cell.settings.device or ""):
            raise WorkbenchError(
                f"Ray chooses the card of each cell: write device = "
                f'"{device.partition(":")[0]}" in {sweep.path.name}, without a number.'
            )
        if cell.settings.device_map is not None:
            raise WorkbenchError(
                "Ray gives each cell one card, which device_map would go beyond: leave it out of "
                f"{sweep.path.name}, or run the sweep without --ray."
            )


def compute_on_ray(
    address: str,
    folder: SweepFolder,
    units: Sequence[list[Cell]],
    told: Callable[[Cell, str], None],
    at: At,
    cancel: Stop | None = None,
) -> None:
    """Hand out cells to a cluster until all are computed.

    Args:
        address: "local", or of a cluster that runs, as `ray.init` takes it.
        units, told, at: as of `compute_with`.

    Raises:
        Cancelled: `cancel` was set; what was finished is there.
        WorkbenchError: there is no such cluster, or the workbench does not run on it.
    """
    if not units:
        return
    with _connected(address) as ray:
        handing = _Handing(ray, folder, [list(unit) for unit in units], told, at, cancel)
        try:
            handing.run()
        finally:
            handing.end()


@contextmanager
def _connected(address: str) -> Iterator[ModuleType]:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Without a GPU to it a process sees none, as this variable's default will be.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "1")
    import ray

    ours = not ray.is_initialized()
    if ours:
        _check_address(address)
        how: dict[str, Any] = {"address": address}
        if address == LOCAL:
            how |= {"include_dashboard": False, "object_store_memory": STORE}
        try:
            ray.init(**how, log_to_driver=False, logging_level=logging.ERROR)
        except Exception as error:
            raise WorkbenchError(
                f"Ray cannot be used at {address}: {_first_line(error)}."
            ) from None
    try:
        yield ray
    finally:
        if ours:
            ray.shutdown()


def _check_address(address: str) -> None:
    """Ray itself goes on trying to reach what is not there. Raises WorkbenchError at once."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon:
        return
    try:
        socket.create_connection((host, int(port)), PATIENCE).close()
    except (OSError, ValueError, OverflowError):
        raise WorkbenchError(
            f"Nothing answers at {printable(address)}: start Ray there with `ray start --head`, "
            "and give the address that it prints."
        ) from None


class _Handing:
    """Hands out cells, until none is left."""

    def __init__(
        self,
        ray: ModuleType,
        folder: SweepFolder,
        waiting: list[list[Cell]],
        told: Callable[[Cell, str], None],
        at: At,
        cancel: Stop | None,
    ) -> None:
        self._ray = ray
        self._folder = folder
        self._waiting = waiting
        self._told = told
        self._at = at
        self._cancel = cancel
        self._board = Board(folder)
        self._workers: list[Worker] = []
        self._lost: Counter[str] = Counter()
        self._failed_starts = 0
        self._looked = 0.0
        self._needs: dict[tuple[Any, ...], Needs] = {}

    def run(self) -> None:
        """Until all cells are finished or failed."""
        self._plan()
        while self._waiting or any(worker.unit for worker in self._workers):
            self._start()
            for worker in self._workers:
                if worker.waits is None:
                    self._hand(worker)
            self._dismiss()
            self._wait([worker.waits for worker in self._workers if worker.waits is not None])
            self._look()

    def end(self) -> None:
        """Nothing is computed for us any more."""
        for worker in self._workers:
            for cell in worker.unit[:1]:
                self._board.end(cell)
            self._kill(worker)

    # What cells need.

    def _plan(self) -> None:
        """Ask nodes what each model needs, one model after the other, unless that is known."""
        path, known = self._folder.path / PLAN, dict[str, list[int]]()
        with suppress(OSError, ValueError, TypeError):
            known = dict(read_values(path))
        by_model: dict[tuple[Any, ...], list[Cell]] = {}
        for unit in self._waiting:
            by_model.setdefault(unit[0].of_model(), []).extend(unit)
        for model, cells in by_model.items():
            gpus = int(self._on_gpu(cells[0]))
            if new := [cell for cell in cells if cell.name not in known]:
                task = self._ray.remote(plan).options(num_cpus=1, num_gpus=gpus)
                asked = task.remote(new)
                with suppress(self._ray.exceptions.RayError):
                    while not self._ray.wait([asked], timeout=LOOK)[0]:
                        self._heed_cancel()
                    known |= {name: list(both) for name, both in self._ray.get(asked).items()}
                    write_bytes(path, json.dumps(known).encode())
            planned = [known[cell.name] for cell in cells if cell.name in known]
            which = 1 if gpus else 0  # on a GPU the host holds the weights while they are read
            self._needs[model] = Needs(gpus, max((int(two[which]) for two in planned), default=0))

    def _on_gpu(self, cell: Cell) -> bool:
        device = cell.settings.device
        if device is None:
            return bool(self._ray.cluster_resources().get("GPU"))
        return device not in ON_HOST

    def _room(self, needs: Needs) -> int:
        """How many workers of these needs the nodes could hold if they held nothing else."""
        wanted = {"CPU": 1, "GPU": needs.gpus, "memory": needs.memory}
        return sum(
            min(int(node["Resources"].get(name, 0) // n) for name, n in wanted.items() if n)
            for node in self._ray.nodes()
            if node["Alive"]
        )

    # Workers.

    def _start(self) -> None:
        """Start workers for cells that wait; of one model at a time, so that none is kept out."""
        starting = next((worker.model for worker in self._workers if worker.starts), None)
        wanted = Counter(unit[0].of_model() for unit in self._waiting)
        for model, n in wanted.items():
            if starting not in (None, model):
                continue
            its = [worker for worker in self._workers if worker.model == model]
            room = self._room(self._needs[model])
            if not room and not its:
                self._refuse(model)
                return
            free = sum(not worker.unit for worker in its)
            for _ in range(min(n - free, room - len(its))):
                self._workers.append(self._new(model))
                starting = model

    def _new(self, model: tuple[Any, ...]) -> Worker:
        needs = self._needs[model]
        kind = self._ray.remote(RayWorker).options(
            num_cpus=1,
            num_gpus=needs.gpus,
            memory=needs.memory or None,
            max_concurrency=2,  # it computes, and says meanwhile how far it is
            max_restarts=0,
            scheduling_strategy="SPREAD",
        )
        actor = kind.remote()
        return Worker(actor, model, actor.ready.remote())

    def _refuse(self, model: tuple[Any, ...]) -> None:
        reason = f"It needs {self._needs[model].words}, and no node of this Ray has as much."
        for unit in [unit for unit in self._waiting if unit[0].of_model() == model]:
            self._waiting.remove(unit)
            for cell in unit:
                self._fail(cell, reason)

    def _dismiss(self) -> None:
        """Let go of workers that wait for nothing: others may need their room."""
        wanted = {unit[0].of_model() for unit in self._waiting}
        for worker in [w for w in self._workers if not w.unit and w.model not in wanted]:
            self._workers.remove(worker)
            self._kill(worker)

    def _kill(self, worker: Worker) -> None:
        with suppress(Exception):
            self._ray.kill(worker.actor)

    def _hand(self, worker: Worker) -> None:
        """The next cell of what it is at, or else of what waits and is of its model."""
        while not worker.unit:
            its = [unit for unit in self._waiting if unit[0].of_model() == worker.model]
            if not its:
                return
            unit = its[best(its, worker.last)]
            self._waiting.remove(unit)
            for cell in unit:
                if self._folder.is_done(cell):  # as a job that ran beside this has it
                    self._told(cell, "")
                else:
                    worker.unit.append(cell)
        cell = worker.last = worker.unit[0]
        scores = self._folder.scores(cell)
        kept = scores.read_bytes() if cell.shares_scores and scores.is_file() else None
        self._board.begin(cell, worker.host)
        worker.waits = worker.actor.compute.remote(cell, kept)

    # What comes back.

    def _wait(self, waits: list[Any]) -> None:
        self._heed_cancel()
        if not waits:
            return
        ready, _ = self._ray.wait(waits, timeout=LOOK)
        for worker in [worker for worker in self._workers if worker.waits in ready]:
            try:
                found = self._ray.get(worker.waits)
            except self._ray.exceptions.RayError as error:
                self._worker_lost(worker, error)
                continue
            worker.waits = None
            if worker.starts:
                self._started(worker, *found)
            else:
                self._ended(worker, found)

    def _started(self, worker: Worker, version: str, host: str) -> None:
        from workbench import __version__

        if version != __version__:
            raise WorkbenchError(
                f"{host} has version {version} of the workbench, and this is {__version__}: "
                "install the same one on all nodes."
            )
        worker.host, self._failed_starts = host or "?", 0

    def _ended(self, worker: Worker, found: Returned) -> None:
        cell = worker.unit.pop(0)
        if found.scores is not None:
            path = self._folder.scores(cell)
            with disk_errors(self._folder.path):
                path.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(path, found.scores)
        if found.reason:
            self._fail(cell, found.reason)
            return

        def fill(place: Path) -> None:
            for name, data in found.files.items():
                (place / name).write_bytes(data)

        self._folder.write_cell(cell, fill)
        self._board.end(cell)
        self._told(cell, "")

    def _fail(self, cell: Cell, reason: str) -> None:
        self._board.end(cell)
        self._folder.write_failure(cell, reason)
        self._told(cell, reason)

    def _worker_lost(self, worker: Worker, error: Exception) -> None:
        self._workers.remove(worker)
        self._kill(worker)
        if worker.starts:
            self._failed_starts += 1
            if self._failed_starts == LOST:
                raise WorkbenchError(
                    f"No worker can be started on Ray ({_first_line(error)}): is the workbench "
                    "installed on every node, in the version that is installed here?"
                )
            return
        cell = worker.unit[0]
        self._board.end(cell)
        self._lost[cell.name] += 1
        if self._lost[cell.name] == LOST:
            self._fail(worker.unit.pop(0), f"Its worker was lost {LOST} times, perhaps for memory.")
        if worker.unit:
            self._waiting.insert(0, worker.unit)

    def _look(self) -> None:
        """Ask workers how far they are, and hear what they answered."""
        if time.monotonic() - self._looked < TELL:
            return
        self._looked = time.monotonic()
        for worker in [worker for worker in self._workers if worker.unit]:
            if worker.asked is not None and self._ray.wait([worker.asked], timeout=0)[0]:
                with suppress(self._ray.exceptions.RayError):
                    fraction = self._ray.get(worker.asked)
                    if fraction is not None:
                        cell = worker.unit[0]
                        self._board.say(cell, f"Running {cell.method}", fraction)
                        self._at(cell, fraction)
                worker.asked = None
            if worker.asked is None:
                worker.asked = worker.actor.now.remote()

    def _heed_cancel(self) -> None:
        if self._cancel is not None and self._cancel.is_set():
            raise Cancelled


def _first_line(error: Exception) -> str:
    lines = [line for line in str(error).strip().splitlines() if line.strip()]
    return (
        printable(lines[-1 if len(lines) > 4 else 0][:200]).rstrip(". ") if lines else "no reason"
    )
