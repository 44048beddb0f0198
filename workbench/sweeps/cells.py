"""Cells: what a sweep consists of, each one computation with its own name.

Importing this loads no torch.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

from workbench.base.home import meant_path
from workbench.checkpoints.sequence import Checkpoint, read_checkpoints
from workbench.discovery.catalogue import find_method
from workbench.discovery.request import DiscoveryRequest
from workbench.errors import WorkbenchError
from workbench.experiment.settings import ExperimentSettings
from workbench.models.placings import PLACINGS
from workbench.sweeps.schema import MethodTable, RevisionTable, SweepFile, read_file

OF_MODEL = ("model", "device", "device_map", "dtype", "revision")
"""The settings that a loaded model depends on."""

GIVEN, HEADS = "circuit", "heads"
"""What stands for a method in cells that score a circuit file, and that measure a model's heads."""


@dataclass(frozen=True)
class Cell:
    """One discovery of a sweep, one circuit file scored, or the heads of one model.

    Attributes:
        settings: model, task, seed, ablation and how both are run; no task of a model's heads.
        method: its name in the catalogue, `GIVEN` or `HEADS`.
        told: what else `DiscoveryRequest.parse` is told; only what differs from its defaults. Of a
            given circuit its file, and the digest of what stood in it.
        checkpoint: which one the model is, where the sweep is over a training.
    """

    settings: ExperimentSettings
    method: str
    told: dict[str, Any]
    checkpoint: Checkpoint | None = None

    @property
    def kind(self) -> Literal["found", "given", "heads"]:
        """What is done: a circuit is found, one is given and scored, or heads are measured."""
        if "file" in self.told:
            return "given"
        return "heads" if self.told.get("heads") is True else "found"

    @cached_property
    def name(self) -> str:
        """Of its folder: readable, and another one as soon as anything of the cell is another."""
        exact = json.dumps([asdict(self.settings), self.method, self.told], sort_keys=True)
        size = self.size if self.size is not None else self.told.get("threshold", "")
        size = Path(self.told["file"]).stem if self.kind == "given" else size
        revision = [] if self.checkpoint is None else [self.settings.revision or ""]
        words = (
            Path(self.settings.model).name,
            *revision,
            Path(self.settings.task).name,
            self.method.rpartition(":")[2],
            f"{size}",
            f"s{self.settings.seed}",
            self.settings.ablation,
        )
        words = tuple(word for word in words if word or self.kind == "found")
        shown = "-".join(re.sub(r"[^A-Za-z0-9.]+", "-", word)[:24] for word in words)
        return f"{shown.strip('-.')}-{hashlib.sha256(exact.encode()).hexdigest()[:8]}"

    @property
    def size(self) -> int | None:
        """How many edges or nodes are asked for; None where a threshold is."""
        found = self.told.get("edges", self.told.get("nodes"))
        return None if found is None else int(found)

    @property
    def unit(self) -> str:
        """What the size counts."""
        return "nodes" if "nodes" in self.told else "edges"

    @property
    def shares_scores(self) -> bool:
        """Whether other sizes are selected from the same scores."""
        return self.kind == "found" and find_method(self.method).kind in ("edges", "nodes")

    def of_model(self) -> tuple[Any, ...]:
        """Equal of cells that one loaded model serves."""
        return tuple(getattr(self.settings, name) for name in OF_MODEL)

    @cached_property
    def scores_name(self) -> str:
        """Equal of cells whose circuits are selected from the same scores."""
        how = {"edges", "nodes", "threshold", "select", "signed", "exactly"}
        own = {k: v for k, v in self.told.items() if k not in how or not self.shares_scores}
        exact = json.dumps([asdict(self.settings), self.method, own], sort_keys=True)
        return hashlib.sha256(exact.encode()).hexdigest()[:16]

    def request(self) -> DiscoveryRequest:
        """What the method is asked.

        Raises:
            WorkbenchError: the method cannot do this, or not with this metric or ablation.
        """
        told = dict(self.told)
        if told.get("options"):
            from workbench.discovery.options import read_options

            given = [f"{name}={_text(value)}" for name, value in told["options"].items()]
            entry = find_method(self.method)
            told["options"] = read_options(entry.options, given, entry.name)
        settings = self.settings
        return DiscoveryRequest.parse(self.method, **told, seed=settings.seed).checked(
            metric=settings.metric, ablation=settings.ablation
        )

    def check(self) -> str:
        """Why this cell cannot be, as far as that is known before a model is loaded; or ""."""
        from workbench.models.source import find_model

        try:
            if self.kind == "heads":
                find_model(self.settings.model)
                return ""
            if self.kind == "found":
                self.request()
            self.settings.checked()
        except WorkbenchError as error:
            return str(error)
        return ""

    def command(self, to: str = "circuit.json") -> str:
        """The plain command that does the same, as a line for a shell.

        Args:
            to: where it is to write the circuit.
        """
        settings, words = self.settings, ["workbench"]
        told: dict[str, Any] = {}
        if self.kind == "found":
            words += ["discover", settings.model, settings.task, "--method", self.method]
            told = {k: v for k, v in self.told.items() if k != "options"}
        elif self.kind == "given":
            words += ["evaluate", settings.model, settings.task, self.told["file"]]
        else:
            words += ["heads", settings.model]
        for name, value in told.items():
            words += [f"--{name}"] if value is True else [f"--{name}", _text(value)]
        for name, value in self.told.get("options", {}).items():
            words += ["--option", f"{name}={_text(value)}"]
        given = asdict(settings)
        defaults = asdict(ExperimentSettings(settings.model, settings.task))
        if given["bos"] is not None:
            words.append("--bos" if given["bos"] else "--no-bos")
        if given["drop_bad"]:
            words.append("--drop-bad")
        for name in ("pairs", "seed", "metric", *OF_MODEL[1:], "mismatch"):
            if given[name] != defaults[name]:
                words += [f"--{name.replace('_', '-')}", str(given[name])]
        if self.kind != "heads":
            words += ["--ablation", settings.ablation]
        if settings.means is not None:
            words += ["--means-from", settings.means]
        return shlex.join([*words, *(["-o", to] if self.kind == "found" else ["--json"])])


