"""Weights that lie elsewhere than the engine computes: on another device, or on the host.

The engine works on one device, its *home*: both runs, and all sums over sources, are there. A
`Placed` is a weight that says it is at home, since that is where it may be used, and lies
elsewhere. What only weights take part in (a view, a choice of heads) is done where they lie. Where
one meets values of home, either the values are sent to it and what comes out comes home, which is
how the residual travels through layers of several accelerators; or, if it lies on the host, it is
brought home for the time of its use, see `visits`. Nothing else moves: tensors of two devices that
are no weights are refused by torch, as ever.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from workbench.base.transfers import sent
from workbench.transformer.torch_modules import with_tensors
from workbench.transformer.visits import Visits

_aten = torch.ops.aten

CHOOSING = frozenset({_aten.index.Tensor, _aten.index_select.default})
"""What chooses of a weight by indices: what is chosen is a weight still, and stays there."""

OF_ROOM = {
    _aten.mm.out: _aten.mm.default,
    _aten.bmm.out: _aten.bmm.default,
    _aten.addmm.out: _aten.addmm.default,
}
"""Products that are written to room at home, and those that make room themselves."""


class Placed(Tensor):
    """A weight that lies elsewhere, as if it were at home.

    Attributes:
        there: the weight, where it lies.
        visits: how it comes home where it is needed; None if values are sent to it.
    """

    there: Tensor
    visits: Visits | None
    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @staticmethod
    def __new__(cls, there: Tensor, home: torch.device, visits: Visits | None = None) -> Placed:
        """A wrapper of the weight's own shape; see the class."""
        made = Tensor._make_wrapper_subclass(
            cls,
            there.size(),
            strides=there.stride(),
            storage_offset=there.storage_offset(),
            dtype=there.dtype,
            device=home,
        )
        made.there = there
        made.visits = visits
        return made

    def __init__(self, *_: Any) -> None:
        super().__init__()

    def __repr__(self, *, tensor_contents: Any = None) -> str:  # type: ignore[override]
        return f"Placed({self.there!r}, home={self.device})"

    def untyped_storage(self) -> torch.UntypedStorage:
        """That of the weight, so that two views of one memory are seen to be."""
        return self.there.untyped_storage()

    def data_ptr(self) -> int:
        """Where the weight is."""
        return self.there.data_ptr()

    def at_home(self) -> Tensor:
        """The weight itself, brought home."""
        if self.visits is not None:
            return self.visits.bring(self.there)
        return sent(self.there, self.device)

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        return _run(func, args, kwargs or {})


