"""Results are shown by modules that wait for no numbers: importing them loads no arrays."""

from __future__ import annotations

import subprocess
import sys

PARTS = ("minimality", "completeness", "chance", "hypotheses", "stability", "overlap")
MODULES = tuple(f"{folder}.{part}" for folder in ("parts", "results") for part in PARTS)


def test_the_results_need_neither_numpy_nor_torch() -> None:
    code = (
        "import sys, importlib; "
        f"[importlib.import_module('workbench.assessment.' + name) for name in {MODULES}]; "
        "print([name for name in ('numpy', 'scipy', 'torch') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
