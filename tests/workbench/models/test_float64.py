"""A model in float64: every identity holds to 1e-10, and all that float32 computes is computed."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

import workbench as w
from tests.device_double.test_engine import COMPUTED
from tests.device_double.test_methods import same, told
from tests.device_double.test_readouts import CASES, numbers, read
from tests.support.cases.engine_cases import random_circuit
from tests.support.tiny_families import MAKERS
from tests.support.tiny_models import tiny_llama
from workbench.discovery.catalogue import BUILT_IN, Method
from workbench.experiment.experiment import Experiment
from workbench.readouts.catalogue import Readout

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # the tiny models know no task

EXACT = 1e-10


def experiment_of(family: str, dtype: str, *, pairs: int = 3) -> Experiment:
    made = tiny_llama(layers=2, heads=2) if family == "tiny" else MAKERS[family]()
    model = w.Model.from_hf(*made, name=family, dtype=dtype)
    return w.prepare(model, w.load_task("ioi", model, pairs=pairs))


@cache
def tiny(dtype: str) -> Experiment:
    return experiment_of("tiny", dtype)


@pytest.mark.parametrize("family", MAKERS)
def test_every_family_is_exact(family: str) -> None:
    at = experiment_of(family, "float64", pairs=2)
    model = at.model
    assert model.check.relative < EXACT and model.check.numbers == "float64"
    tokens = at.batch.groups[0].clean
    own = model.hf(tokens, use_cache=False).logits[:, -1]
    assert own.dtype == torch.float64
    full = w.Evaluator(at, w.Circuit.full(at.graph))
    assert full.value().metric == pytest.approx(at.clean.metric, abs=EXACT)
    assert full.value().kl == pytest.approx(0, abs=EXACT)
    empty = w.Evaluator(at, w.Circuit.from_edges(at.graph, []))
    assert empty.value().metric == pytest.approx(at.corrupted.metric, abs=EXACT)


@pytest.mark.parametrize("ablation", ["patching", "mean", "zero"])
def test_edits_what_ifs_and_fresh_circuits_agree(ablation: str) -> None:
    at = tiny("float64").under(ablation)
    evaluator = w.Evaluator(at, random_circuit(at.graph, 0.5, 1))
    edges = list(at.graph.edges())
    for edge in edges[::5]:
        edit = w.Edit(toggle=(edge,))
        tried = evaluator.what_if([edit])[0]
        done = evaluator.commit(edit)
        assert done.per_pair == pytest.approx(tried, abs=EXACT)
        fresh = w.Evaluator(at, evaluator.circuit).value()
        assert done.per_pair == pytest.approx(fresh.per_pair, abs=EXACT)


@pytest.mark.parametrize("name", COMPUTED)
def test_what_the_engine_computes(name: str) -> None:
    found, expected = (COMPUTED[name](tiny(dtype)) for dtype in ("float64", "float32"))
    if isinstance(found, int):  # how much was found, or is said of it
        assert found == pytest.approx(expected, rel=0.01)
    else:
        np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("method", BUILT_IN, ids=lambda method: method.name)
def test_every_method(method: Method) -> None:
    asked = told(method, by_role=False)
    there, here = (
        w.discover(tiny(dtype).model, tiny(dtype).batch.task, method.name, **asked)
        for dtype in ("float64", "float32")
    )
    same(here, there)


@pytest.mark.parametrize(
    ("readout", "way"),
    [(readout, way) for readout, way, pair in CASES if pair == 0],
    ids=lambda case: getattr(case, "name", case),
)
def test_every_readout(readout: Readout, way: str) -> None:
    found, expected = (numbers(read(tiny(d), readout, way, 0)) for d in ("float64", "float32"))
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_an_assessment_and_a_folder(tmp_path: Path) -> None:
    hf, tokenizer = tiny_llama(layers=2, heads=2)
    for one in (hf, tokenizer):
        one.save_pretrained(tmp_path)
    model = w.load_model(str(tmp_path), dtype="float64")
    again = w.load_model(str(tmp_path), dtype="float64")  # by the check that was kept
    at = [w.prepare(m, w.load_task("ioi", m, pairs=3)) for m in (model, again)]
    assert at[0].clean.per_pair == pytest.approx(at[1].clean.per_pair, abs=EXACT)
    assert at[0].clean.per_pair == pytest.approx(tiny("float64").clean.per_pair, abs=EXACT)
    circuit = random_circuit(model.graph, 0.5, 1)
    parts = ["faithfulness", "minimality", "curve"]
    found = w.assess(model, at[0].batch.task, circuit, parts=parts)
    assert not found.circuits[0].failed
