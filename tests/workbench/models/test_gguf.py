"""GGUF files and the cache of converted models."""

from __future__ import annotations

import json
import multiprocessing
import os
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch

from tests.support.tiny_gguf import LAYERS, write_tiny_gguf
from workbench.base import folders
from workbench.errors import WorkbenchError
from workbench.models import cache as modelcache
from workbench.models import gguf as gguffile
from workbench.models.cache import CHECKED, STAMP, CacheEntry
from workbench.models.gguf_bounds import check_bounds
from workbench.models.model import Model, load_model

pytestmark = pytest.mark.dependencies


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(folders.CACHE_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache" / "models"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write_tiny_gguf(tmp_path / "tiny.gguf")


@pytest.fixture
def conversions(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Path]]:
    """The files that were converted, in order."""
    done: list[Path] = []
    convert = gguffile._convert

    def counted(path: Path, *rest: Any) -> Any:
        done.append(path)
        return convert(path, *rest)

    monkeypatch.setattr(gguffile, "_convert", counted)
    yield done


def load(file: Path, **options: Any) -> Model:
    return load_model(str(file), device="cpu", **options)


def logits(model: Model) -> torch.Tensor:
    with torch.no_grad():
        return model.hf(torch.tensor([[5, 80, 260, 17]])).logits


def refusal(file: Path) -> str:
    with pytest.raises(WorkbenchError) as caught:
        load(file)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_weights_are_the_files_dequantised(file: Path) -> None:
    model = load(file)
    assert model.info.layers == LAYERS
    assert (model.info.heads, model.info.kv_heads) == (4, 2)
    assert model.check.passed
    tensors = {t.name: t for t in gguf.GGUFReader(file).tensors}
    for ours, theirs in (("o_proj", "attn_output"), ("v_proj", "attn_v")):
        expected = gguf.dequantize(
            tensors[f"blk.1.{theirs}.weight"].data, gguf.GGMLQuantizationType.Q8_0
        )
        weights = dict(model.hf.state_dict())
        found = next(v for k, v in weights.items() if "layers.1." in k and f"{ours}" in k)
        np.testing.assert_array_equal(found.numpy(), expected)


def test_the_second_start_uses_the_cache_and_computes_the_same(
    file: Path, cache: Path, conversions: list[Path]
) -> None:
    told: list[str] = []
    first = load(file, progress=lambda message, _: told.append(message))
    assert any("onvert" in message for message in told)
    assert len(list(cache.iterdir())) == 1  # no half-written folder is left
    second = load(file)
    assert conversions == [file]
    assert torch.equal(logits(first), logits(second))
    assert first.tokenizer("the man")["input_ids"] == second.tokenizer("the man")["input_ids"]
    half = load(file, dtype="bfloat16")
    assert conversions == [file]
    assert half.dtype is torch.bfloat16


