"""`workbench models --check`: what it says, to people and to programs, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.tiny_models import tiny_gpt2, tiny_llama
from tests.support.unusual_models import MODELS
from workbench.cli import main
from workbench.errors import WorkbenchError
from workbench.experiment.room import Shape
from workbench.model_report.facts import check_facts, facts, memory_facts, size
from workbench.model_report.footprint import of_model, predict
from workbench.models.info import Architecture, SelfCheck
from workbench.models.model import Model, load_model
from workbench.transformer.families import parts_of

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs `workbench models --check` in this process; exit code, stdout and stderr."""

    def command(*arguments: object) -> tuple[int, str, str]:
        capfd.readouterr()
        code = main.main(["models", "--check", *map(str, arguments)])
        captured = capfd.readouterr()
        return code, captured.out, captured.err

    return command


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "tiny"
    for part in tiny_gpt2():
        part.save_pretrained(path)
    return path


def test_the_block_for_people(run: Run, folder: Path) -> None:
    code, out, err = run(folder, "--device", "cpu", "--pairs", 8, "--tokens", 12)
    assert code == 0, err
    labelled = [line for line in out.splitlines() if line[:14].strip()]
    lines = {line[:14].strip(): line[14:] for line in labelled}
    assert all(line[13] == " " and line[14] != " " for line in out.splitlines())
    assert lines["model"] == f"{folder}, of the family gpt2; float32 on cpu"
    assert lines["from"] == str(folder)
    assert lines["layers"] == "2: attention, then the MLP"
    assert lines["heads"] == "2 in each layer; 8 wide"
    assert lines["norm"] == "LayerNorm before attention and MLP"
    assert lines["positions"] == "learned, made for up to 64"
    assert lines["graph"] == "8 nodes, 46 edges"
    assert lines["self-check"] == "passed"
    assert "2 forward passes of 2 prompts of" in out
    assert lines["memory"] == "predicted for 8 pairs of 12 tokens"
    assert {"both runs", "circuit", "what-ifs", "EAP", "at once"} <= lines.keys()
    assert not {"windows", "soft caps", "experts", "q, k, v"} & lines.keys()


def test_json_is_what_a_script_gets(run: Run, folder: Path) -> None:
    code, out, err = run(folder, "--device", "cpu", "--json")
    assert code == 0, err
    found = json.loads(out)
    model = load_model(str(folder), device="cpu")
    predicted = of_model(model, 32, 16)
    assert found["memory"]["peak"] == predicted.peak
    assert found["memory"]["runs"] == predicted.runs
    assert found["memory"]["shapes"] == [{"pairs": 32, "tokens": 16, "start": 0}]
    assert found["parameters"] == model.info.parameters
    assert found["edges"] == model.graph.n_edges
    assert found["architecture"] == vars(model.info.architecture)
    check = found["check"]
    assert check["passed"] and check["relative"] == model.info.check_difference
    assert (check["prompts"], check["tokens"], check["passes"]) == (2, model.check.tokens, 2)
    assert len(out) < 3000


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["{model}", "--tokens", "65"], "64 positions"),
        (["{model}", "--dtype", "int3"], "'int3'"),
        (["{model}", "--device", "tpu"], "'tpu'"),
        (["{model}", "--revision", "v1"], "revisions"),
        (["{tmp}"], "no config.json"),
        (["{bert}"], "encoder model"),
        (["no/such/model"], "There is no model"),
    ],
)
def test_refusals_are_one_sentence(
    run: Run, folder: Path, tmp_path: Path, arguments: list[str], part: str
) -> None:
    bert = tmp_path / "bert"
    bert.mkdir()
    (bert / "config.json").write_text('{"model_type": "bert"}')
    places = {"model": folder, "tmp": tmp_path, "bert": bert}
    code, out, err = run(*(argument.format(**places) for argument in arguments))
    assert (code, out) == (2, "")
    *progress, last = err.strip().splitlines()
    assert all(line.endswith("…") for line in progress), err
    assert last.startswith("workbench: ") and part in last


@pytest.mark.parametrize("flags", [["--pairs", "0"], ["--tokens", "none"], []])
def test_wrong_usage(run: Run, flags: list[str]) -> None:
    code, out, err = run(*(["tiny", *flags] if flags else []))
    assert (code, out) == (2, "")
    assert "Traceback" not in err


def test_grouped_heads_and_the_tokenizers_bos_are_said() -> None:
    info = Model.from_hf(*tiny_llama(add_bos=True)).info
    said = dict(facts(info))
    assert said["heads"] == "4 in each layer, 2 for keys and values; 8 wide"
    assert said["BOS"] == "one before every prompt, if it is left to the tokenizer"
    assert said["vocabulary"].endswith("an unembedding of its own")


def test_a_window_that_the_check_did_not_reach_is_admitted() -> None:
    check = SelfCheck(1e-7, 1.0, 1e-4, prompts=2, tokens=24, passes=2)
    said = "no prompt was longer than the windows"
    for window, admitted in ((None, False), (23, False), (24, True), (4096, True)):
        assert (("", said) in check_facts(check, window)) == admitted


def test_the_check_runs_the_model_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from workbench.transformer import recording

    hf, tokenizer = tiny_llama()
    calls: list[str] = []
    hf.register_forward_hook(lambda *_: calls.append("model"))
    run = recording._run

    def counted(parts: object, tokens: object, *rest: object) -> object:
        calls.append("engine")
        return run(parts, tokens, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(recording, "_run", counted)
    model = Model.from_hf(hf, tokenizer)
    # The engine's pass is in two halves: the clean prompt, then what the other does not share.
    assert calls == ["model", "engine", "engine"]
    assert model.check.passes == 2


def test_a_batch_of_several_lengths() -> None:

    parts = parts_of(MODELS["gemma2"]())
    said = memory_facts(predict(parts, [Shape(1, 15, 9), Shape(2, 17, 11)], "kl"))
    assert said[0][1].endswith("3 pairs of 15 to 17 tokens")
    assert said[1][1] == "that differ from token 10 to 12 on; metric kl"


def test_sizes() -> None:
    assert [size(n) for n in (12, 2048, 3 * 2**20 + 2**19, 2**34)] == [
        "12 bytes",
        "2 KiB",
        "3.5 MiB",
        "16 GiB",
    ]
    assert size(1023 * 2**20) == "1,023 MiB"


def test_phrases_that_are_empty_are_left_out() -> None:
    info = Model.from_hf(*tiny_gpt2()).info
    everything = Architecture(
        **{
            **vars(info.architecture),
            "windows": "every layer sees 4 positions",
            "projections": "q, k and v clipped to ±8",
            "caps": "logits at 30",
            "experts": "8 experts",
        }
    )
    labels = [label for label, _ in facts(info)]
    object.__setattr__(info, "architecture", everything)
    said = dict(facts(info))
    assert set(said) - set(labels) == {"windows", "q, k, v", "soft caps", "experts"}
    assert said["q, k, v"] == "clipped to ±8"


def test_what_goes_with_check_is_not_ignored_without_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main.main(["models", "--dtype", "bfloat16"]) == 2
    assert "go with --check" in capsys.readouterr().err


def test_a_model_that_fails_by_itself_is_told_from_one_that_is_built_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hf, tokenizer = tiny_gpt2()

    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("The size of tensor a (3) must match the size of tensor b (4)")

    monkeypatch.setattr(hf, "forward", fails)
    with pytest.raises(WorkbenchError, match=r"own forward pass of odd fails .*tensor a .*config"):
        Model.from_hf(hf, tokenizer, name="odd")
