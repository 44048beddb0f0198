"""The command line: results, exit codes, and what goes to which stream."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks import TASKS
from tasks.pair import Pair
from tests.support.paths import ROOT
from tests.support.tiny_models import tiny_gpt2, tiny_llama
from workbench.__main__ import main as entry_point
from workbench.circuits.circuit import Circuit
from workbench.circuits.graph import Graph
from workbench.cli import console, main
from workbench.errors import WorkbenchError
from workbench.experiment import prepare as evaluation
from workbench.formats import load_circuit, save_circuit
from workbench.prompts.pair_json import pair_to_json
from workbench.transformer.families.catalogue import words_of_families

pytestmark = pytest.mark.dependencies

GRAPH = Graph(2, 2)
SCORE_KEYS = {"clean", "corrupted", "circuit", "faithfulness", "edges", "nodes"}


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("WORKBENCH_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    yield tmp_path / "state"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "tiny"
    hf, tokenizer = tiny_gpt2()
    hf.save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


@pytest.fixture
def circuit(tmp_path: Path) -> Path:
    path = tmp_path / "circuit.json"
    edges = ["input->a0.h1<v>", "a0.h1->m1", "m1->logits", "input->logits"]
    save_circuit(Circuit.from_edges(GRAPH, edges), path)
    return path


@pytest.fixture
def task(tmp_path: Path) -> Path:
    path = tmp_path / "pairs.jsonl"
    pairs = [
        Pair("Mary and John went", "Mary and Paul went", (" John",), (" Mary",)),
        Pair("the man and John went", "the man and Mary went", (" John",), (" Mary", " Paul")),
        Pair("John went to Mary", "John went to John", (" the",), (" a",)),
    ]
    path.write_text("\n".join(json.dumps(pair_to_json(pair)) for pair in pairs), encoding="utf-8")
    return path


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs the command line in this process; returns exit code, stdout and stderr."""

    def command(*arguments: object) -> tuple[int, str, str]:
        capfd.readouterr()
        code = main.main([str(argument) for argument in arguments])
        captured = capfd.readouterr()
        return code, captured.out, captured.err

    return command


def the_sentence(err: str) -> str:
    """The one line about the error, after lines of progress."""
    *progress, last = err.strip().splitlines()
    # What was read of a file, and what is odd about it, is said before.
    assert all(line.endswith("…") or line.startswith("workbench: ") for line in progress), err
    assert last.startswith("workbench: ")
    return last


def test_evaluate_as_json(run: Run, model: Path, task: Path, circuit: Path) -> None:
    code, out, err = run("evaluate", model, task, circuit, "--json", "--device", "cpu")
    assert code == 0, err
    score = json.loads(out)  # all of stdout
    assert score.keys() >= SCORE_KEYS
    assert score["pairs"] == 3  # the whole file
    assert score["edges"] == 4
    assert score["nodes"] == 4
    assert score["metric"] == "logit_diff"
    assert score["clean"] != score["corrupted"] != score["circuit"]
    expected = (score["circuit"] - score["corrupted"]) / (score["clean"] - score["corrupted"])
    assert score["faithfulness"] == pytest.approx(expected)
    assert "…" in err


def test_evaluate_is_what_a_script_computes(
    run: Run, model: Path, task: Path, circuit: Path
) -> None:
    from workbench import evaluate, load_circuit, load_model, load_task

    loaded = load_model(str(model), device="cpu")
    options: dict[str, Any] = {"pairs": 2, "metric": "prob_diff"}
    score = evaluate(loaded, load_task(task, loaded, **options), load_circuit(circuit))
    again = evaluate(loaded, task, circuit, **options)
    assert score == again
    _, out, err = run(
        "evaluate", model, task, circuit, "--pairs", 2, "--metric", "prob_diff", "--json",
        "--device", "cpu",
    )  # fmt: skip
    # The model is called as it was named, a path; all else is the same.
    printed = json.loads(out)
    warned = printed.pop("warnings")
    assert printed == json.loads(json.dumps(score.to_json()))
    assert [line for line in err.splitlines() if "warning: " in line] == [
        f"workbench: warning: {sentence}" for sentence in warned
    ]