@dataclass(frozen=True)
class Sweep:
    """A sweep that was read.

    Attributes:
        path: its file.
        folder: where its results are.
        cells: all of them, those of one model, task and method one after the other.
    """

    path: Path
    folder: Path
    cells: tuple[Cell, ...]

    def units(self, cells: list[Cell]) -> list[list[Cell]]:
        """Some of its cells, those together that share scores."""
        return [list(group) for _, group in groupby(cells, key=lambda cell: cell.scores_name)]


def read_sweep(path: str | os.PathLike[str]) -> Sweep:
    """A sweep from its TOML file; names of files in it are from the file's own folder.

    Raises:
        WorkbenchError: one sentence: the file cannot be used, or a method has no sizes.
    """
    # Whole, so that cells have the same names wherever the command is given.
    file = Path(os.path.abspath(meant_path(path)))
    told = read_file(file)
    folder = file.parent / (told.folder or file.stem)
    if folder.exists() and not folder.is_dir():
        raise WorkbenchError(f"{folder.name} is no folder: name another one with folder = ...")
    # A name given twice is one cell, not two.
    cells = {cell.name: cell for cell in _cells(told, file.parent)}
    return Sweep(file, folder, tuple(cells.values()))


def sweep_cells(path: str | os.PathLike[str]) -> tuple[Cell, ...]:
    """The cells of a sweep's TOML file, in the order in which they are computed.

    Raises:
        WorkbenchError: as of `read_sweep`.
    """
    return read_sweep(path).cells