def test_an_entry_is_known_by_content(file: Path, tmp_path: Path, conversions: list[Path]) -> None:
    load(file)
    moved = file.rename(tmp_path / "elsewhere.gguf").rename(tmp_path / "tiny.gguf")
    os.utime(moved, (1, 1))
    load(moved)
    assert len(conversions) == 1
    # Another content of the same name, size and time is another model.
    stat = moved.stat()
    write_tiny_gguf(moved, seed=1)
    os.utime(moved, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert moved.stat().st_size == stat.st_size
    load(moved)
    assert len(conversions) == 2


@pytest.mark.parametrize(
    "damage", ["truncate", "delete", "garbage", "zeros", "stamp", "config", "tokenizer"]
)
def test_a_damaged_entry_is_made_anew(
    file: Path, cache: Path, conversions: list[Path], damage: str
) -> None:
    expected = logits(load(file))
    (entry,) = cache.iterdir()
    weights = entry / "model.safetensors"
    size = weights.stat().st_size
    match damage:
        case "truncate":
            os.truncate(weights, size // 2)
        case "delete":
            weights.unlink()
        case "garbage":
            weights.write_bytes(b"\xff" * size)
        case "zeros":
            # Pages that never reached the disk are missed when the machine is next started.
            (entry / CHECKED).write_text("an earlier boot")
            with weights.open("r+b") as stream:
                stream.seek(size - 4096)
                stream.write(bytes(4096))
        case "stamp":
            (entry / STAMP).write_text("{")
        case "config":
            n = (entry / "config.json").stat().st_size
            (entry / "config.json").write_bytes(b" " * n)
        case "tokenizer":
            n = (entry / "tokenizer.json").stat().st_size
            (entry / "tokenizer.json").write_bytes(b"[" * n)
    assert torch.equal(logits(load(file)), expected)
    assert len(conversions) == 2
    assert torch.equal(logits(load(file)), expected)
    assert len(conversions) == 2
    assert len(list(cache.iterdir())) == 1


def test_a_cache_that_cannot_be_written_only_warns(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a file").write_text("not a folder")
    monkeypatch.setenv(folders.CACHE_VARIABLE, str(tmp_path / "a file"))
    with pytest.warns(UserWarning, match="could not be kept"):
        model = load(file)
    assert model.check.passed


def test_a_full_disk_only_warns(file: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: Any, **kwargs: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("transformers.PreTrainedModel.save_pretrained", full)
    with pytest.warns(UserWarning, match="No space left"):
        assert load(file).check.passed
    assert list(cache.iterdir()) == []
    monkeypatch.undo()


def test_an_interrupted_conversion_leaves_nothing(
    file: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*args: Any, **kwargs: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("transformers.PreTrainedModel.save_pretrained", interrupted)
        with pytest.raises(KeyboardInterrupt):
            load(file)
    assert list(cache.iterdir()) == []


def test_what_a_killed_process_left_is_swept_up_a_day_later(file: Path, cache: Path) -> None:
    for name, age in ((".part-old", 2 * modelcache.ABANDONED), (".part-new", 60)):
        (cache / name).mkdir(parents=True)
        then = time.time() - age
        os.utime(cache / name, (then, then))
    load(file)
    names = {path.name for path in cache.iterdir()}
    assert ".part-old" not in names
    assert ".part-new" in names  # somebody may be writing it


# Not forked: a process that computes has threads, whose locks would be copied as they are.
SPAWN = multiprocessing.get_context("spawn")


def _store(file: Path, marks: Path, n: int) -> None:
    entry = CacheEntry.of(file, lambda message, fraction: None)

    def write(folder: Path) -> None:
        (folder / "model.safetensors").write_text(f"from {n}")
        (marks / str(n)).touch()
        while len(list(marks.iterdir())) < 2:  # until both are writing
            time.sleep(0.01)

    assert entry.store(write, 1)
    assert entry.is_whole()


@pytest.mark.parametrize("damaged", [False, True])
def test_two_processes_at_once(file: Path, tmp_path: Path, damaged: bool) -> None:
    entry = CacheEntry.of(file, lambda message, fraction: None)
    if damaged:
        entry.folder.mkdir(parents=True)
        (entry.folder / STAMP).write_text("{")
    marks = tmp_path / "marks"
    marks.mkdir()
    processes = [SPAWN.Process(target=_store, args=(file, marks, n)) for n in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    assert entry.is_whole()
    assert list(entry.folder.parent.iterdir()) == [entry.folder]
    stamp = json.loads((entry.folder / STAMP).read_text())
    assert set(stamp["files"]) == {"model.safetensors"}


def test_a_damaged_entry_that_another_process_takes_away_first(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = CacheEntry.of(file, lambda message, fraction: None)
    entry.folder.mkdir(parents=True)
    (entry.folder / STAMP).write_text("{")
    discard = CacheEntry.discard

    def late(own: CacheEntry) -> None:
        if own.folder.exists():
            discard(own)
        discard(own)

    monkeypatch.setattr(CacheEntry, "discard", late)
    assert entry.store(lambda folder: (folder / "model.safetensors").touch(), 1)
    assert entry.is_whole() and list(entry.folder.parent.iterdir()) == [entry.folder]


@pytest.mark.parametrize("keep", [0, 3, 4, 64, 5000, -2000, -1])
def test_truncated_files(file: Path, keep: int) -> None:
    file.write_bytes(file.read_bytes()[:keep])
    message = refusal(file)
    assert "GGUF" in message or "truncated" in message


def refused(file: Path) -> str:
    with pytest.raises(WorkbenchError) as caught:
        load(file)
    return str(caught.value)


def test_no_length_in_a_head_is_believed_beyond_the_bytes(file: Path) -> None:
    whole = file.read_bytes()
    check_bounds(file)
    at = whole.index(b"tokenizer.ggml.tokens") + len(b"tokenizer.ggml.tokens") + 8
    lies = {
        "an array": (at, 2**40),
        "entries": (16, 2**40),
        "tensors": (8, 2**40),
        "a text": (24, 2**60),
    }
    for where, number in lies.values():
        file.write_bytes(whole[:where] + struct.pack("<Q", number) + whole[where + 8 :])
        assert "truncated or corrupt" in refused(file)
    layers = whole.index(b"llama.block_count") + len(b"llama.block_count") + 4
    file.write_bytes(whole[:layers] + struct.pack("<I", 10**9) + whole[layers + 4 :])
    assert "block_count is 1,000,000,000" in refused(file)


def test_what_is_no_gguf_file(file: Path) -> None:
    file.write_bytes(b"PK\x03\x04" * 1000)
    assert "not a GGUF file" in refusal(file)
    file.write_bytes(b"GGUF" + b"\xff" * 10000)
    assert "truncated or corrupt" in refusal(file)


def test_families_whose_conversion_is_not_tested(tmp_path: Path) -> None:
    other = write_tiny_gguf(tmp_path / "other.gguf", architecture="bloom")
    assert "'bloom'" in refusal(other)


def test_no_network(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[Any] = []

    def refuse(*args: Any, **kwargs: Any) -> Any:
        tried.append(args)
        raise OSError("the network was touched")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    load(file)
    load(file)
    assert not tried