def test_the_full_and_the_empty_circuit_are_the_two_runs(
    run: Run, model: Path, task: Path, tmp_path: Path
) -> None:
    for name, made in (("full", Circuit.full(GRAPH)), ("empty", Circuit.empty(GRAPH))):
        save_circuit(made, tmp_path / name)
        _, out, _ = run("evaluate", model, task, tmp_path / name, "--json", "--device", "cpu")
        score = json.loads(out)
        run_of = {"full": "clean", "empty": "corrupted"}[name]
        assert score["circuit"] == pytest.approx(score[run_of], abs=1e-5)


def test_evaluate_for_people(run: Run, model: Path, circuit: Path) -> None:
    code, out, _ = run("evaluate", model, "ioi", circuit, "--pairs", 4, "--seed", 3)
    assert code == 0
    for word in ("faithfulness", "logit_diff", "4 of 46", "4 pairs", "closed"):
        assert word in out


def test_built_in_tasks_take_pairs_and_seed(run: Run, model: Path, circuit: Path) -> None:
    def clean(*flags: object) -> tuple[int, float]:
        _, out, _ = run("evaluate", model, "ioi", circuit, "--json", "--device", "cpu", *flags)
        score = json.loads(out)
        return score["pairs"], score["clean"]

    assert clean()[0] == 32
    first, again, other = (clean("--pairs", 5, "--seed", seed) for seed in (1, 1, 2))
    assert first[0] == 5
    assert first == again
    assert first != other


def test_lists(run: Run) -> None:
    code, out, _ = run("tasks", "--json")
    assert code == 0
    assert [t["name"] for t in json.loads(out)] == list(TASKS)
    code, out, _ = run("models", "--json")
    assert code == 0
    listed = json.loads(out)
    assert {"pocket", "known", "smollm2"} <= {m["name"] for m in listed["models"]}
    assert listed["families"] == words_of_families() and "gemma2" in listed["families"]
    for command in ("tasks", "models"):
        code, out, err = run(command)
        assert code == 0 and out and not err


def test_tasks_of_a_model(run: Run, model: Path, task: Path) -> None:
    code, out, err = run("tasks", model, "ioi", "docstring", task, "--json", "--device", "cpu")
    assert code == 0, err
    made, refused, own = json.loads(out)["tasks"]
    assert (made["task"], made["pairs"], own["pairs"]) == ("ioi", 16, 3)
    assert refused.keys() == {"task", "refused"}
    code, out, _ = run("tasks", model, "ioi", "docstring", "--device", "cpu")
    head, line, *rest = out.splitlines()
    assert head.split() == ["metric", "clean", "accuracy", "corrupted", "pairs"]
    assert line.split()[:3] == ["ioi", "logit_diff", f"{made['clean']:.3f}"]
    assert rest[-1] == f"- {refused['refused']}"


def test_pairs_that_a_model_answers_rightly_are_a_task_file(
    run: Run, model: Path, tmp_path: Path
) -> None:
    there = tmp_path / "right.jsonl"
    code, out, err = run("tasks", model, "ioi", "--right", there, "--pairs", 5, "--device", "cpu")
    assert (code, out.strip()) == (0, str(there)), err
    assert {json.loads(line)["task"] for line in there.read_text().splitlines()} == {"ioi"}
    _, out, _ = run("tasks", model, there, "--json", "--device", "cpu")
    [found] = json.loads(out)["tasks"]
    assert (found["pairs"], found["accuracy"]) == (5, 1.0)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--pairs", 3), "workbench tasks MODEL"),
        (("pocket", "no-such-task"), "no-such-task"),
        (("pocket", "ioi", "induction", "--right", "x.jsonl"), "one task"),
    ],
)
def test_tasks_refuse_in_a_sentence(run: Run, arguments: tuple[object, ...], said: str) -> None:
    code, out, err = run("tasks", *arguments)
    assert (code, out) == (2, "") and said in the_sentence(err)


def test_models_lists_downloads(run: Run, tmp_path: Path) -> None:
    def download(name: str, family: str, weights: str) -> None:
        folder = tmp_path / "hub" / f"models--{name.replace('/', '--')}" / "snapshots" / "abc"
        folder.mkdir(parents=True)
        (folder / "config.json").write_text(json.dumps({"model_type": family}))
        (folder / weights).touch()

    download("gpt2", "gpt2", "model.safetensors")
    download("owner/pythia", "gpt_neox", "pytorch_model.bin")
    download("owner/bert", "bert", "model.safetensors")
    download("owner/nothing", "gpt2", "README.md")
    _, out, _ = run("models", "--json")
    names = {m["name"] for m in json.loads(out)["models"] if m["kind"] == "hub"}
    assert names == {"gpt2", "owner/pythia"}


