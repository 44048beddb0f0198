"""What a cell costs on Ray beside its own computation: `python -m tests.support.ray_overhead`.

One worker computes cells of `pocket`, one after the other; from the time between two ends the time
that the worker itself took is subtracted. It needs Ray: `pip install '.[cluster]'`.
"""

from __future__ import annotations

import tempfile
import time
from itertools import pairwise
from pathlib import Path
from statistics import median

from workbench import read_sweep, run_sweep
from workbench.sweeps.cells import Cell
from workbench.sweeps.folder import SweepFolder

FILE = """
models = ["pocket"]
tasks = ["ioi"]
methods = ["eap", "ifr", "eap-ig", "relp"]
sizes = [20, 50, 80, 110]
seeds = [0, 1]
pairs = 8
device = "cpu"
"""


def main() -> None:
    """Print the median and the largest, in milliseconds, without the first cell of the worker."""
    import ray

    with tempfile.TemporaryDirectory() as made:
        path = Path(made) / "overhead.toml"
        path.write_text(FILE, encoding="utf-8")
        sweep, ended = read_sweep(path), list[tuple[float, Cell]]()
        ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False)
        told = lambda cell, reason: ended.append((time.perf_counter(), cell))  # noqa: E731
        run_sweep(sweep, ray="local", told=told)
        ray.shutdown()
        folder = SweepFolder(sweep.folder)
        costs = [
            1000 * (now - before - folder.result(cell)["wall_seconds"])
            for (before, _), (now, cell) in pairwise(ended)
        ]
    print(f"{len(costs)} cells: median {median(costs):.0f} ms, largest {max(costs):.0f} ms")


if __name__ == "__main__":
    main()
