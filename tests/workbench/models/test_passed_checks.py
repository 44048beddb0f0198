"""Checks that were passed: when they are kept, when they count, and what is loaded by them."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from tests.support.tiny_models import tiny_gpt2, tiny_llama, tiny_neox
from workbench.models import file_digests, passed_checks, self_check, stand_in
from workbench.models.file_digests import digest_of
from workbench.models.file_tokenizer import PROBES, KeptTokenizer
from workbench.models.model import Model, load_model
from workbench.models.self_check import engine_logits

pytestmark = pytest.mark.dependencies

MAKERS: dict[str, Callable[..., tuple[Any, Any]]] = {
    "gpt2": tiny_gpt2,
    "llama": tiny_llama,
    "llama of one head": lambda: tiny_llama(heads=2, n_kv_heads=2, layers=3),
}
TOKENS = torch.tensor([[3, 5, 7, 11], [3, 5, 2, 9]])


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "state"
    monkeypatch.setenv("WORKBENCH_STATE", str(folder))
    return folder


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Digests are kept at once."""
    monkeypatch.setattr(file_digests, "SETTLED", -3600.0)


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The models that were checked."""
    made: list[str] = []
    check = self_check.self_check

    def counted(*given: Any) -> Any:
        made.append(given[3])
        return check(*given)

    monkeypatch.setattr(self_check, "self_check", counted)
    yield made


def saved(path: Path, make: Callable[..., tuple[Any, Any]] = tiny_llama) -> Path:
    for part in make():
        part.save_pretrained(path)
    return path


def loaded(folder: Path, **options: Any) -> Model:
    return load_model(str(folder), device="cpu", **options)


def is_stand_in(model: Model) -> bool:
    return isinstance(model.tokenizer, KeptTokenizer)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())
def test_the_second_time_it_is_a_stand_in_that_computes_the_same(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    make: Callable[..., tuple[Any, Any]],
    dtype: str,
) -> None:
    folder = saved(tmp_path / "tiny", make)
    first = loaded(folder, dtype=dtype)
    assert not is_stand_in(first)
    with monkeypatch.context() as patched:
        patched.delattr(AutoModelForCausalLM, "from_pretrained")
        second = loaded(folder, dtype=dtype)
    assert is_stand_in(second)
    assert second.info == first.info and second.check == first.check
    assert second.graph is first.graph and second.positions == first.positions
    assert (second.device, second.dtype) == (first.device, first.dtype)
    for ours, theirs in zip(
        engine_logits(second.parts, TOKENS), engine_logits(first.parts, TOKENS), strict=True
    ):
        assert torch.equal(ours, theirs)
    # What transformers makes of it when it is asked for has the same weights, and computes them.
    weights, expected = (dict(model.hf.named_parameters()) for model in (second, first))
    assert weights.keys() == expected.keys()
    assert all(torch.equal(weights[name], expected[name]) for name in weights)
    assert torch.equal(second.hf(TOKENS).logits, first.hf(TOKENS).logits)
    last = second.parts.layers[-1].attention
    last.w_o.mul_(0)
    assert not torch.equal(second.hf(TOKENS).logits, first.hf(TOKENS).logits)


def test_its_tokenizer_gives_the_same_tokens_and_asks_for_the_rest(tmp_path: Path) -> None:
    folder = saved(tmp_path / "tiny", lambda: tiny_gpt2(add_bos=True))
    theirs, ours = loaded(folder).tokenizer, loaded(folder).tokenizer
    assert isinstance(ours, KeptTokenizer) and len(ours) == len(theirs)
    for text in (*PROBES, "Mary went to the store", "<|im_start|>Mary"):
        for special in (True, False):
            made = ours(text, add_special_tokens=special, return_offsets_mapping=True)
            told = theirs(text, add_special_tokens=special, return_offsets_mapping=True)
            assert made["input_ids"] == told["input_ids"]
            assert made["offset_mapping"] == told["offset_mapping"]
    for name in ("bos_token", "eos_token_id", "unk_token", "unk_token_id", "pad_token_id"):
        assert getattr(ours, name) == getattr(theirs, name)
    assert ours.all_special_ids == theirs.all_special_ids
    assert ours.model_max_length == theirs.model_max_length
    assert "whole" not in vars(ours)
    assert ours.padding_side == theirs.padding_side
    assert "whole" in vars(ours)


def test_a_check_is_made_once_and_again_when_asked_for(tmp_path: Path, checks: list[str]) -> None:
    folder = saved(tmp_path / "tiny")
    loaded(folder)
    loaded(folder)
    assert len(checks) == 1
    loaded(folder, recheck=True)
    assert len(checks) == 2
    loaded(folder, dtype="bfloat16")  # other numbers
    assert len(checks) == 3


def test_another_family_is_read_by_transformers_and_not_checked_again(
    tmp_path: Path, checks: list[str]
) -> None:
    folder = saved(tmp_path / "tiny", tiny_neox)
    first, second = loaded(folder), loaded(folder)
    assert len(checks) == 1 and not is_stand_in(second)
    assert second.info == first.info


@pytest.mark.parametrize("at", [-1, -7, -4000])
def test_a_changed_weight_of_a_file_as_long_and_as_old_is_seen(
    tmp_path: Path, settled: None, checks: list[str], at: int
) -> None:
    folder = saved(tmp_path / "tiny")
    loaded(folder)
    file = folder / "model.safetensors"
    before, data = file.stat(), bytearray(file.read_bytes())
    data[at] ^= 1
    with file.open("r+b") as stream:
        stream.write(data)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file.stat().st_mtime_ns == before.st_mtime_ns
    loaded(folder)
    assert len(checks) == 2


def test_another_file_put_in_its_place_is_seen(tmp_path: Path, settled: None) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    a.write_bytes(b"one")
    b.write_bytes(b"two")
    first = digest_of([a])
    os.utime(b, ns=(a.stat().st_atime_ns, a.stat().st_mtime_ns))
    b.replace(a)
    assert digest_of([a]) != first


def test_a_digest_is_kept_of_settled_files_only(
    tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "weights"
    file.write_bytes(b"one")
    found = digest_of([file])
    assert not list(state.rglob("*.json"))
    now = time.time() + 2 * file_digests.SETTLED
    monkeypatch.setattr(file_digests.time, "time", lambda: now)
    assert digest_of([file]) == found
    (kept,) = state.rglob("*.json")
    monkeypatch.setattr(Path, "open", None)  # it is not read again
    monkeypatch.setattr(file_digests, "read_values", lambda path: json.loads(kept.read_text()))
    with pytest.raises(TypeError):
        kept.open()
    monkeypatch.undo()
    assert stat.S_IMODE(state.stat().st_mode) == 0o700


def test_a_damaged_record_is_not_there(tmp_path: Path, state: Path, checks: list[str]) -> None:
    folder = saved(tmp_path / "tiny")
    loaded(folder)
    (record,) = (state / "self-checks").glob("*.json")
    assert stat.S_IMODE(record.stat().st_mode) == 0o600
    whole = record.read_bytes()
    relative = whole.index(b"tolerance")
    for number, damaged in enumerate(
        (
            b"",
            whole[:-9],
            b"[]",
            b'{"found": 1}',
            whole.replace(b"0.0001", b"0.9001"),
            whole[:relative] + b"T" + whole[relative + 1 :],
        )
    ):
        record.write_bytes(damaged)
        loaded(folder)
        assert len(checks) == 2 + number
        assert record.read_bytes() == whole


def test_other_versions_and_other_sources_are_checked_anew(
    tmp_path: Path, checks: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = saved(tmp_path / "tiny")
    loaded(folder)
    for name in ("_versions", "_sources"):
        monkeypatch.setattr(passed_checks, name, lambda: ("other",))
        loaded(folder)
        loaded(folder)
    assert len(checks) == 3


def test_a_stand_in_that_computes_otherwise_is_never_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = saved(tmp_path / "tiny")
    wrong = stand_in.RMSNorm.forward

    def slightly_off(self: Any, x: torch.Tensor) -> torch.Tensor:
        return wrong(self, x) * (1 + 2**-20)

    monkeypatch.setattr(stand_in.RMSNorm, "forward", slightly_off)
    loaded(folder)
    assert not is_stand_in(loaded(folder))


@pytest.mark.parametrize(
    "change",
    [
        {"rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 1e4}},
        {"hidden_act": "gelu_pytorch_tanh"},
        {"quantization_config": {}},
    ],
)
def test_variants_are_left_to_transformers(tmp_path: Path, change: dict[str, Any]) -> None:
    folder = saved(tmp_path / "tiny")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **change}))
    made = stand_in.read_stand_in(folder, "tiny", torch.float32, torch.device("cpu"))
    assert made is None


def test_too_many_bytes_are_not_worth_a_digest(
    tmp_path: Path, checks: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passed_checks, "LARGEST", 1000)
    folder = saved(tmp_path / "tiny")
    loaded(folder)
    loaded(folder)
    assert len(checks) == 2


def test_the_oldest_records_go(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passed_checks, "MOST", 2)
    model = Model.from_hf(*tiny_gpt2())
    found = passed_checks.Passed(model.info, False, None)
    for name in "abc":
        passed_checks.keep_passed(name, model.device, model.dtype, found)
        time.sleep(0.01)
    known = [passed_checks.passed_before(name, model.device, model.dtype) for name in "abc"]
    assert known == [None, found, found]


def test_a_session_on_a_model_that_passed_never_imports_transformers(state: Path) -> None:
    load_model("pocket", device="cpu")
    code = (
        "import sys\n"
        "from workbench.session.start import start_session\n"
        "session = start_session('pocket', 'greater-than', device='cpu', pairs=4)\n"
        "session.expand('logits')\n"
        "print(session.status().faithfulness, 'transformers' in sys.modules)"
    )
    environment = {**os.environ, "WORKBENCH_STATE": str(state)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-1] == "False"


def test_short_numbers_leave_rotary_frequencies_alone(tmp_path: Path) -> None:
    """As where transformers itself reads a model in bfloat16."""
    folder = saved(tmp_path / "tiny")
    plain = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.bfloat16, attn_implementation="eager"
    )
    ours = loaded(folder, dtype="bfloat16").hf
    assert ours.model.rotary_emb.inv_freq.dtype == torch.float32
    with torch.no_grad():
        assert torch.equal(ours(TOKENS).logits, plain(TOKENS).logits)
