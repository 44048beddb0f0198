"""The plan of a model over stated devices, held to the same model on one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from tests.support.tiny_models import tiny_llama
from workbench.cli.main import main
from workbench.errors import WorkbenchError
from workbench.experiment.room import Shape
from workbench.model_report.device_plan import SpreadPlan, plan_spread
from workbench.model_report.footprint import predict
from workbench.models.device_map import Room, stated_rooms
from workbench.transformer.families import parts_of

LLAMA_70B = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 8192,
    "intermediate_size": 28672,
    "num_attention_heads": 64,
    "num_key_value_heads": 8,
    "num_hidden_layers": 80,
    "vocab_size": 128256,
    "max_position_embeddings": 131072,
    "rope_theta": 500000.0,
    "tie_word_embeddings": False,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tiny_llama(layers=4)[0].config.save_pretrained(tmp_path)
    return tmp_path


def planned(folder: Path, *sizes: int, host: int = 0, pairs: int = 3) -> SpreadPlan:
    rooms = [Room(f"cuda:{n}", size) for n, size in enumerate(sizes)]
    rooms += [Room("cpu", host)] if host else []
    return plan_spread("it", folder, torch.float32, rooms, pairs, 12)


def test_weights_and_runs_are_those_of_the_model(folder: Path) -> None:
    hf = tiny_llama(layers=4)[0]
    size = sum(weight.nbytes for weight in hf.parameters())
    plan = planned(folder, 3 << 30, 3 << 30)
    first, second = plan.devices
    assert first.weights + second.weights == size and plan.fits and plan.fit >= 3
    assert sorted((*first.layers, *second.layers)) == [0, 1, 2, 3]
    expected = predict(parts_of(hf), [Shape(3, 12)])
    assert first.runs == expected.runs + expected.probabilities and second.runs == 0
    assert second.work > 0 and first.visiting == 0


def test_what_fits_is_told(folder: Path) -> None:
    plan = planned(folder, 3 << 30, 3 << 30)
    assert f"fits; up to {plan.fit:,} pairs of 12 tokens would" == plan.verdict()
    assert planned(folder, 3 << 30, 3 << 30, pairs=plan.fit).fits
    over = planned(folder, 3 << 30, 3 << 30, pairs=plan.fit + 1)
    assert not over.fits and "does not fit: cuda:0 has 3 GiB" in over.verdict()
    assert "not one pair would" in planned(folder, 1 << 29, 1 << 29).verdict()
    with pytest.raises(WorkbenchError, match="which do not fit"):
        planned(folder, 1 << 14)


def test_the_plan_of_the_documentation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "config.json").write_text(json.dumps(LLAMA_70B))
    asked = ["models", "--check", str(tmp_path), "--dtype", "bfloat16", "--devices", "80GiB,80GiB"]
    assert main(asked) == 0
    lines = capsys.readouterr().out.splitlines()
    page = (Path(__file__).parents[3] / "docs" / "large-models.md").read_text()
    shown = lines[1:]  # the first names the folder
    assert "\n".join(shown) in page
    assert main([*asked, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    weights = sum(device["weights"] for device in told["devices"])
    assert weights == 2 * told["parameters"] == 2 * 70_553_706_496 and told["fits"]


def test_a_family_that_is_not_exact_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "mamba"}')
    with pytest.raises(WorkbenchError, match="mamba"):
        plan_spread("it", tmp_path, torch.float32, stated_rooms("1GiB"), 1, 4)