def test_convert(run: Run, circuit: Path, tmp_path: Path) -> None:
    there, back = tmp_path / "eap.json", tmp_path / "back.json"
    code, out, _ = run("convert", circuit, there, "--format", "eap-ig")
    assert (code, out.strip()) == (0, str(there))
    assert "nodes" in json.loads(there.read_text())
    code, out, _ = run("convert", there, back, "--json")
    assert code == 0
    assert json.loads(out)["written"] == str(back)
    from workbench.formats import load_circuit

    assert load_circuit(back) == load_circuit(circuit)


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["evaluate", "no/such/model", "ioi", "{circuit}"], "There is no model"),
        (["evaluate", "{tmp}", "ioi", "{circuit}"], "no config.json"),
        (["evaluate", "{model}", "no-task", "{circuit}"], "There is no task"),
        (["evaluate", "{model}", "{circuit}", "{circuit}"], "circuit.json"),
        (["evaluate", "{model}", "ioi", "{tmp}/none.json"], "none.json"),
        (["evaluate", "{model}", "ioi", "{task}"], "pairs.jsonl"),
        (["evaluate", "{model}", "ioi", "{circuit}", "--metric", "best"], "'best'"),
        (["evaluate", "{model}", "ioi", "{circuit}", "--dtype", "int3"], "'int3'"),
        (["evaluate", "{model}", "ioi", "{circuit}", "--device", "tpu"], "'tpu'"),
        (["evaluate", "{model}", "ioi", "{circuit}", "--ablation", "mean2"], "'mean2'"),
        (["evaluate", "{model}", "ioi", "{circuit}", "--means-from", "ioi"], "takes no means"),
        (
            [
                *("evaluate", "{model}", "ioi", "{circuit}"),
                *("--ablation", "mean", "--means-from", "no-task"),
            ],
            "There is no task",
        ),
        (["evaluate", "{model}", "ioi", "{circuit}", "--revision", "v1"], "revisions"),
        (["convert", "{task}", "{tmp}/out.json"], "pairs.jsonl"),
        (["convert", "{circuit}", "{tmp}/no/such/folder/out.json"], "out.json"),
        (["open", "no/such/model", "--task", "ioi"], "There is no model"),
        (["open", "{model}", "--task", "no-task"], "There is no task"),
        (["open", "{model}", "--task", "ioi", "--circuit", "{task}"], "pairs.jsonl"),
        (["open", "{model}", "--task", "ioi", "--ablation", "mean2"], "'mean2'"),
        (["open", "{model}", "--task", "ioi"], "needs a terminal"),
        ([], "needs a terminal"),
        (["resume"], "no session"),
        (["resume", "2020"], "no session"),
        (["bench", "no/such/model"], "There is no model"),
        (["bench", "{model}", "--threshold", "1"], "goes with --discovery"),
        (["bench", "{model}", "--discovery", "--app"], "something else than --app"),
    ],
)
def test_errors_are_one_sentence_and_exit_code_2(
    run: Run,
    model: Path,
    task: Path,
    circuit: Path,
    tmp_path: Path,
    arguments: list[str],
    part: str,
) -> None:
    places = {"model": model, "task": task, "circuit": circuit, "tmp": tmp_path}
    code, out, err = run(*(argument.format(**places) for argument in arguments))
    assert code == 2
    assert out == ""
    assert part in the_sentence(err)


def test_a_circuit_of_another_model(run: Run, tmp_path: Path, circuit: Path) -> None:
    hf, tokenizer = tiny_llama()
    hf.save_pretrained(tmp_path / "llama")
    tokenizer.save_pretrained(tmp_path / "llama")
    code, out, err = run("evaluate", tmp_path / "llama", "ioi", circuit, "--pairs", 2)
    assert (code, out) == (2, "")
    assert "another model" in the_sentence(err)


def test_a_circuit_found_in_a_model_of_another_name_is_warned_of(
    run: Run, model: Path, task: Path, tmp_path: Path
) -> None:
    made = Circuit.from_edges(GRAPH, ["input->logits"])
    made.provenance = {"model": {"name": "another"}}
    save_circuit(made, tmp_path / "found.json")
    code, out, err = run("evaluate", model, task, tmp_path / "found.json", "--json")
    assert code == 0
    json.loads(out)
    assert "warning: the circuit was found in the model another" in err


