"""Pairs that do not fit the memory are refused before they are run, and those said to fit do."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.support.tiny_models import tiny_llama
from workbench.base import free_memory as of_machine
from workbench.base import scratch_file
from workbench.circuits.circuit import Circuit
from workbench.cli import main
from workbench.engine import budget
from workbench.engine.budget import cells_bytes
from workbench.engine.evaluator import Edit, Evaluator
from workbench.engine.plan import make_plan
from workbench.errors import WorkbenchError
from workbench.experiment import room
from workbench.experiment.experiment import Experiment
from workbench.experiment.prepare import load_task, prepare
from workbench.experiment.room import runs_bytes, shapes_of
from workbench.models import device
from workbench.models.model import Model
from workbench.prompts.batch import make_batch


@pytest.fixture(scope="module")
def model() -> Model:
    return Model.from_hf(*tiny_llama(layers=3))


@pytest.fixture
def left(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The one item is how many bytes are free, and no file helps; everything is worth a look."""
    bytes_left = [2**40]
    monkeypatch.setattr(scratch_file, "scratch_folder", lambda: None)
    monkeypatch.setattr(device, "free_memory", lambda _: bytes_left[0])
    for module in (room, budget):
        monkeypatch.setattr(module, "WORTH_A_LOOK", 0)
    return bytes_left


def said_to_fit(message: str) -> int:
    found = re.search(r"about ([\d,]+) pairs fit \(--pairs \d+\)", message)
    assert found is not None, message
    return int(found[1].replace(",", ""))


@pytest.mark.parametrize("ablation", ["patching", "mean"])
def test_runs_that_do_not_fit_are_refused_before_they_are_run(
    model: Model, left: list[int], monkeypatch: pytest.MonkeyPatch, ablation: str
) -> None:
    batch = make_batch(load_task("ioi", model, pairs=40), model.tokenizer)
    whole = sum(runs_bytes(model.parts, shape) for shape in shapes_of(batch, ablation))
    left[0] = whole // 3
    with monkeypatch.context() as patched:
        patched.setattr(Experiment, "__init__", lambda *_, **__: pytest.fail("it was run"))
        with pytest.raises(WorkbenchError, match="For both runs of 40 pairs") as error:
            prepare(model, "ioi", pairs=40, ablation=ablation)
    fit = said_to_fit(str(error.value))
    assert 1 <= fit < 40 / 3
    prepare(model, "ioi", pairs=fit, ablation=ablation)
    with pytest.raises(WorkbenchError, match="are needed"):
        prepare(model, "ioi", pairs=fit + 2, ablation=ablation)
    left[0] = 10
    with pytest.raises(WorkbenchError, match="not one pair fits"):
        prepare(model, "ioi", pairs=40, ablation=ablation)


def test_a_circuit_that_does_not_fit_is_refused_and_a_smaller_one_is_not(
    model: Model, left: list[int]
) -> None:
    batch = make_batch(load_task("ioi", model, pairs=12), model.tokenizer)
    experiment = Experiment(model, batch)
    full, small = Circuit.full(model.graph), Circuit.from_edges(model.graph, ["input->logits"])
    evaluator = Evaluator(experiment, small)
    left[0] = 1000
    for fails in (lambda: Evaluator(experiment, full), lambda: evaluator.become(full)):
        with pytest.raises(WorkbenchError, match="For the values of this circuit on 12 pairs"):
            fails()
    with pytest.raises(WorkbenchError, match="For one change of the circuit on 12 pairs"):
        evaluator.what_if([Edit(toggle=("m0->logits",))])
    left[0] = 2**40
    before = evaluator.value().metric
    assert evaluator.become(full).metric == pytest.approx(experiment.clean.metric, abs=1e-4)
    assert evaluator.become(small).metric == pytest.approx(before, abs=1e-5)


@pytest.mark.parametrize("share", [0.02, 0.2, 1.0])
def test_a_circuit_takes_what_is_predicted(model: Model, share: float) -> None:
    batch = make_batch(load_task("ioi", model, pairs=6), model.tokenizer)
    experiment = Experiment(model, batch)
    circuit = Circuit.full(model.graph)
    circuit.mask &= np.random.default_rng(0).random(circuit.mask.shape) < share
    evaluator = Evaluator(experiment, circuit)
    plan = make_plan(model.graph, circuit.mask, np.zeros(model.graph.n_destinations, dtype=bool))
    predicted = cells_bytes(experiment, plan)
    # Heads that are needed at the last position alone keep their query and output there alone.
    assert 0.6 * predicted <= evaluator.memory() <= 1.05 * predicted


def test_the_least_of_all_limits_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    free = of_machine.free_memory()
    assert 0 < free < 2**50
    monkeypatch.setattr(of_machine, "CGROUP", tmp_path)
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("600\n")
    (tmp_path / "memory.stat").write_text("anon 5\ninactive_file 50\nactive_file 7\n")
    assert of_machine.free_memory() > 2**20
    (tmp_path / "memory.max").write_text("1000\n")
    assert of_machine.free_memory() == 450
    monkeypatch.setattr(of_machine, "_of_address_space", lambda: 7)
    assert of_machine.free_memory() == 7
    monkeypatch.setattr(of_machine, "_of_address_space", lambda: -7)
    assert of_machine.free_memory() == 0
    assert device.free_memory(torch.device("cpu")) == 0


@pytest.mark.parametrize("command", ["discover", "expand"])
def test_a_command_says_what_fits(
    capfd: pytest.CaptureFixture[str],
    left: list[int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
) -> None:
    monkeypatch.setenv("WORKBENCH_STATE", str(tmp_path))
    left[0] = 2**20
    options = ["--method", "acdc", "--threshold", "0.1"] if command == "discover" else []
    assert main.main([command, "pocket", "ioi", "--pairs", "200", *options]) == 2
    assert said_to_fit(capfd.readouterr().err) < 200
