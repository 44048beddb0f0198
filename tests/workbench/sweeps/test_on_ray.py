"""Sweeps on a real Ray: two nodes on one machine, one killed; the driver killed; nothing twice.

What starts a Ray is slow, and skipped where Ray is not installed:
`pytest tests/workbench/sweeps/test_on_ray.py` runs all of it.
"""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.paths import ROOT
from workbench import WorkbenchError, load_circuit, read_sweep, run_sweep
from workbench.sweeps.cells import Cell, Sweep
from workbench.sweeps.folder import SweepFolder

HAS_RAY = importlib.util.find_spec("ray") is not None
FILE = """
models = ["pocket"]
tasks = ["ioi", "greater-than"]
methods = ["eap", "ifr", { name = "acdc", thresholds = [0.01, 0.1] }]
sizes = [20, 50]
seeds = [0, 1]
pairs = 8
"""
on_ray = pytest.mark.skipif(not HAS_RAY, reason="Ray is not installed: pip install '.[cluster]'")


@pytest.fixture
def sweep(tmp_path: Path) -> Sweep:
    path = tmp_path / "s.toml"
    path.write_text(FILE)
    return read_sweep(path)


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A Ray of two nodes with a CPU each, and the second of them."""
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    # So that the loss of a node is noticed at once.
    monkeypatch.setenv("RAY_health_check_period_ms", "500")
    monkeypatch.setenv("RAY_health_check_failure_threshold", "3")
    import ray
    from ray.cluster_utils import Cluster

    cluster = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 1, "object_store_memory": 100_000_000},
    )
    second = cluster.add_node(num_cpus=1, object_store_memory=100_000_000)
    yield cluster, second
    ray.shutdown()
    cluster.shutdown()


def check_whole(sweep: Sweep, plain: Path) -> None:
    """Each cell is there, once, readable, and what the same sweep without Ray found."""
    folder = SweepFolder(sweep.folder)
    named = sorted(path.name for path in (folder.path / "cells").iterdir())
    assert named == sorted(cell.name for cell in sweep.cells)
    for cell in sweep.cells:
        found, kept = folder.result(cell), load_circuit(folder.cell(cell) / "circuit.json")
        beside = SweepFolder(plain).result(cell)
        assert found["evaluation"] == beside["evaluation"] and found["edges"] == beside["edges"]
        assert kept.n_edges == len(found["edges"])


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("plain") / "s.toml"
    path.write_text(FILE)
    return run_sweep(path).folder


@on_ray
@pytest.mark.slow
def test_a_node_is_killed_in_the_middle_and_nothing_is_lost_or_there_twice(
    sweep: Sweep, nodes: Any, plain: Path
) -> None:
    cluster, second = nodes
    ended: Counter[str] = Counter()
    killed = threading.Event()

    def told(cell: Cell, reason: str) -> None:
        assert not reason
        ended[cell.name] += 1
        if sum(ended.values()) == 4 and not killed.is_set():
            cluster.remove_node(second, allow_graceful=False)
            killed.set()

    found = run_sweep(sweep, ray=cluster.address, told=told)
    assert killed.is_set() and set(ended.values()) == {1}
    assert found.computed == found.finished == len(sweep.cells) == len(ended)
    check_whole(sweep, plain)


@on_ray
@pytest.mark.slow
def test_the_driver_is_killed_and_the_same_command_goes_on(
    sweep: Sweep, nodes: Any, plain: Path
) -> None:
    cluster, _ = nodes
    folder, seen = SweepFolder(sweep.folder), dict[str, int]()
    for least in (2, 6):
        driver = subprocess.Popen(
            [sys.executable, "-m", "workbench", "sweep", str(sweep.path), "--ray", cluster.address],
            cwd=ROOT,
            stderr=subprocess.DEVNULL,
        )
        until = time.monotonic() + 90
        while sum(map(folder.is_done, sweep.cells)) < least and time.monotonic() < until:
            time.sleep(0.01)
        os.kill(driver.pid, signal.SIGKILL)
        driver.wait()
        for cell in filter(folder.is_done, sweep.cells):
            when = (folder.cell(cell) / "result.json").stat().st_mtime_ns
            assert seen.setdefault(cell.name, when) == when
    assert len(seen) >= 6
    found = run_sweep(sweep, ray=cluster.address)
    assert found.finished == len(sweep.cells) and found.computed == len(sweep.cells) - len(seen)
    for cell in sweep.cells:
        when = (folder.cell(cell) / "result.json").stat().st_mtime_ns
        assert seen.get(cell.name, when) == when
    check_whole(sweep, plain)


@on_ray
@pytest.mark.slow
def test_cells_that_no_node_can_hold_fail_in_a_sentence_and_an_address_that_is_none(
    sweep: Sweep, nodes: Any
) -> None:
    cluster, _ = nodes
    sweep.folder.mkdir()
    large = {cell.name: [10**15, 10**15] for cell in sweep.cells}
    (sweep.folder / "plan.json").write_text(json.dumps(large))
    found = run_sweep(sweep, ray=cluster.address)
    assert len(found.failed) == len(sweep.cells)
    assert "1,000,000.0 GB of memory, and no node" in found.failed[0][1]
    with pytest.raises(WorkbenchError, match="Nothing answers at localhost") as error:
        run_sweep(sweep, ray="localhost:1", retry=True)
    assert "\n" not in str(error.value)


def test_without_ray_one_sentence_says_what_to_install(
    sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda n: None if n == "ray" else find(n))
    with pytest.raises(WorkbenchError, match=r"pip install 'circuit-workbench\[cluster\]'"):
        run_sweep(sweep, ray="local")
    with pytest.raises(WorkbenchError, match="by workers or on Ray, not both"):
        run_sweep(sweep, ray="local", workers=1)


def test_ray_is_not_told_which_card(sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    sweep.path.write_text(FILE + 'device = "cuda:1"\n')
    with pytest.raises(WorkbenchError, match=r'write device = "cuda" in s\.toml'):
        run_sweep(sweep.path, ray="local")


def test_handing_out_to_ray_loads_no_torch(sweep: Sweep) -> None:
    code = (
        "import sys, workbench.sweeps.on_ray, workbench.sweeps.ray_worker\n"
        "assert not {'torch', 'transformers', 'textual'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, cwd=ROOT)
