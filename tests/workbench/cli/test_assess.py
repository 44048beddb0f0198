"""`workbench assess`: its output, its report, its exit codes, and what it refuses at once."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.cases.readout_cases import PAIRS
from tests.support.tiny_models import tiny_gpt2
from workbench.assessment.catalogue import PARTS
from workbench.assessment.parts import directions
from workbench.base.work import Work
from workbench.circuits.circuit import Circuit
from workbench.circuits.graph import Graph
from workbench.cli import console, main
from workbench.formats import save_circuit
from workbench.prompts.pair_json import pair_to_json

GRAPH = Graph(2, 2)
EDGES = ["input->a0.h1<v>", "a0.h1->m1", "m1->logits", "input->logits"]
QUICK = "faithfulness,directions"
LAB = """
from dataclasses import asdict, dataclass
from workbench.assessment.catalogue import Part

@dataclass(frozen=True)
class Found:
    edges: int

    def to_json(self):
        return asdict(self)

def assess(experiment, circuit, settings):
    yield 0.5
    return Found(circuit.n_edges)

def headline(found):
    return f"It has {found.edges} edges."

def sections(found):
    return ()

PART = Part(
    "edges", "Edges", "How many edges?", "A count.",
    *(f"{__name__}:{function}" for function in ("assess", "headline", "sections")),
)
"""

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "tiny"
    hf, tokenizer = tiny_gpt2()
    hf.save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


@pytest.fixture
def task(tmp_path: Path) -> Path:
    path = tmp_path / "pairs.jsonl"
    path.write_text("\n".join(json.dumps(pair_to_json(pair)) for pair in PAIRS), encoding="utf-8")
    return path


@pytest.fixture
def circuit(tmp_path: Path) -> Path:
    path = tmp_path / "mine.json"
    save_circuit(Circuit.from_edges(GRAPH, EDGES), path)
    return path


@pytest.fixture
def run(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Run]:
    monkeypatch.setenv("WORKBENCH_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))

    def command(*arguments: object) -> tuple[int, str, str]:
        capfd.readouterr()
        words = ["assess", *(str(argument) for argument in arguments)]
        monkeypatch.setattr("sys.argv", ["workbench", *words])
        code = main.main(words)
        captured = capfd.readouterr()
        return code, captured.out, captured.err

    yield command


def test_text_report_and_progress(
    run: Run, model: Path, task: Path, circuit: Path, tmp_path: Path
) -> None:
    page = tmp_path / "report.html"
    code, out, err = run(model, task, circuit, "--parts", QUICK, "--report", page)
    assert code == 0
    assert f"mine: 4 of {GRAPH.n_edges} edges, 4 nodes" in out.splitlines()
    assert "  faithfulness Faithfulness " in out
    assert "  directions   Alone it restores " in out
    assert out.splitlines()[-1] == f"report: {page}"
    assert "mine: noising and denoising …" in err
    text = page.read_text(encoding="utf-8")
    assert "--parts faithfulness,directions --report" in text
    assert "mine" in text


def test_json_holds_what_every_part_found(run: Run, model: Path, task: Path, circuit: Path) -> None:
    code, out, _ = run(model, task, circuit, "--parts", QUICK, "--resamples", 30, "--json")
    found = json.loads(out)
    assert code == 0
    results = found["circuits"][0]["results"]
    assert sorted(results) == ["directions", "faithfulness"]
    assert results["faithfulness"]["resamples"] == 30
    assert [edge["name"] for edge in results["directions"]["edges"]] == (
        Circuit.from_edges(GRAPH, EDGES).edges()
    )
    assert found["settings"]["seed"] == 0
    assert found["complete"] is True


def test_a_part_in_a_file(run: Run, model: Path, task: Path, circuit: Path, tmp_path: Path) -> None:
    (tmp_path / "lab.py").write_text(LAB)
    try:
        code, out, _ = run(model, task, circuit, "--parts", f"faithfulness,{tmp_path}/lab.py:PART")
        assert code == 0 and "  edges        It has 4 edges." in out
        code, out, _ = run(model, task, circuit, "--parts", "edges", "--json")
        assert json.loads(out)["circuits"][0]["results"] == {"edges": {"edges": 4}}
    finally:
        del PARTS["edges"]


def test_several_circuits_on_several_tasks(
    run: Run, model: Path, task: Path, circuit: Path, tmp_path: Path
) -> None:
    save_circuit(Circuit.full(GRAPH), tmp_path / "all.json")
    arguments = (circuit, tmp_path / "all.json", "--parts", "faithfulness,overlap")
    code, out, _ = run(model, task, *arguments, "--also-on", task)
    assert code == 0
    assert "overlap: mine and all share 4 edges" in out
    code, out, _ = run(model, task, *arguments, "--also-on", task, "--json")
    overlap = json.loads(out)["compared"]["overlap"]
    assert overlap["names"] == ["mine", "all"]
    assert overlap["cross"]["faithfulness"][1][1] == pytest.approx(1, abs=1e-4)


def test_ctrl_c_keeps_the_parts_that_are_done(
    run: Run,
    model: Path,
    task: Path,
    circuit: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def pressed(*rest: object) -> Work[None]:
        signal.raise_signal(signal.SIGINT)
        while True:
            yield 0.5

    monkeypatch.setattr(directions, "assess_part", pressed)
    page = tmp_path / "report.md"
    code, out, err = run(model, task, circuit, "--parts", QUICK, "--report", page)
    assert code == console.EXIT_INTERRUPTED
    assert "  faithfulness Faithfulness " in out
    assert "directions" not in out
    assert "interrupted" in err
    assert "stopped before its end" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--parts", "beauty"], "choose from: " + ", ".join(PARTS)),
        (["--parts", "overlap"], "name two or more"),
        (["--report", "r.pdf"], "ends in .md or .html"),
        (["--report", "missing/r.md"], "was not written"),
        (["--method", "acdc"], "scores edges, and acdc does not"),
        (["--alpha", "2"], "alpha lies between 0 and 1"),
        (["--ablation", "magic"], "There is no ablation"),
        (["--also-on", "no-such-task"], "no-such-task"),
    ],
)
def test_what_is_wrong_is_said_before_a_model_is_loaded(
    run: Run,
    task: Path,
    circuit: Path,
    model: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    sentence: str,
) -> None:
    monkeypatch.setattr("workbench.models.model.load_model", None)
    code, out, err = run(model, task, circuit, *arguments)
    assert (code, out) == (2, "")
    (line,) = err.splitlines()
    assert sentence in line


def test_a_circuit_of_another_model_and_no_circuit(
    run: Run, model: Path, task: Path, tmp_path: Path
) -> None:
    save_circuit(Circuit.full(Graph(3, 5)), tmp_path / "other.json")
    code, _, err = run(model, task, tmp_path / "other.json")
    assert code == 2
    assert "another model" in err.splitlines()[-1]
    code, _, err = run(model, task, tmp_path / "none.json")
    assert code == 2
    assert "none.json" in err


@pytest.fixture
def discover(model: Path, task: Path) -> Callable[..., None]:
    def command(*arguments: object) -> None:
        assert main.main(["discover", str(model), str(task), *map(str, arguments)]) == 0

    return command


def test_the_curve_is_of_the_scores_that_a_discovery_wrote(
    run: Run, discover: Callable[..., None], model: Path, task: Path, tmp_path: Path
) -> None:
    found, scores = tmp_path / "found.json", tmp_path / "scores.npz"
    discover("--method", "eap-ig", "--edges", 40, "-o", found, "--scores", scores)
    assess = (model, task, found, "--parts", "curve", "--json")
    points = []
    for more in ((), ("--method", "eap-ig"), ("--scores", scores)):
        code, out, err = run(*assess, *more)
        assert code == 0, err
        (curves,) = [c["results"]["curve"]["curves"] for c in json.loads(out)["circuits"]]
        points.append([(p["kept"], p["faithfulness"]) for c in curves for p in c["points"]])
    assert points[2] == pytest.approx(points[1]) != pytest.approx(points[0])


def test_scores_of_nodes_are_refused(
    run: Run,
    discover: Callable[..., None],
    model: Path,
    task: Path,
    circuit: Path,
    tmp_path: Path,
) -> None:
    scores = tmp_path / "atp.npz"
    discover("--method", "atp", "--nodes", 2, "--scores", scores)
    code, _, err = run(model, task, circuit, "--scores", scores)
    assert code == 2 and "no score for some edges" in err
    code, _, err = run(model, task, circuit, "--scores", circuit)
    assert code == 2 and "not a file of findings" in err