@pytest.mark.parametrize(
    "arguments",
    [["frobnicate"], ["evaluate"], ["evaluate", "a", "b", "c", "--pairs", "0"], ["tasks", "-x"],
     ["convert", "a", "b", "--format", "svg"], ["open", "gpt2"]],
)  # fmt: skip
def test_wrong_usage(run: Run, arguments: list[str]) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert "Traceback" not in err


def test_a_defect_is_one_sentence_and_a_log(
    run: Run, monkeypatch: pytest.MonkeyPatch, state: Path
) -> None:
    def fail() -> None:
        raise ZeroDivisionError("by\nzero")

    monkeypatch.setattr("workbench.session.journals.models_to_offer", fail)
    code, out, err = run("models")
    assert (code, out) == (1, "")
    assert the_sentence(err).count("ZeroDivisionError") == 1
    (log,) = (state / "logs").iterdir()
    assert str(log) in err
    assert "Traceback" in log.read_text()


def test_a_defect_whose_log_cannot_be_written_shows_the_traceback(
    run: Run, monkeypatch: pytest.MonkeyPatch, state: Path
) -> None:
    state.write_text("in the way")
    monkeypatch.setattr("workbench.session.journals.models_to_offer", lambda: 1 / 0)
    code, _, err = run("models")
    assert code == 1
    assert "Traceback" in err


def test_out_of_memory_is_a_sentence(
    run: Run, model: Path, circuit: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes")

    monkeypatch.setattr("workbench.experiment.experiment.record", fail)
    code, _, err = run("evaluate", model, "ioi", circuit, "--pairs", 2)
    assert code == 2
    assert the_sentence(err) == f"workbench: {evaluation.NO_MEMORY}"


def test_names_with_control_characters_and_markup_are_shown_harmlessly(run: Run) -> None:
    code, _, err = run("evaluate", "\x1b[31mred", "[bold]task", "c")
    assert code == 2
    assert "\x1b" not in err
    code, _, err = run("evaluate", "smollm2", "\x1b]0;title\x07[/bold]", "c")
    assert "\x1b" not in err
    assert "[/bold]" in err


def test_numbers_that_json_lacks_become_null(capsys: pytest.CaptureFixture[str]) -> None:
    from workbench.cli import output

    output.as_json({"a": float("nan"), "b": [float("inf"), 1.5], "c": None})
    assert json.loads(capsys.readouterr().out) == {"a": None, "b": [None, 1.5], "c": None}


def test_interruption(capfd: pytest.CaptureFixture[str]) -> None:
    def interrupted() -> int:
        raise KeyboardInterrupt

    assert console.run(interrupted) == 130
    assert capfd.readouterr().err.strip().count("\n") == 0

    def refused() -> int:
        raise WorkbenchError("No.")

    assert console.run(refused) == 2


def started(*arguments: object, **options: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "workbench", *map(str, arguments)],
        cwd=ROOT,
        text=True,
        stderr=subprocess.PIPE,
        **options,
    )


def test_ctrl_c_while_a_model_is_read(model: Path, circuit: Path) -> None:
    process = started("evaluate", model, "ioi", circuit, stdout=subprocess.PIPE)
    assert process.stderr is not None
    first = process.stderr.readline()
    assert "Starting" in first
    time.sleep(0.5)  # into the import of torch
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    if "pybind11::error_already_set" in err:
        pytest.skip("the signal came while torch's C++ parts were set up, which end the process")
    # Python ends by the signal itself if that came within an `exec` of a text, as in making a
    # dataclass, whoever handled it; a shell reports 130 of both.
    assert process.returncode in (130, -signal.SIGINT), err
    assert out == ""
    assert "Traceback" not in err
    assert the_sentence(err) == "workbench: interrupted; nothing was written."


