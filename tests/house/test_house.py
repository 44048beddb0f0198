"""The rules of the house: lint, types, which room may import which, and what an import loads."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from itertools import pairwise

import pytest

import workbench
from tests.support.paths import ROOT

MAX_LINES = 450
ROOMS = ("workbench", "screens", "tasks")
LONG_SIGNATURES = {
    # The options of a command.
    "workbench/benchmarks/assessment.py measure_assessment",
    "workbench/benchmarks/by_role.py measure_by_role",
    "workbench/benchmarks/discovery.py measure_discovery",
    "workbench/benchmarks/engine.py measure",
    "workbench/benchmarks/engine.py prepared",
    "workbench/cli/all_for_one.py all_for_one",
    "workbench/cli/assess.py assess",
    "workbench/cli/bench.py bench",
    "workbench/cli/clusters.py clusters",
    "workbench/cli/heads.py heads",
    "workbench/cli/intervene.py intervene",
    "workbench/cli/neurons.py neurons",
    "workbench/cli/readout.py readout",
    "workbench/cli/reliability.py reliability",
    "workbench/cli/why.py why",
    "workbench/cli/tasks.py tasks",
    "workbench/cli/run_text.py run_text",
    "workbench/cli/discover.py discover",
    "workbench/cli/expand.py expand",
    "workbench/cli/effects.py effects",
    "workbench/cli/effects.py repair",
    "workbench/cli/draw.py draw",
    "workbench/cli/lens.py fit",
    "workbench/cli/main.py models",
    "workbench/cli/sweep.py sweep",
    "workbench/cli/grid.py grid",
    "workbench/cli/try_pair.py try_pair",
    # What a script may choose, by name.
    "workbench/models/model.py from_hf",
    "workbench/assessment/assess.py assess",
    "workbench/discovery/request.py parse",
    "workbench/engine/edge_sweep.py sweep_edges",
    "workbench/effects/node_map.py node_map",
    "workbench/effects/self_repair.py self_repair",
    "workbench/experiment/experiment.py __init__",
    "workbench/prompts/preview.py preview_task",
    "workbench/readouts/heads/qk.py qk_reading",
    "workbench/readouts/beside_circuit.py beside_circuit",
    "workbench/readouts/direction.py direction_lens",
    "workbench/readouts/jacobian/resume.py fit_lens",
    "workbench/readouts/logit_lens.py logit_lens",
    "workbench/readouts/residual_lens.py residual_lens",
    "workbench/session/readouts.py result",
    # The fields of what they make.
    "workbench/benchmarks/figures.py of",
    "workbench/transformer/families/building.py build",
    # One place calls each.
    "screens/graph/layer_map.py node_text",
    "workbench/assessment/parts/hypotheses.py _against_quantile",
}
"""Functions of more than seven parameters."""

DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
HEAVY = ("torch", "transformers", "transformer_lens", "huggingface_hub", "datasets", "wandb")


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False
    )


def loaded_by(statement: str) -> set[str]:
    """Top-level packages that a statement loads in a fresh interpreter."""
    code = (
        f"{statement}\nimport sys\nprint(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    )
    result = run(sys.executable, "-c", code)
    assert result.returncode == 0, result.stderr
    return set(result.stdout.splitlines()[-1].split())


def test_lint() -> None:
    result = run(sys.executable, "-m", "ruff", "check", *ROOMS, "tests")
    assert result.returncode == 0, result.stdout + result.stderr


def test_format() -> None:
    result = run(sys.executable, "-m", "ruff", "format", "--check", *ROOMS, "tests")
    assert result.returncode == 0, result.stdout + result.stderr


def test_types() -> None:
    result = run(sys.executable, "-m", "mypy")
    assert result.returncode == 0, result.stdout + result.stderr


def test_import_contracts() -> None:
    code = "from importlinter.cli import lint_imports; raise SystemExit(lint_imports())"
    result = run(sys.executable, "-c", code)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    "statement",
    [
        "import workbench",
        "import workbench.session.session",
        "import workbench.cli.main",
        "import workbench.formats, workbench.session.journal, workbench.session.commands",
        "import workbench.base.failures, workbench.engine.budget, workbench.metrics.catalogue",
        "from workbench.experiment import ablations, prepare, provenance, settings",
        "import tasks",
        "from workbench import Circuit, Graph, Session, load_circuit, WorkbenchError",
    ],
)
def test_what_is_light_loads_neither_torch_nor_textual(statement: str) -> None:
    assert not loaded_by(statement) & {*HEAVY, "textual"}


@pytest.mark.parametrize("first", ["setup.screen", "loading"])
def test_what_the_first_frame_needs_is_little(first: str) -> None:
    loaded = loaded_by(f"import workbench.cli.main, screens.app, screens.{first}")
    assert "textual" in loaded
    assert not loaded & {*HEAVY, "numpy", "pydantic", "networkx"}


def test_the_engine_loads_no_textual() -> None:
    assert "textual" not in loaded_by("import workbench.models.model, workbench.experiment.prepare")


@pytest.mark.parametrize(
    "flags", [["--help"], ["evaluate", "--help"], ["tasks"], ["discover", "--list"], ["--version"]]
)
def test_commands_that_compute_nothing_load_no_torch(flags: list[str]) -> None:
    loaded = loaded_by(f"from workbench.cli.main import main\nassert main({flags!r}) == 0")
    assert not loaded & {*HEAVY, "textual"}


def test_every_room_is_imported_by_the_tests_of_the_contracts() -> None:
    """A new top-level package would escape the contracts."""
    found = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"}
    assert found == set(ROOMS)


def test_public_names_resolve_and_no_module_hides_one() -> None:
    modules = {path.stem for path in (ROOT / "workbench").iterdir()}
    for name in workbench.__all__:
        assert getattr(workbench, name) is not None
        assert name not in modules, f"importing workbench.{name} would hide the public name"
    with pytest.raises(AttributeError):
        workbench.no_such_name  # type: ignore[attr-defined]  # noqa: B018


def test_cuda_is_written_in_one_place() -> None:
    """Whatever runs on a GPU asks `workbench.models.device`."""
    named = [
        str(path.relative_to(ROOT))
        for room in ROOMS
        for path in sorted((ROOT / room).rglob("*.py"))
        if re.search(r"""["']cuda|\.cuda\b""", path.read_text(encoding="utf-8"))
    ]
    assert named == ["workbench/models/device.py"]


