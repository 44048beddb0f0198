"""Families of other packages: listed, refused by variant, loaded, proven, and worked with."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from transformers import ArceeConfig, ArceeForCausalLM, LlamaConfig, LlamaForCausalLM

from tests.support.plugin_packages import clear_plugins, make_package
from tests.support.tiny_families import made
from workbench.circuits.circuit import Circuit
from workbench.engine.score import evaluate
from workbench.errors import WorkbenchError
from workbench.models.model import Model, load_model
from workbench.plugins import Catalogue
from workbench.session.start import start_session
from workbench.transformer import families
from workbench.transformer.families import catalogue, supported
from workbench.transformer.families.catalogue import BUILT_IN, FAMILIES, Family

ENTRIES = """
from workbench.transformer.families.catalogue import Family

ARCEE = Family(
    "arcee", "Arcee's AFM", "workbench.transformer.families.llama_like:llama",
    variant=f"{__name__}:variant",
)
LAB = Family("lab_llama", "Llama of a lab", "lab_adapter:parts")

def variant(config):
    return "is an AFM with biases." if getattr(config, "mlp_bias", False) else None
"""
ADAPTER = """
from transformers import AutoConfig, AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from workbench.transformer.families.llama_like import llama

class LabConfig(LlamaConfig):
    model_type = "lab_llama"

class LabModel(LlamaForCausalLM):
    config_class = LabConfig

AutoConfig.register("lab_llama", LabConfig)
AutoModelForCausalLM.register(LabConfig, LabModel)

def parts(hf):
    return llama(hf)
"""
POINTS = {"families": {"arcee": "lab_families:ARCEE", "lab_llama": "lab_families:LAB"}}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A package with two families, and a catalogue that has not looked yet."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "lab_adapter.py").write_text(ADAPTER)
    make_package(tmp_path, "lab_families", ENTRIES, POINTS)
    anew = Catalogue("families", "family", Family, BUILT_IN)
    for module in (families, catalogue, supported, sys.modules["workbench.models.folder"]):
        monkeypatch.setattr(module, "FAMILIES", anew)
    yield
    for name in ("lab_families", "lab_adapter"):
        sys.modules.pop(name, None)
    clear_plugins()


def test_the_list_loads_nothing() -> None:
    code = (
        "import sys; from workbench.transformer.families import catalogue, supported;"
        "assert catalogue.words_of_families()['gpt2'] == 'GPT-2';"
        "assert not {'torch', 'transformers', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_is_named_is_there() -> None:
    for family in BUILT_IN:
        assert callable(family.load_adapter())
        assert family.refusal(SimpleNamespace(model_type=family.name)) is None


@pytest.mark.usefixtures("package")
def test_a_family_of_transformers_own() -> None:
    """An architecture of transformers that the workbench has no adapter for."""
    assert catalogue.words_of_families()["arcee"] == "Arcee's AFM"
    model = Model.from_hf(*made(ArceeForCausalLM, ArceeConfig, num_key_value_heads=2))
    assert model.info.family == "arcee" and model.info.check.relative < 1e-5
    with pytest.raises(WorkbenchError, match="It is an AFM with biases"):
        supported.require_supported(SimpleNamespace(model_type="arcee", mlp_bias=True), "It")
    heads = {"num_attention_heads": 9, "num_key_value_heads": 2}
    with pytest.raises(WorkbenchError, match="divide evenly"):
        supported.require_supported(SimpleNamespace(model_type="arcee", **heads), "It")
    with pytest.raises(WorkbenchError, match="mpt, arcee, lab_llama"):
        supported.require_supported(SimpleNamespace(model_type="codegen"), "It")


@pytest.mark.usefixtures("package")
def test_a_family_with_classes_of_its_own_is_read_and_worked_with(tmp_path: Path) -> None:
    hf, tokenizer = made(LlamaForCausalLM, LlamaConfig, num_key_value_heads=2)
    folder = tmp_path / "model"
    hf.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    config = folder / "config.json"
    config.write_text(config.read_text().replace('"llama"', '"lab_llama"'))

    model = load_model(str(folder), device="cpu")
    assert type(model.hf).__name__ == "LabModel"
    assert model.info.family == "lab_llama" and model.info.check.relative < 1e-5
    score = evaluate(model, "ioi", Circuit.full(model.graph), pairs=3)
    assert score.faithfulness == pytest.approx(1, abs=1e-4)
    session = start_session(str(folder), "ioi", pairs=3, device="cpu")
    assert session.status().model_metric == pytest.approx(score.clean, rel=1e-4)


def test_an_adapter_that_is_not_there_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = Family("arcee", "AFM", "no_such_module:parts")
    monkeypatch.setitem(FAMILIES, "arcee", broken)
    with pytest.raises(WorkbenchError, match="no_such_module:parts cannot be loaded"):
        Model.from_hf(*made(ArceeForCausalLM, ArceeConfig))
