"""The installed command in a real terminal: keys typed, the screen read, the worst done to it."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.support.pseudo_terminal import PseudoTerminal
from tests.support.tiny_models import tiny_llama
from workbench import evaluate, load_circuit, load_model
from workbench.cli.main import main

pytestmark = pytest.mark.slow

PROMPTS = (
    ("The keys near the table", "The key near the table"),
    ("The book from the store", "The books from the store"),
    ("The war went from the year 1741", "The war went from the year 1701"),
)


@dataclass(frozen=True)
class Shown:
    """The numbers of the status bar."""

    model: float
    corrupted: float
    circuit: float
    faithfulness: float
    edges: int
    open: bool


@dataclass(frozen=True)
class Place:
    """A folder with a model and a task, and an environment in which nothing else is known.

    Attributes:
        clean, corrupted: the model's logit differences, mean over the pairs.
        likeliest: the token with the highest mean logit after the clean prompts, as it is shown.
    """

    folder: Path
    command: str
    env: dict[str, str]
    clean: float
    corrupted: float
    likeliest: str

    @property
    def model(self) -> Path:
        return self.folder / "model"

    @property
    def task(self) -> Path:
        return self.folder / "task.jsonl"

    def terminal(self, *arguments: str | Path) -> PseudoTerminal:
        command = [self.command, *map(str, arguments)]
        return PseudoTerminal(command, env=self.env, cwd=self.folder, rows=40, columns=150)

    def open(self) -> PseudoTerminal:
        return self.terminal("open", self.model, "--task", self.task)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    command = Path(sys.executable).with_name("workbench")
    assert command.exists(), "The command is not installed: run pip install -e '.[dev]' first."
    folder = tmp_path_factory.mktemp("place")
    hf, tokenizer = tiny_llama(layers=2, heads=2, n_kv_heads=1)
    hf.save_pretrained(folder / "model")
    tokenizer.save_pretrained(folder / "model")
    logits = last_logits(hf, tokenizer)
    pairs = [make_pair(tokenizer, *both) for both in zip(PROMPTS, logits, strict=True)]
    lines = (json.dumps(pair) for pair, *_ in pairs)
    (folder / "task.jsonl").write_text("".join(f"{line}\n" for line in lines))
    clean = sum(pair[1] for pair in pairs) / len(pairs)
    corrupted = sum(pair[2] for pair in pairs) / len(pairs)
    best = int(logits[:, 0].mean(0).argmax())
    likeliest = tokenizer.convert_ids_to_tokens(best).replace(" ", "·")
    kept = {
        key: os.environ[key] for key in ("PATH", "LANG", "LD_LIBRARY_PATH") if key in os.environ
    }
    env = kept | {
        "HOME": str(folder / "home"),
        "WORKBENCH_STATE": str(folder / "state"),
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
    }
    return Place(folder, str(command), env, clean, corrupted, likeliest)


@torch.no_grad()
def last_logits(hf: Any, tokenizer: Any) -> torch.Tensor:
    """The model's own logits after each pair's two prompts, [pair, 2, vocabulary]."""
    ids = [[tokenizer(text, return_tensors="pt")["input_ids"] for text in both] for both in PROMPTS]
    return torch.stack([torch.stack([hf(i).logits[0, -1] for i in both]) for both in ids])


def make_pair(
    tokenizer: Any, prompts: tuple[str, str], logits: torch.Tensor
) -> tuple[dict[str, Any], float, float]:
    """A line of the task file, and the logit differences of its two prompts.

    So that a random model does the task, the answer is the word that it likes better after the
    clean prompt, and the wrong answer the word that it likes better after the corrupted one.
    """
    words = {t: i for t, i in tokenizer.get_vocab().items() if re.fullmatch(r" [a-z]{3,}", t)}
    likes = {text: float(logits[0][i] - logits[1][i]) for text, i in words.items()}
    right, wrong = max(likes, key=likes.__getitem__), min(likes, key=likes.__getitem__)
    line = {
        "clean": prompts[0],
        "corrupted": prompts[1],
        "answers": [right],
        "wrong_answers": [wrong],
    }
    differences = [float(at[words[right]] - at[words[wrong]]) for at in logits]
    return line, differences[0], differences[1]


def shown(terminal: PseudoTerminal) -> Shown:
    """Read the status bar, once nothing in it is being recomputed."""
    number = r"([+−]?[\d.]+)(?!…)"
    line = terminal.wait_for(rf"model {number} +corrupted {number} +circuit {number}\s")
    rest = terminal.wait_for(rf"faithfulness {number} .*(OPEN|CLOSED).*edges (\d+) of (\d+)\s")
    model, corrupted, circuit = (float(x.replace("−", "-")) for x in line.groups())
    faithfulness = float(rest[1].replace("−", "-"))
    return Shown(model, corrupted, circuit, faithfulness, int(rest[3]), rest[2] == "OPEN")


def message(terminal: PseudoTerminal, pattern: str) -> Shown:
    """Wait for the status bar to say something, then read it."""
    terminal.wait_for(rf"faithfulness .*{pattern}")
    return shown(terminal)


def expand_everything(terminal: PseudoTerminal) -> Shown:
    """Go to one open node after the other and expand it, until the circuit is closed."""
    state = shown(terminal)
    for _ in range(20):
        if not state.open:
            return state
        terminal.press("w")
        # The screen may have been read while a frame was on its way, its top newer than its end:
        # then the circuit turns out to be closed already.
        found = terminal.wait_for(r"Edges into (\S+) (?:.*\n)+?.*\b\1 .*\bopen: |\bCLOSED\b")
        if found[1] is None:
            return shown(terminal)
        node = found[1]
        terminal.press("e")
        terminal.wait_for(rf"\b{re.escape(node)} .*\bexpanded: ")
        state = shown(terminal)
    raise AssertionError(f"still open:\n{terminal.text}")


def export(terminal: PseudoTerminal, path: Path, *, eap_ig: bool = False) -> None:
    """Export the circuit to a new file."""
    terminal.press("o")
    terminal.wait_for("model-task.json")  # the name that it proposes
    terminal.press("end", "ctrl+u")
    terminal.wait_until_gone("model-task.json")
    terminal.type(str(path))
    terminal.wait_for(re.escape(path.name))
    if eap_ig:
        terminal.press("tab", "down", "space", "backtab")
    terminal.press("enter")
    terminal.wait_until_gone("Export the circuit")
    end = time.monotonic() + 60  # the word "Written" may be of the export before
    while not path.exists():
        assert time.monotonic() < end, terminal.text
        terminal.read(0.1)
    terminal.wait_for("Written")


def same(one: Shown, other: Shown) -> bool:
    """As far as the screen shows: a circuit's value may differ in the last place by how it came."""
    places = {"circuit": 2e-3, "faithfulness": 2e-4}
    return all(
        abs(getattr(one, name) - getattr(other, name)) <= places.get(name, 0) for name in vars(one)
    )


