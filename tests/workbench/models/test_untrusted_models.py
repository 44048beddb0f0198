"""A model's files are somebody else's: no code in them runs, and nobody is asked whether it may."""

from __future__ import annotations

import builtins
import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.support.paths import ROOT
from tests.support.tiny_models import tiny_llama
from workbench.errors import WorkbenchError
from workbench.models.model import Model, load_model

pytestmark = pytest.mark.dependencies

CODE = """
import pathlib
pathlib.Path({mark!r}).write_text("ran")
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
class OwnTokenizer(PreTrainedTokenizerFast): pass
class OwnConfig(LlamaConfig): pass
class OwnModel(LlamaForCausalLM): pass
def generate(model, *args, **kwargs): pass
"""


class Loaded:
    """What a pickle does when it is read."""

    def __init__(self, mark: str) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return (eval, (f"__import__('pathlib').Path({self.mark!r}).write_text('ran')",))


class Hostile:
    """A tiny Llama's folder with code beside it, which leaves a mark when it runs."""

    def __init__(self, base: Path) -> None:
        self.folder, self.mark = base / "hostile", base / "ran"
        model, tokenizer = tiny_llama()
        model.save_pretrained(self.folder)
        tokenizer.save_pretrained(self.folder)
        (self.folder / "own.py").write_text(CODE.format(mark=str(self.mark)), encoding="utf-8")

    def change(self, file: str, **entries: Any) -> None:
        path = self.folder / file
        old = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        path.write_text(json.dumps({**old, **entries}), encoding="utf-8")


@pytest.fixture
def hostile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hostile:
    def asked(*args: Any) -> str:
        raise AssertionError("somebody was asked")

    monkeypatch.setattr(builtins, "input", asked)
    monkeypatch.setenv("HF_MODULES_CACHE", str(tmp_path / "modules"))
    return Hostile(tmp_path)


def load(hostile: Hostile) -> Model:
    try:
        return load_model(str(hostile.folder), device="cpu")
    finally:
        assert not hostile.mark.exists()


def refusal(hostile: Hostile) -> str:
    with pytest.raises(WorkbenchError) as caught:
        load(hostile)
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith(".")
    return message


def test_the_code_would_leave_a_mark(hostile: Hostile) -> None:
    exec((hostile.folder / "own.py").read_text(encoding="utf-8"), {})
    assert hostile.mark.exists()


@pytest.mark.parametrize(
    "auto_map",
    [
        {"AutoTokenizer": ["own.OwnTokenizer", None]},
        {"AutoTokenizer": [None, "own.OwnTokenizer"]},
        {"AutoTokenizer": "own.OwnTokenizer"},
        ["own.OwnTokenizer", None],
    ],
    ids=["slow", "fast", "name", "list"],
)
@pytest.mark.parametrize("kind", ["OwnTokenizer", "PreTrainedTokenizerFast"])
def test_a_tokenizer_of_code_is_refused(hostile: Hostile, auto_map: Any, kind: str) -> None:
    hostile.change("tokenizer_config.json", auto_map=auto_map, tokenizer_class=kind)
    message = refusal(hostile)
    assert "own.OwnTokenizer" in message
    assert "never run" in message


@pytest.mark.parametrize(
    "auto_map",
    [{"AutoConfig": "own.OwnConfig"}, {"AutoModelForCausalLM": "own.OwnModel"}],
    ids=["configuration", "model"],
)
def test_a_known_family_with_code_is_read_as_its_own_and_said_so(
    hostile: Hostile, auto_map: dict[str, str]
) -> None:
    hostile.change("config.json", auto_map=auto_map)
    (note,) = load(hostile).info.notes
    assert next(iter(auto_map.values())) in note
    assert "never run" in note


def test_a_family_that_is_only_code_is_refused(hostile: Hostile) -> None:
    named = {"AutoConfig": "own.OwnConfig", "AutoModelForCausalLM": "own.OwnModel"}
    hostile.change("config.json", auto_map=named, model_type="own")
    assert "own" in refusal(hostile)


def test_code_for_generation_is_left_alone(hostile: Hostile) -> None:
    (hostile.folder / "custom_generate").mkdir()
    (hostile.folder / "own.py").rename(hostile.folder / "custom_generate" / "generate.py")
    assert load(hostile).info.notes == ()


@pytest.mark.parametrize("key", ["attn_implementation", "_attn_implementation"])
@pytest.mark.parametrize("value", ["somebody/kernels", {"": "somebody/kernels@main:attention"}])
def test_kernels_named_in_a_configuration_are_not_fetched(
    hostile: Hostile, key: str, value: Any
) -> None:
    hostile.change("config.json", **{key: value})
    assert "somebody/kernels" in refusal(hostile)


def test_a_pickle_with_code_is_refused(hostile: Hostile) -> None:
    (hostile.folder / "model.safetensors").unlink()
    with (hostile.folder / "pytorch_model.bin").open("wb") as stream:
        pickle.dump((Loaded(str(hostile.mark)), bytes(10**6)), stream)
    assert "code, which is never run" in refusal(hostile)
    weights = {"weight": Loaded(str(hostile.mark)), "other": torch.zeros(10**6)}
    torch.save(weights, hostile.folder / "pytorch_model.bin")
    assert "code, which is never run" in refusal(hostile)


