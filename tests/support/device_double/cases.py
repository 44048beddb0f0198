"""Tiny models on the CPU and on a double, and the same pairs for both."""

from __future__ import annotations

from functools import cache

from tasks.task import Task
from tests.support.device_double.models import on_double
from tests.support.tiny_models import tiny_gpt2, tiny_llama
from workbench.experiment.experiment import Experiment
from workbench.experiment.prepare import load_task, prepare
from workbench.experiment.settings import ExperimentSettings
from workbench.models.model import Model

FAMILIES = {
    "gpt2": lambda: tiny_gpt2(layers=2, heads=2),
    "three heads": lambda: tiny_gpt2(layers=2, heads=3),
    "llama": lambda: tiny_llama(layers=2, heads=2, n_kv_heads=1),
}


@cache
def model(family: str = "gpt2", *, there: bool) -> Model:
    """A family's tiny model, on a double or, the same weights, on the CPU."""
    hf, tokenizer = FAMILIES[family]()
    return Model.from_hf(on_double(hf) if there else hf, tokenizer, name=f"tiny {family}")


@cache
def task(family: str = "gpt2") -> Task:
    """A few pairs, of more than one length."""
    return load_task("ioi", model(family, there=False), pairs=3, seed=2)


@cache
def experiment(family: str = "gpt2", ablation: str = "patching", *, there: bool) -> Experiment:
    """Both runs of the pairs."""
    one, asked = model(family, there=there), task(family)
    return prepare(one, asked, ExperimentSettings.of(one, asked, None, ablation=ablation))