def test_from_the_logits_to_a_script(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """The whole job: step backward, toggle, undo, be killed, resume, close, export, evaluate."""
    with place.open() as terminal:
        start = message(terminal, "Expand the logits")
        assert (start.edges, start.faithfulness, start.open) == (0, 1.0, True)
        assert start.circuit == start.model
        assert start.model == pytest.approx(place.clean, abs=1e-3)
        assert start.corrupted == pytest.approx(place.corrupted, abs=1e-3)
        terminal.wait_for(rf"raises most .*\n.*{re.escape(place.likeliest)} +\+")

        terminal.press("e")
        expanded = message(terminal, "Expanded logits")
        assert expanded.edges > 1

        terminal.press("2", "space")
        dropped = message(terminal, r"Dropped \S+->logits")
        assert dropped.edges == expanded.edges - 1
        assert dropped.faithfulness != expanded.faithfulness
        terminal.press("u")
        assert same(message(terminal, "Undone"), expanded)
        terminal.press("U")
        assert same(message(terminal, "Redone"), dropped)

        terminal.resize(5, 20)
        terminal.wait_for("Enlarge")
        terminal.resize(40, 150)
        terminal.press("ctrl+c")
        assert same(shown(terminal), dropped)
        terminal.kill()
        assert terminal.process.returncode == -9

    circuit, graph = place.folder / "circuit.json", place.folder / "graph.json"
    with place.terminal("resume") as terminal:
        assert same(message(terminal, "Resumed"), dropped)
        terminal.press("u")
        assert same(message(terminal, "Undone"), expanded)
        closed = expand_everything(terminal)
        assert closed.edges > expanded.edges
        export(terminal, circuit)
        export(terminal, graph, eap_ig=True)
        terminal.press("q")
        assert terminal.wait_for_exit() == 0
        assert b"\x1b[?1049l" in terminal.output  # the terminal as it was before

    in_script = evaluate(load_model(str(place.model)), place.task, load_circuit(circuit)).to_json()
    capsys.readouterr()
    assert main(["evaluate", str(place.model), str(place.task), str(graph), "--json"]) == 0
    headless = json.loads(capsys.readouterr().out)
    for score in (in_script, headless):
        assert score["clean"] == pytest.approx(place.clean, abs=1e-4)
        assert score["corrupted"] == pytest.approx(place.corrupted, abs=1e-4)
        assert score["circuit"] == pytest.approx(closed.circuit, abs=1e-3)
        assert score["faithfulness"] == pytest.approx(closed.faithfulness, abs=1e-4)
        assert score["edges"] == closed.edges


def test_nothing_is_lost_by_a_kill_among_keys_a_torn_line_and_a_hang_up(place: Place) -> None:
    with place.open() as terminal:
        message(terminal, "Expand the logits")
        terminal.press("e")
        expanded = message(terminal, "Expanded logits")
        terminal.type("2" + " j" * 10)
        terminal.kill()

    journal = max((place.folder / "state" / "sessions").glob("*.jsonl"), key=os.path.getmtime)
    with journal.open("ab") as file:
        file.write(b'{"kind": "toggle", "edge": "m0->')  # as if killed while writing
    with place.terminal("resume", journal) as terminal:
        resumed = message(terminal, "Resumed")
        assert resumed.open
        assert abs(resumed.edges - expanded.edges) <= 10
        terminal.press("1", "x")
        dropped = message(terminal, "this is the corrupted run")
        assert dropped.edges == 0
        terminal.hang_up()

    with place.terminal("resume", journal) as terminal:
        assert same(message(terminal, "Resumed"), dropped)
        terminal.press("u")
        assert same(message(terminal, "Undone"), resumed)
