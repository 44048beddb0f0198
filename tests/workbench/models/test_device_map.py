"""Device maps: chosen, read, stated; what each says of what does not fit."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from workbench import load_model
from workbench.cli.main import main
from workbench.errors import WorkbenchError
from workbench.models import device_map
from workbench.models.device_map import Room, Spread, rooms_here, spread_of, stated_rooms

pytestmark = pytest.mark.dependencies


LAYERS = 4
WIDE = torch.float32


@cache
def model() -> Any:
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 2}
    return LlamaForCausalLM(LlamaConfig(vocab_size=48, num_hidden_layers=LAYERS, **sizes))


def total() -> int:
    return sum(weight.nbytes for weight in model().parameters())


def rooms(*sizes: int, host: int = 1 << 30) -> list[Room]:
    return [*(Room(f"cuda:{n}", size) for n, size in enumerate(sizes)), Room("cpu", host)]


def test_auto_fills_one_after_the_other_and_balanced_all_alike() -> None:
    hf, size = model(), total()
    plenty = rooms(10 * size, 10 * size)
    one = spread_of("auto", hf, WIDE, plenty, "it")
    assert one.weights(hf, WIDE) == {"cuda:0": size} and not one.is_spread
    even = spread_of("balanced", hf, WIDE, plenty, "it").weights(hf, WIDE)
    assert set(even) == {"cuda:0", "cuda:1"} and sum(even.values()) == size
    assert min(even.values()) > size // 4
    tight = spread_of("auto", hf, WIDE, rooms(int(0.9 * size), size), "it")
    assert tight.weights(hf, WIDE)["cuda:0"] <= 0.72 * size and tight.is_spread
    # No layer is split.
    places = {n: {tight.device_of(name) for name, _ in layer.named_parameters(f"model.layers.{n}")}
              for n, layer in enumerate(hf.model.layers)}  # fmt: skip
    assert all(len(where) == 1 for where in places.values())


def test_the_host_takes_what_is_left_and_visits_are_counted() -> None:
    hf, size = model(), total()
    spread = spread_of("auto", hf, WIDE, rooms(int(0.9 * size)), "it")
    layer = sum(weight.nbytes for weight in hf.model.layers[0].parameters())
    assert spread.home == "cuda:0" and spread.weights(hf, WIDE)["cpu"] > 0
    assert spread.visiting(hf, WIDE) >= 2 * layer
    with pytest.raises(WorkbenchError, match=r"it takes .* which do not fit"):
        spread_of("auto", hf, WIDE, rooms(size // 2, host=size // 8), "it")


def test_the_longest_name_counts_and_a_weight_without_one_is_told(tmp_path: Path) -> None:
    hf, size = model(), total()
    file = tmp_path / "map.json"
    file.write_text(json.dumps({"": 1, "model.layers.1": "cpu", "model.layers.1.mlp": "cuda:0"}))
    spread = spread_of(str(file), hf, WIDE, rooms(size, size), "it", stated=True)
    assert spread.device_of("model.layers.1.mlp.up_proj.weight") == "cuda:0"
    assert spread.device_of("model.layers.1.self_attn.q_proj.weight") == "cpu"
    assert spread.device_of("model.layers.10.mlp.up_proj.weight") == "cuda:1"
    assert spread.home == "cuda:0"
    flat = spread.expanded(hf)
    assert {n for n, _ in hf.named_parameters()} == {
        name for name, _ in hf.named_parameters()
        if sum(f"{name}.".startswith(f"{entry}.") for entry in flat) == 1
    }  # fmt: skip


BROKEN = [
    ({"model.layers.0": "cpu"}, "says nothing of model.embed_tokens.weight of it"),
    ({"": "disk"}, "leaves '' on the disk"),
    ({"": "cuda:7"}, "to 'cuda:7', which is none of the devices"),
    ({"": "cuda:1"}, "which has 0.0 GiB: take a smaller dtype"),
]


@pytest.mark.parametrize(("entries", "sentence"), BROKEN)
def test_a_map_that_cannot_be_is_a_sentence(entries: dict[str, Any], sentence: str) -> None:
    with pytest.raises(WorkbenchError, match=sentence):
        spread_of(entries, model(), WIDE, rooms(100, 100, host=0), "it", stated=True)


@pytest.mark.parametrize("text", ["", "[]", "{", "3"])
def test_a_file_that_is_none_is_a_sentence(tmp_path: Path, text: str) -> None:
    file = tmp_path / "map.json"
    file.write_text(text)
    with pytest.raises(WorkbenchError, match="cannot be read"):
        spread_of(file, model(), WIDE, rooms(100), "it")
    with pytest.raises(WorkbenchError, match="is no file: --device-map takes"):
        spread_of(tmp_path / "none.json", model(), WIDE, rooms(100), "it")


def test_a_missing_accelerate_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "accelerate", None)
    with pytest.raises(WorkbenchError, match=r"accelerate is needed .*pip install accelerate"):
        spread_of("auto", model(), WIDE, rooms(1 << 30), "it")


def test_devices_are_stated() -> None:
    assert stated_rooms("80GiB, 24 GB,cpu:1.5GiB") == [
        Room("cuda:0", 80 * 2**30),
        Room("cuda:1", 24 * 10**9),
        Room("cpu", 3 * 2**29),
    ]
    for text in ("", "80", "gpu:3GiB", "80GiB,,", "-3GiB"):
        with pytest.raises(WorkbenchError, match="give the memory of each accelerator"):
            stated_rooms(text)
    for text in ("cpu:3GiB", "3GiB,cpu:3GiB,cpu:3GiB"):
        with pytest.raises(WorkbenchError, match="an accelerator at least"):
            stated_rooms(text)


def test_where_there_is_only_a_host_a_model_is_loaded_as_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(device_map, "accelerators", list)
    assert [room.name for room in rooms_here()] == ["cpu"]
    made = load_model("pocket", device_map="balanced")
    assert made.device.type == "cpu" and not made.parts.is_spread and made.chosen is not None
    assert made.chosen.device_map == "balanced"


def test_a_spread_of_one_device_is_none() -> None:
    assert not Spread((("", "cuda:0"), ("lm_head", "cuda:0")), "cuda:0").is_spread


def test_a_command_says_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "map.json"
    file.write_text('{"": "disk"}')
    assert main(["models", "--check", "pocket", "--device-map", str(file)]) == 2
    assert "from where weights are not brought" in capsys.readouterr().err
    assert main(["models", "--devices", "3GiB"]) == 2
    assert "--devices goes with --check FOLDER" in capsys.readouterr().err