@pytest.mark.parametrize("where", ["chat_template.jinja", "tokenizer_config.json"])
def test_a_chat_template_that_loops_is_never_rendered(hostile: Hostile, where: str) -> None:
    endless = "{% for i in range(10**12) %}{% for j in range(10**12) %}a{% endfor %}{% endfor %}"
    if where.endswith(".json"):
        hostile.change(where, chat_template=endless)
    else:
        (hostile.folder / where).write_text(endless, encoding="utf-8")
    assert load(hostile).tokenizer("the")["input_ids"]


def test_an_adapter_is_not_followed_to_the_model_that_it_names(hostile: Hostile) -> None:
    hostile.change("adapter_config.json", base_model_name_or_path="somebody/else", peft_type="LORA")
    assert "adapter" in refusal(hostile)


@pytest.mark.parametrize(
    "change",
    [
        lambda h: h.change("tokenizer_config.json", auto_map={"AutoTokenizer": ["own.X", None]}),
        lambda h: h.change("config.json", auto_map={"AutoConfig": "own.OwnConfig"}, model_type="x"),
    ],
    ids=["tokenizer", "model"],
)
def test_the_command_says_one_sentence_and_reads_no_answer(
    hostile: Hostile, change: Callable[[Hostile], None]
) -> None:
    change(hostile)
    command = [sys.executable, "-m", "workbench", "models", "--check", str(hostile.folder)]
    result = subprocess.run(
        command, input="y\ny\ny\n", capture_output=True, text=True, timeout=300, check=False
    )
    assert result.returncode == 2
    assert result.stdout == ""
    *progress, said = result.stderr.strip().splitlines()
    assert said.startswith("workbench: ")
    assert all(line.endswith("…") for line in progress), result.stderr
    assert not hostile.mark.exists()


def test_transformers_is_asked_in_one_place() -> None:
    """Whatever reads a model or a tokenizer goes through what says no to code."""
    reading = [
        str(path.relative_to(ROOT))
        for room in ("workbench", "screens", "tasks")
        for path in sorted((ROOT / room).rglob("*.py"))
        if ".from_pretrained(" in path.read_text(encoding="utf-8")
    ]
    assert reading == ["workbench/models/transformers_access.py"]


@pytest.mark.parametrize("prefix", ["_orig_mod.", "module."])
def test_weights_of_a_wrapped_model(tmp_path: Path, prefix: str) -> None:
    model, tokenizer = tiny_llama()
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    path = tmp_path / "model.safetensors"
    weights = load_file(path)
    save_file({prefix + name: value for name, value in weights.items()}, path, {"format": "pt"})
    with pytest.raises(WorkbenchError, match=f"carry '{prefix}' before every name"):
        load_model(str(tmp_path), device="cpu")


@pytest.mark.parametrize("head", ["", "score"])
def test_weights_without_a_head_for_language(tmp_path: Path, head: str) -> None:
    """As of a base model, or of a classifier."""
    model, tokenizer = tiny_llama()
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    path = tmp_path / "model.safetensors"
    # Copies: the file that some releases map is written over.
    weights = {n: value.clone() for n, value in load_file(path).items() if "lm_head" not in n}
    if head:
        weights[f"{head}.weight"] = torch.zeros(2, weights["model.norm.weight"].shape[0])
    save_file(weights, path, {"format": "pt"})
    with pytest.raises(WorkbenchError, match="has no unembedding"):
        load_model(str(tmp_path), device="cpu")
    save_file({k: v for k, v in weights.items() if "norm" not in k}, path, {"format": "pt"})
    with pytest.raises(WorkbenchError, match="not whole"):
        load_model(str(tmp_path), device="cpu")


def test_weights_that_hold_nan() -> None:
    model, tokenizer = tiny_llama()
    with torch.no_grad():
        model.model.layers[1].mlp.down_proj.weight[0, 0] = float("nan")
    with pytest.raises(WorkbenchError, match=r"NaN or infinity \(model.layers.1.mlp.down_proj.wei"):
        Model.from_hf(model, tokenizer)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("num_hidden_layers", 10**9),
        ("num_hidden_layers", -1),
        ("hidden_size", 10**12),
        ("vocab_size", 1.5),
        ("max_position_embeddings", 2**40),
        ("vocab_size", 2**23),
        ("hidden_size", 300_000),
        ("intermediate_size", 2**23),
        ("dtype", "nonsense"),
        ("torch_dtype", ["float32"]),
        ("dtype", "load"),
    ],
)
def test_sizes_that_the_weights_are_not_of_are_refused_before_room_is_made(
    hostile: Hostile, key: str, value: Any
) -> None:
    hostile.change("config.json", **{key: value})
    assert key in refusal(hostile)


@pytest.mark.parametrize("family", ["a" * 5000, "b\x1b[31m\u202e" * 40])
def test_a_family_of_any_name_is_told_in_a_few_of_its_characters(
    hostile: Hostile, family: str
) -> None:
    hostile.change("config.json", model_type=family)
    said = refusal(hostile)
    assert said.isprintable() and family[:60] not in said


def test_a_tokenizer_larger_than_any_is_not_read(
    hostile: Hostile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workbench.models.folder.TOKENIZER_BYTES", 1000)
    assert "tokenizer.json" in refusal(hostile)
