"""The page of a GPU: what is on it, and what is said where there is no GPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
import torch
from typer.testing import CliRunner

from tests.support.tiny_models import tiny_llama
from workbench.benchmarks import gpu_report
from workbench.benchmarks.engine import Bench, top_circuit
from workbench.cli.main import app
from workbench.discovery.estimates import eap
from workbench.errors import WorkbenchError
from workbench.experiment.experiment import Experiment
from workbench.experiment.prepare import load_task
from workbench.models.model import Model
from workbench.prompts.batch import make_batch

SHAPE = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    model, tokenizer = tiny_llama(layers=2)
    model.save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_one_sentence_says_so(folder: Path, tmp_path: Path) -> None:
    page = tmp_path / "gpu.md"
    result = CliRunner().invoke(app, ["bench", str(folder), "--gpu-report", str(page)])
    assert not page.exists()
    assert isinstance(result.exception, WorkbenchError)
    assert str(result.exception).startswith("There is no GPU here")


def test_the_page_has_every_model_and_figure(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu_report, "gpu", lambda: "cpu")
    monkeypatch.setattr(gpu_report, "PAIRS", 2)
    monkeypatch.setattr(gpu_report, "TOGGLES", 2)
    monkeypatch.setattr(gpu_report, "TRIED", 5)
    monkeypatch.setattr(gpu_report, "LLAMA", SHAPE | {"vocab_size": 3000})
    monkeypatch.setattr(gpu_report, "LLAMA_BYTES", 0)
    page = tmp_path / "gpu.md"
    gpu_report.write_gpu_report(str(folder), page, rounds=1)
    text = page.read_text(encoding="utf-8")
    parts = text.split("\n## ")[1:]
    assert [part.splitlines()[0] for part in parts] == [
        f"{folder}, float32",
        f"{folder}, bfloat16",
        "A random model of Llama-3.1-8B's shape, bfloat16",
    ]
    for part in parts:
        for figure in ("toggling a kept edge", "from nothing", "EAP, both", "ACDC", "predicted"):
            assert figure in part, part


def test_a_small_gpu_is_told_what_is_left_out(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu_report, "gpu", lambda: "cpu")
    monkeypatch.setattr(gpu_report, "measured", lambda *_: iter(()))
    monkeypatch.setattr(gpu_report, "free_memory", lambda _: 2**30)
    gpu_report.write_gpu_report(str(folder), tmp_path / "gpu.md")
    assert "Left out: 1 GiB are free" in (tmp_path / "gpu.md").read_text(encoding="utf-8")


def test_numbers_are_held_to_the_cpus() -> None:
    bench, hf, tokenizer = made()
    for figure in gpu_report.as_on_the_cpu(bench, hf, tokenizer):
        assert figure.value < 1e-4, figure.name
    bench.scores[:] += 1  # as if the device computed something else
    assert max(figure.value for figure in gpu_report.as_on_the_cpu(bench, hf, tokenizer)) > 0.01


def made() -> tuple[Bench, Any, Any]:
    hf, tokenizer = tiny_llama(layers=2)
    model = Model.from_hf(hf, tokenizer, name="tiny")
    batch = make_batch(load_task("ioi", model, pairs=2), tokenizer)
    experiment = Experiment(model, batch)
    scores = eap(experiment)
    circuits = {n: top_circuit(model.graph, scores, n) for n in (10, 20)}
    return Bench(model, batch, experiment, scores, circuits, cast(Any, None)), hf, tokenizer