def _models(told: SweepFile, beside: Path) -> Iterator[tuple[str, str | None, Checkpoint | None]]:
    """Each model with its revision, those of a training one after the other."""
    for model in told.models:
        yield _path(model, beside), told.revision, None
    if told.checkpoints is None:
        return
    if told.revision is not None:
        raise WorkbenchError("A sweep over checkpoints has their revisions, and no revision.")
    given = told.checkpoints
    named = given.model_dump() if isinstance(given, RevisionTable) else given
    for one in read_checkpoints(named, beside):
        yield one.model, one.revision, one


def _given(names: Sequence[str], beside: Path) -> list[dict[str, Any]]:
    """The circuit files, each with the digest of its content: a changed one is another cell's."""
    from workbench.formats import NeedsGraph
    from workbench.formats.chosen import load_chosen

    found = []
    for name in names:
        path = beside / meant_path(name)
        with suppress(NeedsGraph):
            load_chosen(path)
        data = path.read_bytes() if path.is_file() else b""
        found.append({"file": str(path), "digest": hashlib.sha256(data).hexdigest()[:16]})
    return found


def _cells(told: SweepFile, beside: Path) -> Iterator[Cell]:
    given = _given(told.circuits, beside)
    methods = [MethodTable(name=m) if isinstance(m, str) else m for m in told.methods]
    asked = [(method, list(_sizes(method, told))) for method in methods]
    common = {
        name: getattr(told, name)
        for name in ("pairs", "metric", "device", "dtype", "bos", "mismatch")
    } | {"drop_bad": told.drop_bad, "means": told.means and _path(told.means, beside)}
    spread = told.device_map
    if spread is not None and spread not in PLACINGS:
        spread = str(beside / meant_path(spread))
    common["device_map"] = spread
    for model, revision, checkpoint in _models(told, beside):
        if told.heads:
            alone = ExperimentSettings(
                model,
                "",
                seed=told.seeds[0],
                device=told.device,
                device_map=spread,
                dtype=told.dtype,
                revision=revision,
            )
            yield Cell(alone, HEADS, {"heads": True}, checkpoint)
        for task in told.tasks:
            for ablation in told.ablations:
                for seed in told.seeds:
                    settings = ExperimentSettings(
                        model,
                        _path(task, beside),
                        seed=seed,
                        ablation=ablation,
                        revision=revision,
                        **common,
                    )
                    for one in given:
                        yield Cell(settings, GIVEN, one, checkpoint)
                    for method, sizes in asked:
                        own = _own(method)
                        for size in sizes:
                            yield Cell(settings, method.name, size | own, checkpoint)


def _sizes(method: MethodTable, told: SweepFile) -> Iterator[dict[str, Any]]:
    if method.thresholds is not None:
        if method.sizes is not None:
            raise WorkbenchError(f"Give {method.name} sizes or thresholds, not both.")
        yield from ({"threshold": value} for value in method.thresholds)
        return
    entry = find_method(method.name)
    unit = "nodes" if entry.kind == "nodes" else "edges"
    sizes = method.sizes or (told.nodes if unit == "nodes" else told.sizes)
    if "threshold" in entry.option_names and "edges" not in entry.option_names:
        raise WorkbenchError(
            f"{method.name} ends at a threshold: "
            f'write {{ name = "{method.name}", thresholds = [...] }} among the methods.'
        )
    if sizes is None:
        name = "nodes" if unit == "nodes" else "sizes"
        raise WorkbenchError(f"Say how many {unit} {method.name} is to select: {name} = [...].")
    yield from ({unit: size} for size in sizes)


def _own(method: MethodTable) -> dict[str, Any]:
    names = ("select", "signed", "exactly", "steps", "absolute", "measure", "options")
    plain = MethodTable(name=method.name)
    return {n: v for n in names if (v := getattr(method, n)) != getattr(plain, n)}


def _path(name: str, beside: Path) -> str:
    """A file or folder beside the sweep's file by its path; any other name as it is."""
    found = beside / meant_path(name)
    return str(found) if ("/" in name or "." in name) and found.exists() else name


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
