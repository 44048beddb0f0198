"""`workbench history`: the tree out of the journal alone, and the circuit of a state."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.toy_session import toy_session
from workbench.circuits.comparison import compare
from workbench.cli.main import main
from workbench.formats import load_circuit
from workbench.session.session import Session


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    monkeypatch.setenv("WORKBENCH_STATE", str(tmp_path / "state"))
    (tmp_path / "state" / "sessions").mkdir(parents=True)
    session, _ = toy_session(tmp_path / "state" / "sessions", layers=3, heads=2)
    session.expand("logits", keep=["m2->logits"])
    session.drop_all("logits")
    session.undo()
    session.keep_all("logits")
    session.name_state(4, "all of it")
    session.go_to(2)
    return session


def test_it_lists_the_tree_while_the_session_is_open(
    session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["history", "toy"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["◆", "◉", "○─╯", "○"] or lines
    assert lines[0].split()[:3] == ["◆", "4", "20"] or "'all of it'" in lines[0]
    assert lines[1].startswith("◉") and "Dropped all edges into logits." in lines[1]
    assert lines[-1].endswith("Everything is open.")
    assert main(["history", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["n"], row["parent"]) for row in rows] == [(0, None), (1, 0), (2, 1), (4, 1)]
    assert [row["n"] for row in rows if row["is_current"]] == [2]
    assert rows[3]["faithfulness"] == session.history()[3].faithfulness


@pytest.mark.parametrize("state", ["4", "5", "all of it"])
def test_it_writes_the_circuit_of_a_state(
    session: Session, tmp_path: Path, capsys: pytest.CaptureFixture[str], state: str
) -> None:
    if state == "5":  # the entry that named state 4, at which the session then was
        assert session._history.number_of(5) == 4
    out = tmp_path / "circuit.json"
    assert main(["history", "toy", "--state", state, "-o", str(out)]) == 0
    assert capsys.readouterr().out == f"{out}\n"
    written, known = load_circuit(out), session.state_at(4)
    assert written == known and written.open == known.open
    assert compare(written, known).edges.missing == ()
    about = written.provenance
    session.go_to(4)
    session.export(tmp_path / "exported.json")
    exported = load_circuit(tmp_path / "exported.json").provenance
    for key in ("commands", "metric", "ablation", "seed", "task"):
        assert about[key] == exported[key], key
    assert about["model"]["name"] == exported["model"]["name"]
    evaluation = exported["evaluation"]
    assert all(evaluation[key] == value for key, value in about["evaluation"].items())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["toy", "--state", "3"], "go together"),
        (["toy", "-o", "x.json"], "go together"),
        (["toy", "--state", "77", "-o", "x.json"], "no state 77"),
        (["toy", "--state", "nobody", "-o", "x.json"], "No state has the name 'nobody'"),
        (["none"], "No session is called 'none'"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(
    session: Session,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    says: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["history", *arguments]) == 2
    assert says in capsys.readouterr().err
    assert not (tmp_path / "x.json").exists()


def test_it_needs_no_torch(session: Session) -> None:
    script = (
        "import sys; from workbench.cli.main import main; code = main(['history', 'toy']); "
        "sys.exit(code or 'torch' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
