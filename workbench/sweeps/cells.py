"""Cells: what a sweep consists of, each one discovery with its own name.

Importing this loads no torch.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any

from workbench.base.home import meant_path
from workbench.discovery.catalogue import find_method
from workbench.discovery.request import DiscoveryRequest
from workbench.errors import WorkbenchError
from workbench.experiment.settings import ExperimentSettings
from workbench.sweeps.schema import MethodTable, SweepFile, read_file

OF_MODEL = ("model", "device", "dtype", "revision")
"""The settings that a loaded model depends on."""


@dataclass(frozen=True)
class Cell:
    """One discovery of a sweep.

    Attributes:
        settings: model, task, seed, ablation and how both are run.
        method: its name in the catalogue.
        told: what else `DiscoveryRequest.parse` is told; only what differs from its defaults.
    """

    settings: ExperimentSettings
    method: str
    told: dict[str, Any]

    @cached_property
    def name(self) -> str:
        """Of its folder: readable, and another one as soon as anything of the cell is another."""
        exact = json.dumps([asdict(self.settings), self.method, self.told], sort_keys=True)
        size = self.size if self.size is not None else self.told.get("threshold", "")
        words = (
            Path(self.settings.model).name,
            Path(self.settings.task).name,
            self.method.rpartition(":")[2],
            f"{size}",
            f"s{self.settings.seed}",
            self.settings.ablation,
        )
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
        return find_method(self.method).kind in ("edges", "nodes")

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
        try:
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
        settings, words = self.settings, ["workbench", "discover"]
        words += [settings.model, settings.task, "--method", self.method]
        told = {k: v for k, v in self.told.items() if k != "options"}
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
        for name in ("pairs", "seed", "metric", "device", "dtype", "revision", "mismatch"):
            if given[name] != defaults[name]:
                words += [f"--{name}", str(given[name])]
        words += ["--ablation", settings.ablation]
        if settings.means is not None:
            words += ["--means-from", settings.means]
        return shlex.join([*words, "-o", to])


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


def _cells(told: SweepFile, beside: Path) -> Iterator[Cell]:
    methods = [MethodTable(name=m) if isinstance(m, str) else m for m in told.methods]
    asked = [(method, list(_sizes(method, told))) for method in methods]
    common = {
        name: getattr(told, name)
        for name in ("pairs", "metric", "device", "dtype", "revision", "bos", "mismatch")
    } | {"drop_bad": told.drop_bad, "means": told.means and _path(told.means, beside)}
    for model in told.models:
        for task in told.tasks:
            for ablation in told.ablations:
                for seed in told.seeds:
                    settings = ExperimentSettings(
                        _path(model, beside),
                        _path(task, beside),
                        seed=seed,
                        ablation=ablation,
                        **common,
                    )
                    for method, sizes in asked:
                        own = _own(method)
                        for size in sizes:
                            yield Cell(settings, method.name, size | own)


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