def test_docstrings_are_wrapped_whole() -> None:
    """An indented line follows a heading of the docstring or an indented line, nothing else."""
    headings = re.compile(r"(Args|Attributes|Raises|Returns|Yields):$")
    broken = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for room in (*ROOMS, "tests")
        for path in sorted((ROOT / room).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, DOCUMENTED)
        for above, line in pairwise((ast.get_docstring(node) or "").splitlines())
        if (line.startswith("    ") and line.strip())
        and (above and not above.startswith(" ") and not headings.match(above))
    ]
    assert not broken


def test_signatures_are_short() -> None:
    """What is longer than seven parameters mirrors the fields of a command, a file or a request."""
    long = {
        f"{path.relative_to(ROOT)} {node.name}"
        for room in ROOMS
        for path in (ROOT / room).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and n_parameters(node) > 7
    }
    assert long == LONG_SIGNATURES


def n_parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    given = function.args
    every = [*given.posonlyargs, *given.args, *given.kwonlyargs]
    return sum(parameter.arg not in ("self", "cls") for parameter in every)


def test_files_are_short() -> None:
    long = {
        str(path.relative_to(ROOT)): n
        for room in ROOMS
        for path in (ROOT / room).rglob("*.py")
        if (n := path.read_text(encoding="utf-8").count("\n")) > MAX_LINES
    }
    assert not long, f"one idea a file: {long}"
