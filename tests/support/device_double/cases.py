"""Tiny models on the CPU and on a double, and the same pairs for both."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from tasks.task import Task
from tests.support.device_double.models import on_double
from tests.support.tiny_models import tiny_gpt2, tiny_llama
from workbench.experiment.experiment import Experiment
from workbench.experiment.prepare import load_task, prepare
from workbench.experiment.settings import ExperimentSettings
from workbench.models.device_map import Spread
from workbench.models.model import Model

HOME, OTHER, HOST = "elsewhere:0", "elsewhere:1", "cpu"
LAYER = re.compile(r"(.*?\.\d+)\.")

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


def spread_model(hf: Any, tokenizer: Any, name: str = "spread") -> Model:
    """A model over two doubles and the host, its layers by turns on one of the three."""
    found = (LAYER.match(weight) for weight, _ in hf.named_parameters())
    blocks = sorted({match[1] for match in found if match})
    turns = (OTHER, HOST, HOME)
    entries = [("", HOME), *((block, turns[n % 3]) for n, block in enumerate(blocks))]
    return Model.from_hf(hf, tokenizer, name=name, device_map=Spread(tuple(entries), HOME))


@cache
def spread(family: str = "gpt2") -> Model:
    """A family's tiny model over several devices."""
    hf, tokenizer = FAMILIES[family]()
    return spread_model(hf, tokenizer, f"tiny {family}")


@cache
def spread_experiment(family: str = "gpt2") -> Experiment:
    """Both runs of the pairs on a model over several devices."""
    one, asked = spread(family), task(family)
    return prepare(one, asked, ExperimentSettings.of(one, asked, None))


@cache
def task(family: str = "gpt2") -> Task:
    """A few pairs, of more than one length."""
    return load_task("ioi", model(family, there=False), pairs=3, seed=2)


@cache
def experiment(family: str = "gpt2", ablation: str = "patching", *, there: bool) -> Experiment:
    """Both runs of the pairs."""
    one, asked = model(family, there=there), task(family)
    return prepare(one, asked, ExperimentSettings.of(one, asked, None, ablation=ablation))
