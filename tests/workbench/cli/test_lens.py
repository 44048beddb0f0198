"""The command `workbench lens`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from tests.support.paths import ROOT
from tests.support.tiny_models import tiny_llama
from workbench.cli.main import main
from workbench.models.model import load_model
from workbench.readouts.jacobian.files import load_lens
from workbench.readouts.jacobian.resume import fit_lens

TEXT = """\
The war went from the year 1741 to the year 17
The keys near the table near the store

The books from the store and the keys near the table
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "tiny"
    hf, tokenizer = tiny_llama(layers=2, heads=2)
    hf.save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


def test_it_fits_what_a_script_fits(
    model: Path, text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "lens.safetensors"
    arguments = ["lens", "fit", str(model), str(text), "-o", str(out), "--device", "cpu"]
    assert not main([*arguments, "--skip", "2", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert told["written"] == [str(out)]
    assert (told["prompts"], told["too_short"], told["layers"]) == (3, 0, [-1, 0])
    mine = fit_lens(
        load_model(str(model), device="cpu"),
        TEXT.replace("\n\n", "\n").splitlines(),
        tmp_path / "other.pt",
        skip=2,
    )
    for depth, matrix in load_lens(out).matrices.items():
        torch.testing.assert_close(matrix.float(), mine.lens.matrices[depth], atol=2e-2, rtol=2e-3)
    assert not main(["lens", "show", str(out)])
    assert "Jacobian lens of" in capsys.readouterr().out
    assert not main(["lens", "show", str(out), "--json"])
    assert json.loads(capsys.readouterr().out)["n_prompts"] == 3
    of = ["readout", str(model), "ioi", "--pairs", "2", "--device", "cpu", "-r", "residual"]
    assert not main([*of, "--through", str(out)])
    assert capsys.readouterr().out.startswith("Jacobian lens of the residual")


def test_what_it_refuses(
    model: Path, text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["lens", "fit", str(model), str(text), "--device", "cpu"]
    for more, said in (
        (["-o", str(tmp_path / "lens.json")], "suffix of no lens file"),
        (["-o", str(tmp_path / "lens.pt")], "No prompt is long enough"),
        (["-o", str(tmp_path / "lens.pt"), "--skip", "9", "--length", "5"], "leave nothing"),
    ):
        assert main([*arguments, *more]) == 2
        assert said in capsys.readouterr().err
    assert main(["lens", "show", str(text)]) == 2
    assert "cannot be used as a Jacobian lens" in capsys.readouterr().err
    assert main(["lens", "fit", str(model), str(tmp_path / "no.txt"), "-o", "x.pt"]) == 2
    assert "There is no file" in capsys.readouterr().err


def test_ctrl_c_keeps_what_is_done_and_the_same_command_goes_on(
    model: Path, text: Path, tmp_path: Path
) -> None:
    text.write_text("The keys near the table near the store\n" * 4000, encoding="utf-8")
    out = tmp_path / "lens.pt"
    words = ["lens", "fit", str(model), str(text), "-o", str(out), "--skip", "1"]
    command = [sys.executable, "-m", "workbench", *words, "--device", "cpu"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    running = subprocess.Popen(
        command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    assert running.stderr is not None
    for line in running.stderr:
        if b"Fitting" in line:
            break
    time.sleep(1.0)
    running.send_signal(signal.SIGINT)
    said = running.communicate(timeout=120)[1].decode()
    assert running.returncode == 130, said
    assert "the same command goes on from there" in said
    assert (tmp_path / "lens.pt.part").exists() and not out.exists()
