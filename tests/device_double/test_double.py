"""The device double itself: it computes as the CPU does, and sees every planted fault."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from tests.support.device_double.events import (
    HOST_INDEX,
    MIXED,
    WAITS,
    Allowed,
    watched,
)
from tests.support.device_double.models import host_copy, on_double
from tests.support.device_double.tensors import Elsewhere, double
from tests.support.tiny_models import tiny_gpt2
from workbench.base.transfers import kept_index, uploaded


@cache
def made(*shape: int, number: int = 0) -> Tensor:
    numbers = torch.randn(*shape, generator=torch.Generator().manual_seed(7))
    return Elsewhere(numbers, double(number))


def x() -> Tensor:
    return made(3, 4)


PLACES = torch.tensor([2, 0])

FAULTS: dict[str, tuple[str, Callable[[], Any]]] = {
    "item": (WAITS, lambda: x()[0, 0].item()),
    "int": (WAITS, lambda: int(x()[0, 0])),
    "float": (WAITS, lambda: float(x().sum())),
    "a truth": (WAITS, lambda: bool((x() > 0).any())),
    "an if": (WAITS, lambda: 1 if x()[0, 0] > 0 else 2),
    "tolist": (WAITS, lambda: x().tolist()),
    "cpu": (WAITS, lambda: x().cpu()),
    "to": (WAITS, lambda: x().to("cpu")),
    "copy_": (WAITS, lambda: torch.empty(3, 4).copy_(x())),
    "nonzero": (WAITS, lambda: x().nonzero()),
    "masked_select": (WAITS, lambda: x().masked_select(x() > 0)),
    "unique": (WAITS, lambda: x().unique()),
    "equal": (WAITS, lambda: torch.equal(x(), x())),
    "a mask as an index": (WAITS, lambda: x()[x() > 0]),
    "a mask is assigned": (WAITS, lambda: x().clone().__setitem__(x()[:, 0] > 0, x()[:1])),
    "torch.tensor there": (WAITS, lambda: torch.tensor([1, 2], device=double())),
    "a tensor sent": (WAITS, lambda: PLACES.to(double())),
    "an array sent": (WAITS, lambda: torch.from_numpy(np.arange(3)).to(x().device)),
    "a list as an index": (WAITS, lambda: x()[[2, 0]]),
    "an index of the host": (HOST_INDEX, lambda: x()[PLACES]),
    "an index of an array": (HOST_INDEX, lambda: x()[torch.from_numpy(np.array([1, 0]))]),
    "an index is assigned": (HOST_INDEX, lambda: x().clone().__setitem__(PLACES, x()[:2])),
    "a sum with the host": (MIXED, lambda: x() + torch.ones(4)),
    "a product with the host": (MIXED, lambda: x() @ torch.ones(4, 2)),
    "index_select": (MIXED, lambda: x().index_select(0, PLACES)),
    "another device": (MIXED, lambda: x() + made(3, 4, number=1)),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_every_planted_fault_is_seen_with_its_line(name: str) -> None:
    kind, fault = FAULTS[name]
    with watched() as seen:
        if kind == MIXED:
            with pytest.raises(RuntimeError, match="on the same device"):
                fault()
        else:
            fault()
    assert [event.kind for event in seen.events] == [kind]
    place = seen.events[0].place
    assert place.line == fault.__code__.co_firstlineno
    with pytest.raises(AssertionError, match=f"{place.file}:{place.line} .*{kind}"):
        seen.check(())
    seen.check([Allowed(place.file, place.function, "it is planted", kind)])
    with pytest.raises(AssertionError):
        seen.check([Allowed(place.file, "another", "it is planted", kind)])


GOOD: dict[str, Callable[[], Tensor]] = {
    "sums": lambda: x() * 2 + x()[0] - x().mean(),
    "products": lambda: (x() @ x().T).softmax(-1),
    "a number in a tensor": lambda: x() * torch.tensor(2.0),
    "views": lambda: x()[1:, ::2].transpose(0, 1).reshape(-1)[None].expand(3, -1),
    "made there": lambda: torch.arange(4, device=double()) + torch.zeros(4, device=double()),
    "uploads": lambda: x()[uploaded(np.array([2, 0]), double())],
    "a kept index": lambda: x()[:, kept_index((3, 1, 1), double())],
    "a mask that is filled": lambda: x().masked_fill(x() > 0, 3.0),
    "where": lambda: torch.where(x() > 0, x(), -x()),
    "attention": lambda: scaled_dot_product_attention(x()[None], x()[None], x()[None]),
}  # fmt: skip


def test_what_waits_for_nothing_is_no_fault_and_computes_the_same() -> None:
    with watched() as seen:
        found = {name: function() for name, function in GOOD.items()}
    seen.check(())
    assert all(value.device == double() for value in found.values())
    host = host_copy(x())
    expected = {
        "sums": host * 2 + host[0] - host.mean(),
        "products": (host @ host.T).softmax(-1),
        "uploads": host[[2, 0]],
        "a kept index": host[:, [3, 1, 1]],
        "where": host.abs(),
    }
    for name, value in expected.items():
        assert torch.equal(host_copy(found[name]), value), name


def test_what_is_changed_in_place_is_changed() -> None:
    y = x().clone()
    with watched() as seen:
        y[0] = 1.0
        y[1:].mul_(2)
        y[kept_index((2,), double())] += 1
        y[y > 100] = 0.0  # one number: no places are needed
    seen.check(())
    expected = host_copy(x()).clone()
    expected[0], expected[1:] = 1.0, expected[1:] * 2
    expected[2] += 1
    assert torch.equal(host_copy(y), expected)


def test_launches_and_memory_are_counted() -> None:
    with watched() as seen:
        y = torch.zeros(256, device=double())  # one launch, 1 KiB
        view = y[:128].view(8, 16)
        z = view @ view.T  # another, 256 bytes
        del y, view
        w = z + 1
    assert seen.launched == {"zero_": 1, "mm": 1, "add": 1}
    assert (seen.allocations, seen.allocated) == (3, 1024 + 256 + 256)
    assert (seen.live, seen.peak) == (512, 1024 + 256)
    del z, w
    assert seen.live == 0
    with watched() as seen:
        uploaded(np.zeros(3), double())
    assert (seen.uploads, seen.launched) == (1, {"upload": 1})


def test_other_threads_are_seen_and_gradients_go_through() -> None:
    weight = x().detach().clone().requires_grad_()

    def work() -> None:
        loss = (weight.pow(2) * 3).sum()
        loss.backward()
        loss.item()

    with watched() as seen:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert weight.grad is not None and torch.equal(host_copy(weight.grad), 6 * host_copy(x()))
    assert [event.kind for event in seen.events] == [WAITS]
    assert seen.events[0].place.function.endswith("work")


def test_a_model_there_computes_what_it_did() -> None:
    hf, _ = tiny_gpt2()
    tokens = torch.tensor([[3, 5, 8, 13]])
    expected = hf(tokens).logits
    moved = on_double(hf)
    assert moved.lm_head.weight is moved.transformer.wte.weight
    assert {p.device for p in moved.parameters()} == {double()}
    found = host_copy(moved(uploaded(tokens, double())).logits)
    assert torch.allclose(found, expected, atol=1e-5)
    with pytest.raises(RuntimeError, match="on the same device"):
        moved(tokens)


def test_a_tensor_says_where_it_is() -> None:
    assert x().device.type == "elsewhere" and "elsewhere:0" in repr(x())
    with pytest.raises(TypeError, match="numpy"):
        np.asarray(x())
    other = x().to(double(1))
    assert other.device == double(1) and torch.equal(host_copy(other), host_copy(x()))
