"""The example package, installed: what it brings is in the commands, the API and the app."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT

pytestmark = pytest.mark.slow

EXAMPLE = ROOT / "examples" / "plugin"
API = """
import json
from workbench import METHODS, READOUTS, discover, load_circuit, load_model, prepare, read_out
from workbench.formats.catalogue import FORMATS
from screens.setup.known import look_up

model = load_model("pocket", device="cpu")
found = discover(model, "second-word", "eap-power", edges=20, pairs=6, options={"power": 3})
plain = discover(model, "second-word", "eap", edges=20, pairs=6)
found.save("found.edges", "edge-list")
series = read_out(prepare(model, "second-word", pairs=6), "difference-by-layer")
print(json.dumps({
    "options": found.to_json()["options"],
    "same": found.circuit.edges() == plain.circuit.edges(),
    "read": load_circuit("found.edges").edges() == found.circuit.edges(),
    "labels": series.labels,
    "tasks": [name for name, _ in look_up().tasks],
    "methods": list(METHODS), "readouts": list(READOUTS), "formats": list(FORMATS),
}))
"""
COMMANDS = """
import contextlib, io, json, sys
from workbench.cli.main import main

for arguments in json.loads(sys.argv[1]):
    with contextlib.redirect_stdout(io.StringIO()) as out:
        code = main(arguments)
    assert code == 0, (arguments, code)
    print(json.dumps(out.getvalue()))
"""
SCREENS = """
import asyncio, sys
from pathlib import Path
from textual.widgets import Input
from screens.app import WorkbenchApp
from screens.assessment.part_list import PartList
from screens.assessment.screen import AssessmentScreen
from screens.discovery.dialog import DiscoverDialog
from screens.readouts.panel import Readouts
from screens.widgets.choice import Choice
from screens.widgets.dialogs import Export
from workbench import start_session

session = start_session("pocket", "second-word", pairs=4, device="cpu")

async def main():
    app = WorkbenchApp(session=session)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        panel = app.screen.query_one(Readouts)
        print("Difference by layer" in [view.names[0] for view in panel._views])
        dialog = DiscoverDialog(session)
        app.push_screen(dialog)
        await pilot.pause()
        while dialog.method.name != "eap-power":
            await pilot.press("down")
        await pilot.pause()
        field = dialog.query_one("#option-power")
        print(field.display and field.query_one(Input).value)
        export = Export("c.json")
        app.push_screen(export)
        await pilot.pause()
        print([value for value, _ in export.query_one("#format", Choice).options])

        app.pop_screen()
        app.pop_screen()
        app.push_screen(AssessmentScreen(session))
        await pilot.pause()
        print([row.part.title for row in app.screen.query_one(PartList).rows][-1])

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Variables under which the example is installed beside all else."""
    if importlib.util.find_spec("pip") is None or importlib.util.find_spec("setuptools") is None:
        pytest.skip("pip and setuptools are needed to install a package")
    folder = tmp_path_factory.mktemp("plugin")
    source = folder / "source"
    shutil.copytree(EXAMPLE, source, ignore=shutil.ignore_patterns("build", "*.egg-info"))
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"),
            *("--no-build-isolation", "--target", folder / "installed", source),
        ],
        check=True,
        env=os.environ | {"PIP_DISABLE_PIP_VERSION_CHECK": "1"},
    )
    path = os.pathsep.join([str(folder / "installed"), str(ROOT)])
    state = {"WORKBENCH_STATE": str(folder / "state"), "WORKBENCH_CACHE": str(folder / "cache")}
    return os.environ | {"PYTHONPATH": path} | state


def run(environment: dict[str, str], folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], env=environment, cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_commands_list_and_run_it(environment: dict[str, str], tmp_path: Path) -> None:
    asked = ("pocket", "second-word", "--pairs", "6", "--device", "cpu")
    commands = (
        ("tasks",), ("discover", "--list"), ("readout", "--list"),
        ("discover", *asked, "-m", "eap-power", "--option", "power=0.5", "--edges", "20",
         "-o", "c.edges", "--format", "edge-list", "--json"),
        ("convert", "c.edges", "c.json"),
        ("assess", *asked, "c.json", "--parts", "faithfulness,by-layer", "--report", "r.html"),
        ("readout", *asked, "-r", "difference-by-layer", "--json"),
    )  # fmt: skip
    told = run(environment, tmp_path, "-c", COMMANDS, json.dumps(commands)).splitlines()
    tasks, methods, readouts, found, _, assessed, read = map(json.loads, told)
    assert "second-word  (logit_diff)" in tasks
    assert "eap-power  (edges)" in methods and "comes from circuit-lab" in methods
    assert "--option power=VALUE  Exponent of the magnitude. [default: 2.0]" in methods
    assert "difference-by-layer" in readouts
    assert json.loads(found)["options"] == {"power": 0.5, "seed": 0}
    assert json.loads((tmp_path / "c.json").read_text())["format"]
    assert "  by-layer     Without layer " in assessed
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "Layer by layer" in page and "<td>layer 0</td>" in page
    said = json.loads(read)
    assert said["shape"] == "series" and len(said["values"]) == 5


def test_the_api_has_it(environment: dict[str, str], tmp_path: Path) -> None:
    said = json.loads(run(environment, tmp_path, "-c", API).splitlines()[-1])
    assert said["options"] == {"power": 3, "seed": 0}
    assert said["same"] and said["read"]
    assert said["labels"] == ["embeddings", *(f"layer {i}" for i in range(4))]
    assert said["tasks"][-1] == "second-word" and said["methods"][-1] == "eap-power"
    assert said["readouts"][-1] == "difference-by-layer"
    assert said["formats"][0] == "circuit" and said["formats"][-1] == "edge-list"


def test_the_app_offers_it(environment: dict[str, str], tmp_path: Path) -> None:
    said = run(environment, tmp_path, "-c", SCREENS).splitlines()
    assert said[-4:-2] == ["True", "2"] and said[-1] == "Layer by layer"
    assert said[-2].startswith("['circuit', 'eap-ig',") and said[-2].endswith(", 'edge-list']")


def test_the_file_of_the_page_is_enough(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
    (tmp_path / "lab.py").write_text(page.split("```python\n")[1].split("```")[0])
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    asked = ("pocket", "ioi", "--pairs", "4", "--device", "cpu", "--edges", "9", "--json")
    told = ("-m", "./lab.py:METHOD", "--option", "factor=2")
    said = run(environment, tmp_path, "-m", "workbench", "discover", *asked, *told)
    assert json.loads(said)["method"] == "eap-squared"
    assert json.loads(said)["options"] == {"factor": 2.0, "seed": 0}
