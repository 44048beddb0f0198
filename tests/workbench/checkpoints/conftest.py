"""A little training: folders checkpoint-0, -20 and -100 of a tiny GPT-2."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.tiny_models import tiny_gpt2
from workbench import Circuit, load_circuit, load_model, save_circuit

STEPS = (0, 20, 100)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("training")
    for step in STEPS:
        hf, tokenizer = tiny_gpt2(layers=2, heads=2, seed=step)
        hf.save_pretrained(folder / f"checkpoint-{step}")
        tokenizer.save_pretrained(folder / f"checkpoint-{step}")
    graph = load_model(str(folder / "checkpoint-0"), device="cpu").graph
    edges = ["input->a0.h1<v>", "a0.h1->m1", "m1->logits"]
    save_circuit(Circuit.from_edges(graph, edges), folder / "c.json")
    assert load_circuit(folder / "c.json").n_edges == 3
    return folder


@pytest.fixture
def training(made: Path, tmp_path: Path) -> Path:
    """A copy of the folder, to be damaged."""
    return Path(shutil.copytree(made, tmp_path / "runs"))