def test_a_reader_that_has_enough(model: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    process = started("tasks", stdout=writing)
    os.close(writing)
    _, err = process.communicate(timeout=60)
    assert err == ""
    assert process.returncode == 0


def test_version_and_help(run: Run) -> None:
    from importlib.metadata import version

    import workbench

    assert run("--version")[1].strip() == workbench.__version__
    try:
        assert workbench.__version__ == version("circuit-workbench")
    except ModuleNotFoundError:
        pytest.skip("the distribution is not installed here")
    code, out, _ = run("--help")
    assert code == 0
    for command in ("open", "resume", "evaluate", "tasks", "models", "convert", "compare", "bench"):
        assert command in out


class FakeApp:
    """Stands in for the app: notes what it was asked to show."""

    shown: tuple[Any, Any] | None = None
    tutorial: Any = None
    circuit: Any = None

    def __init__(
        self,
        settings: Any = None,
        resume: Any = None,
        tutorial: Any = None,
        circuit: Any = None,
        sweep: Any = None,
    ) -> None:
        FakeApp.shown = (settings, resume)
        FakeApp.tutorial, FakeApp.circuit = tutorial, circuit

    return_code = 0
    left = None

    def run(self) -> None:
        pass


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(console, "is_terminal", lambda: True)
    monkeypatch.setattr("screens.app.WorkbenchApp", FakeApp)
    FakeApp.shown = None
    yield


@pytest.mark.usefixtures("terminal")
def test_open_hands_every_flag_to_the_app(run: Run, model: Path, circuit: Path) -> None:
    code, _, err = run(
        "open", model, "--task", "ioi", "--pairs", 7, "--seed", 5, "--metric", "kl",
        "--device", "cpu", "--dtype", "float32", "--no-bos", "--mismatch", "drop", "--drop-bad",
        "--circuit", circuit, "--revision", "main", "--device-map", "auto",
        "--ablation", "mean", "--means-from", "greater-than", "--sample", 3,
    )  # fmt: skip
    assert code == 0, err
    assert FakeApp.shown is not None
    settings, resuming = FakeApp.shown
    assert resuming is None
    assert FakeApp.circuit == circuit
    assert vars(settings) == {
        "model": str(model),
        "task": "ioi",
        "pairs": 7,
        "seed": 5,
        "metric": "kl",
        "device": "cpu",
        "dtype": "float32",
        "revision": "main",
        "bos": False,
        "mismatch": "drop",
        "drop_bad": True,
        "ablation": "mean",
        "means": "greater-than",
        "sample": 3,
        "device_map": "auto",
    }


@pytest.mark.usefixtures("terminal")
def test_tutorial_is_gone_on_with_or_begun_anew(run: Run) -> None:
    assert run("tutorial")[0] == 0
    assert (FakeApp.shown, FakeApp.tutorial) == ((None, None), "go on")
    assert run("tutorial", "--restart")[0] == 0
    assert FakeApp.tutorial == "restart"


@pytest.mark.usefixtures("terminal")
def test_bare_workbench_opens_setup(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run()[0] == 0
    assert FakeApp.shown == (None, None)
    FakeApp.shown = None
    monkeypatch.setattr(sys, "argv", ["workbench"])
    assert entry_point() == 0
    assert FakeApp.shown == (None, None)


def test_a_report_has_what_is_needed_and_nothing_of_what_is_studied(
    run: Run, monkeypatch: pytest.MonkeyPatch, state: Path, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(state))
    secret = "When Mary and John went to the bar"

    def fail() -> None:
        raise ZeroDivisionError(f"{secret} {tmp_path}\nValueError: {secret}")

    monkeypatch.setattr("workbench.session.journals.models_to_offer", fail)
    _, _, err = run("models")
    assert f"transformers {version('transformers')}" in err
    assert "`workbench report`" in err
    (state / "sessions").mkdir()
    (state / "sessions" / "ioi.jsonl").write_text(secret)
    code, out, err = run("report")
    assert (code, err) == (0, "")
    for part in ("circuit-workbench", "torch: ", "python: ", "ZeroDivisionError", "~/sessions/ioi"):
        assert part in out
    assert "workbench/cli" in out
    code, out_json, _ = run("report", "--json")
    found = json.loads(out_json)
    assert set(found) == {"versions", "platform", "terminal", "session", "failure"}
    assert found["failure"]["kind"] == "ZeroDivisionError"
    for text in (out, out_json):
        assert "Mary" not in text
        assert str(tmp_path) not in text
        assert str(ROOT) not in text


def test_a_report_names_no_folder_outside_the_home_folder(
    run: Run, state: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (state / "sessions").mkdir(parents=True)
    (state / "sessions" / "ioi.jsonl").write_text("{}")
    _, out, _ = run("report", "--json")
    assert json.loads(out)["session"]["journal"] == "outside the home folder"
    assert str(tmp_path) not in out


def test_a_file_with_scores_and_no_choice_is_selected_from(
    run: Run, model: Path, tmp_path: Path
) -> None:
    scored = Circuit.empty(GRAPH)
    random = np.random.default_rng(0).normal(size=scored.mask.shape)
    scored.scores = random.astype(np.float32)
    path = tmp_path / "importances.json"
    save_circuit(scored, path, "eap-ig")
    for command in (
        ("evaluate", model, "ioi", path, "--pairs", 2),
        ("assess", model, "ioi", path, "--pairs", 2),
        ("draw", path, "-o", tmp_path / "c.svg"),
        ("compare", path, path),
    ):
        code, out, err = run(*command)
        assert code == console.EXIT_USER and out == "", command
        assert "has scores and chooses no edge" in err and "--edges N" in err
    asked = ("--edges", 20, "--select", "greedy")
    code, out, err = run("evaluate", model, "ioi", path, "--pairs", 2, "--json", *asked)
    kept = json.loads(out)["edges"]
    assert code == 0 and 10 < kept <= 20
    assert f"20 edges asked for, 20 chosen by its scores, {kept} kept" in err
    assert run("draw", path, "-o", tmp_path / "c.svg", "--edges", 20)[0] == 0
    assert run("convert", path, tmp_path / "chosen.json", *asked)[0] == 0
    assert load_circuit(tmp_path / "chosen.json").n_edges == kept
    code, _, err = run("open", "--edges", 3, model, "--task", "ioi")
    assert code == console.EXIT_USER and "--circuit FILE" in err


def test_an_empty_circuit_is_not_evaluated_without_a_word(
    run: Run, model: Path, tmp_path: Path
) -> None:
    save_circuit(Circuit.empty(GRAPH), tmp_path / "empty.json")
    code, _, err = run("evaluate", model, "ioi", tmp_path / "empty.json", "--pairs", 2)
    assert code == 0 and "keeps no edge" in err


def test_a_task_file_is_checked_pair_by_pair(run: Run, model: Path, task: Path) -> None:
    bad = {"clean": "Mary went", "corrupted": "Mary went", "answers": " a b", "wrong_answers": " a"}
    spaced = {"clean": "Mary ", "corrupted": "John ", "answers": " a", "wrong_answers": " the"}
    lines = [json.dumps(record) for record in (bad, {"clean": "x"}, spaced)]
    task.write_text("\n".join([task.read_text(), *lines]))
    code, out, _ = run("tasks", "--check", task, "--model", model)
    assert code == console.EXIT_USER
    assert "4 of 6 pairs can be used" in out
    assert "line 4: The prompts are the same tokens" in out
    assert "line 4: The answer ' a b' is " in out
    assert "line 5: corrupted is missing".casefold() in out.casefold()
    assert "warning       Pairs whose prompt ends in a space: 1 of 4; in pair 4" in out
    told = json.loads(run("tasks", "--check", task, "--model", model, "--json")[1])
    assert (told["pairs"], told["usable"], len(told["refused"])) == (6, 4, 3)
    assert told["left_out"] == {"same": 1, "record": 1}
    # Without a model only what needs none is said.
    assert (
        "5 of 6 pairs can be used, as far as no model is asked" in run("tasks", "--check", task)[1]
    )
    assert "corrupted" not in json.loads(
        run("tasks", "--check", task, "--ablation", "zero", "--metric", "kl", "--json")[1]
    )["left_out"]  # fmt: skip
    for wrong in (("tasks", "--check", "ioi"), ("tasks", "--model", model)):
        assert run(*wrong)[0] == console.EXIT_USER


def test_what_is_left_out_is_said_and_counted(
    run: Run, model: Path, task: Path, circuit: Path
) -> None:
    task.write_text(task.read_text() + '\n{"clean": "John went to"}\n')
    arguments = ("evaluate", model, task, circuit)
    code, _, err = run(*arguments)
    assert code == console.EXIT_USER and "--drop-bad" in the_sentence(err)
    code, out, err = run(*arguments, "--drop-bad", "--json")
    assert (code, json.loads(out)["pairs"], json.loads(out)["dropped"]) == (0, 3, 1)
    assert (
        "workbench: 4 pairs in pairs.jsonl, JSON Lines: texts. 1 of 4 left out: 1 with a field "
        "that is missing or of the wrong kind.\n"
    ) in err
    for sentence in json.loads(out)["warnings"]:
        assert f"workbench: warning: {sentence}\n" in err
