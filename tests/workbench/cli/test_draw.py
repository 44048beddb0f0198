"""`workbench draw`: files for every format, and a sentence for what cannot be drawn."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import networkx as nx
import pytest

from tests.support.paths import ROOT
from workbench.cli.main import main

KNOWN = ROOT / "workbench" / "data" / "known" / "circuit.json"
GOLDEN = ROOT / "tests" / "golden" / "formats"


@pytest.mark.parametrize("suffix", ["svg", "pdf", "png", "dot", "gv", "graphml"])
def test_the_name_says_the_format(
    tmp_path: Path, suffix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / f"picture.{suffix}"
    assert main(["draw", str(KNOWN), "-o", str(out)]) == 0
    assert capsys.readouterr().out == f"{out}\n"
    begins = {"svg": b"<?xml", "pdf": b"%PDF", "png": b"\x89PNG", "graphml": b"<graphml"}
    assert out.read_bytes().startswith(begins.get(suffix, b"digraph"))


@pytest.mark.parametrize("name", ["circuit.json", "eap_ig.json", "eap_ig_parallel.json"])
def test_every_format_of_circuits_is_drawn(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "graph"
    code = main(["draw", str(GOLDEN / name), "-o", str(out), "--format", "graphml", "--json"])
    assert code == 0
    said = json.loads(capsys.readouterr().out)
    graph = nx.read_graphml(out, force_multigraph=True)
    assert said["format"] == "graphml" and said["written"] == str(out)
    assert (said["nodes"], said["edges"]) == (graph.number_of_nodes(), graph.number_of_edges())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nothing.json", "-o", "x.svg"], "There is no file nothing.json"),
        ([str(KNOWN), "-o", "x.bmp"], "says no format of pictures"),
        ([str(KNOWN), "-o", "x.svg", "--format", "bmp"], "There is no format 'bmp'"),
        ([str(KNOWN), "-o", "no/x.svg"], "its folder does not exist"),
        ([str(KNOWN), "-o", "x.svg", "--width", "900"], "3 to 200 cm"),
        (["text.json", "-o", "x.svg"], "text.json"),
    ],
)
def test_what_cannot_be_drawn_is_one_sentence(
    tmp_path: Path,
    arguments: list[str],
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("text.json").write_text("no circuit")
    assert main(["draw", *arguments]) == 2
    said = capsys.readouterr()
    assert words in said.err and len(said.err.splitlines()) == 1 and not said.out
    assert [path.name for path in tmp_path.iterdir()] == ["text.json"]


@pytest.mark.parametrize(
    ("form", "unneeded"),
    [("png", ("torch", "textual")), ("dot", ("torch", "textual", "matplotlib"))],
)
def test_it_waits_for_nothing_that_it_does_not_need(
    tmp_path: Path, form: str, unneeded: tuple[str, ...]
) -> None:
    code = (
        "import sys; from workbench.cli.main import main; "
        f"main(['draw', {str(KNOWN)!r}, '-o', {str(tmp_path / 'x')!r}, '--format', {form!r}]); "
        f"print([name for name in {unneeded} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