def _run(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if func is _aten._to_copy.default:
        return _converted(args[0], kwargs)
    tensors = [*_leaves(args), *_leaves(kwargs)]
    weights = [t for t in tensors if isinstance(t, Placed)]
    first, places = weights[0], {t.there.device for t in weights}
    values = [t for t in tensors if not isinstance(t, Placed) and not _is_number(t)]
    changed = [t for t in _changed(func, args, kwargs) if isinstance(t, Placed)]
    if changed:  # room that was made like a weight: everything comes to where it is
        return _done_at(func, args, kwargs, changed[0].there.device, _stays(changed[0]))
    if len(places) == 1 and not values:
        return _done_at(func, args, kwargs, first.there.device, _stays(first))
    visiting = any(t.visits is not None for t in weights)
    if visiting or len(places) > 1:
        return func(*_at_home(args), **_at_home(kwargs))
    if func in OF_ROOM:
        room = kwargs.pop("out")
        return room.copy_(_run(OF_ROOM[func], args, kwargs))
    if _changes(func):  # values of home, in place
        return func(*_at_home(args), **_at_home(kwargs))
    back = _stays(first) if func in CHOOSING and args[0] is first else _comes(first.device)
    return _done_at(func, args, kwargs, first.there.device, back)


def _leaves(value: Any) -> Iterable[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _leaves(one)
    elif isinstance(value, dict):
        for one in value.values():
            yield from _leaves(one)


def _is_number(tensor: Tensor) -> bool:
    """Whether this is a number in a tensor of the host, which every device takes."""
    return not tensor.dim() and tensor.device.type == "cpu"


@cache
def _changes(func: Any) -> bool:
    return any(a.alias_info is not None and a.alias_info.is_write for a in func._schema.arguments)


def _changed(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Iterable[Tensor]:
    """The tensors that an operation writes into."""
    if not _changes(func):
        return
    for number, argument in enumerate(func._schema.arguments):
        if argument.alias_info is not None and argument.alias_info.is_write:
            yield from _leaves(args[number] if number < len(args) else kwargs.get(argument.name))


def _converted(weight: Any, kwargs: dict[str, Any]) -> Tensor:
    """`to`, `cpu`, `float` and their like: at home it stays where it is."""
    asked = kwargs.get("device")
    if isinstance(weight, Placed) and (asked is None or torch.device(asked) == weight.device):
        options = {k: v for k, v in kwargs.items() if k not in ("device", "non_blocking")}
        return _stays(weight)(_aten._to_copy.default(weight.there, **options))
    there = weight.there if isinstance(weight, Placed) else weight
    converted: Tensor = _aten._to_copy.default(there, **kwargs)
    return converted


def _at_home(value: Any) -> Any:
    return tree_map(lambda t: t.at_home() if isinstance(t, Placed) else t, value)


def _stays(like: Placed) -> Callable[[Tensor], Tensor]:
    """What is made of weights alone is one that lies where they do."""
    return lambda made: Placed(made, like.device, like.visits)


def _comes(home: torch.device) -> Callable[[Tensor], Tensor]:
    return lambda made: sent(made, home)


def _done_at(
    func: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    place: torch.device,
    back: Callable[[Tensor], Tensor],
) -> Any:
    """An operation, done where a weight lies.

    Args:
        back: makes of what it gives what is given back.
    """
    known: dict[int, Tensor] = {}

    def brought(one: Any) -> Any:
        if not isinstance(one, Tensor) or _is_number(one):
            return one
        if isinstance(one, Placed):
            known[id(one.there)] = one
            return sent(one.there, place)
        return sent(one, place)

    if kwargs.get("device") is not None:
        kwargs = {**kwargs, "device": place}
    out = func(*tree_map(brought, args), **tree_map(brought, kwargs))

    def returned(one: Any) -> Any:
        if not isinstance(one, Tensor):
            return one
        return known[id(one)] if id(one) in known else back(one)

    return tree_map(returned, out)


@dataclass(frozen=True)
class Resident:
    """A module of weights that lie on one other accelerator, and the same module there.

    Run as a whole, its values travel once to it and once back. For a gradient every product is
    taken by itself, so that what is kept for it is at home.

    Attributes:
        module: of `Placed` weights; what it computes is computed by the other.
        there: of the weights themselves.
        place: where they lie.
    """

    module: nn.Module
    there: nn.Module
    place: torch.device

    def __call__(self, x: Tensor) -> Tensor:
        """What the module makes of x, at x's own device."""
        if x.requires_grad and torch.is_grad_enabled():
            made: Tensor = self.module(x)
            return made
        return sent(self.there(sent(x, self.place)), x.device)


def resident(module: nn.Module) -> Resident | None:
    """A module where its weights lie.

    None where that is at home, on the host, or in two places.
    """
    weights = [tensor for tensor in module.parameters() if isinstance(tensor, Placed)]
    places = {weight.there.device for weight in weights}
    if len(places) != 1 or any(weight.visits is not None for weight in weights):
        return None
    place = places.pop()

    def moved(tensor: Tensor) -> Tensor:
        return tensor.there if isinstance(tensor, Placed) else sent(tensor.detach(), place)

    return Resident(module, with_tensors(module, moved), place)
