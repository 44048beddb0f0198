"""How long it takes from nothing to the first number, in processes of their own.

Processor time, which another program on the machine does not stretch as it does the clock. The
model passes its self-check once before anything is timed, as it has on a machine where it was
looked at before; that first start is timed too, in a state folder of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile

from workbench.base.folders import STATE_VARIABLE
from workbench.base.progress import Progress, silent
from workbench.benchmarks.app import first_paints
from workbench.benchmarks.figures import Figure, Figures
from workbench.errors import WorkbenchError
from workbench.experiment.provenance import versions

TORCH = "import torch"

WEIGHTS = """
import json, sys, time, torch
from workbench.models.device import choose_device, choose_dtype
from workbench.models.place import Place
place = Place.of(sys.argv[1], None, choose_device("cpu"), choose_dtype(), lambda *_: None)
files = sorted(place.folder.glob("*.safetensors")) if place.folder else []
from safetensors import safe_open
began = time.process_time()
for file in files:
    with safe_open(str(file), framework="pt") as opened:
        for name in opened.keys():
            opened.get_tensor(name).sum()
print(json.dumps({"seconds": time.process_time() - began}))
"""
"""Every weight read once."""

SESSION = """
import json, sys, time
from workbench.session.start import start_session
told = {}
def say(what, fraction):
    told.setdefault(what, time.process_time())
session = start_session(sys.argv[1], sys.argv[2], pairs=int(sys.argv[3]), device="cpu",
                        progress=say)
said = session.status().faithfulness
first = min((at for what, at in told.items() if what.startswith("Estimating")), default=0)
print(json.dumps({"first": first, "open": time.process_time(), "said": said,
                  "transformers": "transformers" in sys.modules}))
"""
"""The first number is the metric of both runs; the bench opens with the estimates of all edges."""

BUNDLED = ("pocket", "sums", "known")


def measure_start(
    model: str, task: str, *, pairs: int = 16, rounds: int = 5, progress: Progress | None = None
) -> Figures:
    """Measure the time from nothing to the first number, and the app's first paint.

    Args:
        model, task, pairs: what is opened, on the CPU.
        rounds: how often each is timed.
        progress: told what is being measured.

    Raises:
        WorkbenchError: a session on them cannot be begun.
    """
    say = progress or silent
    about = {
        "model": model,
        "task": f"{task}, {pairs} pairs",
        "versions": ", ".join(f"{package} {version}" for package, version in versions().items()),
    }
    figures = Figures(about)
    with tempfile.TemporaryDirectory() as state:
        environment = {**os.environ, STATE_VARIABLE: state}
        arguments = (model, task, str(pairs))
        say("Starting for the first time", None)
        before = _run(SESSION, arguments, environment)
        _run(SESSION, arguments, environment)  # digests of new files are kept from here on
        torch_s, weights, first, opened, own = [], [], [], [], []
        for number in range(rounds):
            say("Starting", number / rounds)
            torch_s.append(_cpu(TORCH, environment))
            weights.append(_run(WEIGHTS, (model,), environment)["seconds"])
            told = _run(SESSION, arguments, environment)
            first.append(told["first"])
            opened.append(told["open"])
            own.append(told["transformers"])
    factor, more = (1.5, 0.7) if model in BUNDLED else (2.0, sorted(weights)[rounds // 2])
    aim = factor * sorted(torch_s)[rounds // 2] + more
    how = "transformers imported" if any(own) else "transformers not imported"
    figures.add(Figure.of("`import torch`", torch_s, "s"))
    figures.add(Figure.of("reading every weight once", weights, "s"))
    figures.add(Figure.of("first number, the metric of both runs", first, "s", aim=aim, note=how))
    figures.add(Figure.of("bench open, with the estimates of all edges", opened, "s"))
    figures.add(Figure.of("first number where the model was never checked", [before["first"]], "s"))
    with tempfile.TemporaryDirectory() as state:
        own_settings = {"WORKBENCH_STATE": state, "WORKBENCH_CONFIG": state}
        for figure in first_paints(model, task, max(rounds, 3), own_settings, say):
            figures.add(figure)
    return figures


def _run(code: str, arguments: tuple[str, ...], environment: dict[str, str]) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["it ended without a word"]
        raise WorkbenchError(f"No session could be begun: {said[-1].rpartition('Error: ')[2]}")
    found: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def _cpu(code: str, environment: dict[str, str]) -> float:
    timed = f"{code}\nimport json, time\nprint(json.dumps({{'s': time.process_time()}}))"
    return _run(timed, (), environment)["s"]
