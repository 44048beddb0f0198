"""What commands write to standard output: harmless to a terminal, or a sentence."""

from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path

import pytest

from workbench.cli import console, output

HOSTILE = "a\x1b[2J\x9b31m\u202e\u2066\ud800 é 🙂"


def test_json_carries_nothing_that_a_terminal_obeys(capsys: pytest.CaptureFixture[str]) -> None:
    output.as_json({HOSTILE: [HOSTILE, float("nan")]})
    text = capsys.readouterr().out
    assert all(line.isprintable() for line in text.splitlines())
    assert "é 🙂" in text
    assert json.loads(text) == {HOSTILE: [HOSTILE, None]}


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_json_and_lines_fit_the_encoding(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding))
    output.as_json([HOSTILE])
    sys.stdout.flush()
    assert json.loads(written.getvalue().decode(encoding)) == [HOSTILE]
    output.line(HOSTILE)
    sys.stdout.flush()


def _listed() -> int:
    output.line("one")
    return 0


def test_a_closed_output_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    assert console.run(_listed) == console.EXIT_USER
    assert console.run(lambda: 0) == 0, "what writes nothing needs none"
    assert "standard output is closed" in capsys.readouterr().err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_a_full_output_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with open(os.open("/dev/full", os.O_WRONLY), "w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert console.run(_listed) == console.EXIT_USER
    assert "no space left" in capsys.readouterr().err


def test_ctrl_c_in_the_middle_of_an_import_is_no_defect(capsys: pytest.CaptureFixture[str]) -> None:
    def importing() -> int:
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt as error:
            raise ImportError("a module in C failed to import") from error

    assert console.run(importing) == console.EXIT_INTERRUPTED
    assert "interrupted" in capsys.readouterr().err
