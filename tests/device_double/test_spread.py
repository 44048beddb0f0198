"""A model over two devices and the host: all that is computed is what one device computes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.device_double.test_engine import COMPUTED
from tests.device_double.test_methods import same, told
from tests.device_double.test_readouts import CASES, numbers, read
from tests.device_double.test_session import worked
from tests.support.device_double.cases import (
    HOME,
    HOST,
    OTHER,
    experiment,
    model,
    spread,
    spread_experiment,
    spread_model,
    task,
)
from tests.support.device_double.models import host_copy
from tests.support.device_double.tensors import Elsewhere, double
from tests.support.recent_families import deepseek_v3
from tests.support.tiny_families import MAKERS
from tests.support.tiny_models import tiny_llama
from workbench import discover, load_model
from workbench.base.transfers import array_of, sent, uploaded
from workbench.discovery.catalogue import BUILT_IN, Method
from workbench.models import device_map
from workbench.models import model as loading
from workbench.readouts.catalogue import Readout
from workbench.session.start import build_session
from workbench.transformer.placed import Placed
from workbench.transformer.recording import clean_logits
from workbench.transformer.visits import Visits

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # the tiny models know no task


@pytest.mark.parametrize("family", [*MAKERS, "deepseek_v3"])
def test_every_family_passes_its_check_over_several_devices(family: str) -> None:
    hf, tokenizer = {**MAKERS, "deepseek_v3": deepseek_v3}[family]()
    hf.config._experts_implementation = "eager"  # another counts whole numbers, which no CPU does
    expected = hf(torch.tensor([[3, 5, 8, 13]])).logits[:, -1]
    made = spread_model(hf, tokenizer)
    assert made.check.passed and made.parts.is_spread and str(made.device) == HOME
    lies = {str(weight.there.device) for weight in placed(made.parts)}
    assert lies == {OTHER, HOST}
    logits = clean_logits(made.parts, torch.tensor([[3, 5, 8, 13]]))
    np.testing.assert_allclose(host_copy(logits), expected.detach(), atol=1e-4)


@pytest.mark.parametrize("asked", ["file", "balanced", "auto"])
def test_a_folder_is_read_to_its_devices(
    asked: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def chosen(name: Any = None) -> torch.device:
        return torch.device(name or HOME)

    for module in (device_map, loading):
        monkeypatch.setattr(module, "choose_device", chosen)
    monkeypatch.setattr(device_map, "accelerators", lambda: [double(0), double(1)])
    hf, tokenizer = tiny_llama(layers=3)
    for one in (hf, tokenizer):
        one.save_pretrained(tmp_path / "model")
    file = tmp_path / "map.json"
    file.write_text(json.dumps({"": HOME, "model.layers.1": OTHER, "model.layers.2": HOST}))
    made = load_model(str(tmp_path / "model"), device_map=str(file) if asked == "file" else asked)
    assert str(made.device) == HOME and made.check.passed
    assert made.chosen is not None and made.chosen.device_map is not None
    lies = {str(weight.there.device) for weight in placed(made.parts)}
    assert lies == {"file": {OTHER, HOST}, "balanced": {OTHER}, "auto": set()}[asked]
    told_ = [note for note in made.info.notes if "several devices" in note]
    assert bool(told_) == bool(lies)
    tokens = torch.tensor([[3, 5, 8, 13]])
    expected = hf(tokens).logits[:, -1].detach()
    np.testing.assert_allclose(host_copy(clean_logits(made.parts, tokens)), expected, atol=1e-4)
    own = made.hf(uploaded(tokens, double(0)), use_cache=False).logits[:, -1]
    np.testing.assert_allclose(host_copy(own), expected, atol=1e-4)


def placed(parts: Any) -> list[Placed]:
    """The weights of some parts that lie elsewhere."""
    found = [t for layer in parts.layers for t in layer.mlp.parameters()]
    found += [t for one in parts.layers for t in (one.attention.w_q, one.attention.w_o)]
    return [weight for weight in found if isinstance(weight, Placed)]


@pytest.mark.parametrize("name", COMPUTED)
def test_what_the_engine_computes(name: str) -> None:
    found = COMPUTED[name](spread_experiment("llama"))
    np.testing.assert_allclose(found, COMPUTED[name](experiment("llama", there=False)), atol=1e-4)


@pytest.mark.parametrize("method", BUILT_IN, ids=lambda method: method.name)
def test_every_method(method: Method) -> None:
    asked = told(method, by_role=False)
    there = discover(spread("gpt2"), task("gpt2"), method.name, **asked)
    same(discover(model("gpt2", there=False), task("gpt2"), method.name, **asked), there)


@pytest.mark.parametrize(
    ("readout", "way"),
    [(readout, way) for readout, way, pair in CASES if pair == 0],
    ids=lambda case: getattr(case, "name", case),
)
def test_every_readout(readout: Readout, way: str) -> None:
    there, here = spread_experiment("llama"), experiment("llama", there=False)
    found, expected = (numbers(read(at, readout, way, 0)) for at in (there, here))
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_a_session(tmp_path: Path) -> None:
    with build_session(spread(), task(), journal=tmp_path / "there.jsonl") as there:
        found = worked(there)
    with build_session(model(there=False), task(), journal=tmp_path / "here.jsonl") as here:
        np.testing.assert_allclose(found, worked(here), atol=1e-3)


def weight(where: str, *shape: int) -> tuple[Tensor, Placed]:
    """Numbers of the host, and the same as a weight that lies on another device or the host."""
    numbers_ = torch.randn(*shape, generator=torch.Generator().manual_seed(3))
    if where == HOST:
        return numbers_, Placed(numbers_, double(0), Visits(double(0), 4096))
    return numbers_, Placed(Elsewhere(numbers_, double(1)), double(0))


@pytest.mark.parametrize("where", [OTHER, HOST])
def test_a_weight_is_used_as_if_it_were_at_home(where: str) -> None:
    host, lies = weight(where, 4, 6)
    x_host = torch.randn(3, 4, generator=torch.Generator().manual_seed(1))
    x = uploaded(x_host, double(0))
    assert lies.device == double(0) and isinstance(lies.T[1:].float(), Placed)
    made = {
        "product": (x @ lies, x_host @ host),
        "view": (x @ lies.T.T.reshape(4, 2, 3)[:, 0], x_host @ host.view(4, 2, 3)[:, 0]),
        "rows": (lies[uploaded([2, 0], double(0))] + 0, host[[2, 0]]),
        "sum": (x.sum(1, keepdim=True)[:, :1] + lies[:3, :1], x_host.sum(1, True) + host[:3, :1]),
        "into": (torch.mm(x, lies, out=sent(torch.zeros(3, 6), double(0))), x_host @ host),
        "in place": (sent(torch.zeros(4, 6), double(0)).add_(lies), host),
    }
    for name, (found, expected) in made.items():
        assert found.device == double(0), name
        np.testing.assert_allclose(array_of(found), expected, atol=1e-6, err_msg=name)
    np.testing.assert_array_equal(array_of(lies), host)
    room = lies.new_zeros(4, 6)
    room[1] = lies[2]
    np.testing.assert_array_equal(array_of(room)[1], host[2])


def test_gradients_come_home() -> None:
    host, lies = weight(OTHER, 4, 6)
    x = uploaded(torch.ones(3, 4), double(0)).requires_grad_()
    (gradient,) = torch.autograd.grad((x @ lies).sum(), x)
    np.testing.assert_allclose(array_of(gradient), host.sum(1).expand(3, 4), atol=1e-6)


def test_values_of_two_devices_are_refused_as_ever() -> None:
    with pytest.raises(RuntimeError, match="on the same device"):
        uploaded(torch.ones(3), double(0)) + uploaded(torch.ones(3), double(1))


def test_what_visits_makes_room_and_the_next_is_brought_ahead() -> None:
    weights = [torch.full((16,), float(n)) for n in range(4)]
    visits = Visits(double(0), 2 * 64)
    for _ in range(3):
        for n, one in enumerate(weights):
            assert array_of(visits.bring(one))[0] == n
            assert visits.taken <= 2 * 64
    # The first time none is known, so that each is brought when it is asked for.
    assert visits.waited == 4 + 1 and visits.brought == 3 * 4 + 1
