"""Files for others name no home folder and no user, unless that is asked for."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from screens.widgets.path_suggester import PathSuggester
from tests.workbench.formats.test_bad_input import OURS
from workbench.assessment.report.document import (
    Block,
    Bullets,
    Figure,
    Heading,
    Paragraph,
    Table,
)
from workbench.assessment.report.page import write_page
from workbench.base import home
from workbench.base.home import keep_paths, meant_path, without_home
from workbench.formats import load_circuit, save_circuit


@pytest.fixture(autouse=True)
def somebody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/maria")
    monkeypatch.setattr(home, "_user", lambda: "maria")


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("/home/maria", "~"),
        ("/home/maria/models/tiny", "~/models/tiny"),
        ("<td>/home/maria/a.json</td>", "<td>~/a.json</td>"),
        ("/scratch/maria/tiny.gguf", "/scratch/…/tiny.gguf"),
        ("/home/mariana/tiny", "/home/mariana/tiny"),
        ("maria/tiny", "maria/tiny"),
        ("maria", "maria"),
    ],
)
def test_paths_are_shortened(text: str, hidden: str) -> None:
    assert without_home({"of": [text]}) == {"of": [hidden]}


def test_a_circuit_file_has_whole_paths_only_if_asked(tmp_path: Path) -> None:
    (tmp_path / "in.json").write_text(OURS)
    circuit = load_circuit(tmp_path / "in.json")
    circuit.provenance = {"model": {"name": "/home/maria/tiny"}}
    save_circuit(circuit, tmp_path / "out.json")
    assert "maria" not in (tmp_path / "out.json").read_text()
    assert circuit.provenance["model"]["name"] == "/home/maria/tiny"
    keep_paths(True)
    try:
        save_circuit(circuit, tmp_path / "out.json")
    finally:
        keep_paths(False)
    assert "/home/maria/tiny" in (tmp_path / "out.json").read_text()


@pytest.mark.parametrize("name", ["page.md", "page.html"])
def test_a_report_names_no_home_whatever_its_markup(name: str, tmp_path: Path) -> None:
    """In Markdown a path's signs are entities in a cell of code, and escaped in a sentence."""
    path = "/home/maria/my_models/a-b*c.json"
    blocks: list[Block] = [
        Heading(path, 1),
        Paragraph(f"Of {path}, read."),
        Bullets((path,)),
        Table(("command", path), ((f"workbench assess {path}", path),), code=frozenset({0})),
        Figure("one", f"<svg><text>{path}</text></svg>", path),
    ]
    for kept in (False, True):
        keep_paths(kept)
        try:
            written = write_page(blocks, tmp_path / name)
        finally:
            keep_paths(False)
        pages = [page.read_text() for page in written]
        assert len(pages) == (1 if name.endswith("html") else 2)
        assert ["maria" in page for page in pages] == [kept] * len(pages)


def test_a_path_of_nobodys_stays_as_it_was_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/maria")
    assert meant_path("~/a.json") == Path("/home/maria/a.json")
    assert meant_path("~n0body/a.json") == Path("~n0body/a.json")
    assert asyncio.run(PathSuggester().get_suggestion("~n0body/a")) is None
