"""Tensors of the device double: each keeps a tensor of the CPU and says that it is elsewhere.

Every operation on one comes here. It is done on the CPU, in whichever thread, and what it would
have been on a device is noted: a launch, memory, a wait, an index brought from the host. What a
device refuses (a tensor of the host beside one of its own) is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from tests.support.device_double.events import (
    HOST_INDEX,
    MIXED,
    WAITS,
    watchers,
)

_aten = torch.ops.aten

NAME = "elsewhere"
"""What torch calls the device."""

WAITING = {
    "aten::_local_scalar_dense": "its number is asked for",
    "aten::nonzero": "the size of the answer depends on the values",
    "aten::masked_select": "the size of the answer depends on the values",
    "aten::_unique2": "the size of the answer depends on the values",
    "aten::unique_dim": "the size of the answer depends on the values",
    "aten::unique_consecutive": "the size of the answer depends on the values",
    "aten::bincount": "the size of the answer depends on the values",
    "aten::equal": "the answer is a truth of Python",
    "aten::linalg_eig": "whether it went well is asked",
    "aten::_linalg_eigh": "whether it went well is asked",
    "aten::_linalg_eigvals": "whether it went well is asked",
    "aten::linalg_eigvals": "whether it went well is asked",
    "aten::_linalg_svd": "whether it went well is asked",
    "aten::linalg_inv_ex": "whether it went well is asked",
    "aten::_linalg_solve_ex": "whether it went well is asked",
}
"""Operations after which CUDA's own code waits, and why."""

INDEXING = {
    _aten.index.Tensor,
    _aten.index_put_.default,
    _aten.index_put.default,
    _aten._index_put_impl_.default,
    _aten._unsafe_index.Tensor,
}
NO_LAUNCH = {
    "aten::empty",
    "aten::empty_like",
    "aten::new_empty",
    "aten::empty_strided",
    "aten::new_empty_strided",
    "aten::lift_fresh",
    "aten::set_",
}
FACTORIES = (
    "arange",
    "arange.start",
    "arange.start_step",
    "eye",
    "eye.m",
    "linspace",
    "randperm",
    "tril_indices",
    "triu_indices",
)
HOST = torch.device("cpu")


class Elsewhere(Tensor):
    """A tensor of a double.

    Attributes:
        host: the numbers, on the CPU.
    """

    host: Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @staticmethod
    def __new__(
        cls, host: Tensor, device: torch.device | None = None, *, requires_grad: bool = False
    ) -> Elsewhere:
        if device is None:  # as accelerate makes a parameter of one anew
            if not isinstance(host, Elsewhere):
                return torch.nn.Parameter(host, requires_grad=False)  # type: ignore[return-value]
            device, host = host.device, host.host
        made = Tensor._make_wrapper_subclass(
            cls,
            host.size(),
            strides=host.stride(),
            storage_offset=host.storage_offset(),
            dtype=host.dtype,
            device=_numbered(device),
        )
        made.host = host
        return made

    def __init__(
        self, host: Tensor, device: torch.device | None = None, *, requires_grad: bool = False
    ) -> None:
        for seen in watchers():
            seen.allocation(host)

    def __repr__(self, *, tensor_contents: Any = None) -> str:  # type: ignore[override]
        return f"Elsewhere({self.host!r}, device={self.device})"

    def tolist(self) -> Any:
        """The numbers as Python's, which waits."""
        _note(WAITS, "tolist")
        return self.host.tolist()

    def numpy(self, *, force: bool = False) -> Any:
        """Refused, as on every device.

        Raises:
            TypeError: always, without `force`.
        """
        if not force:
            raise TypeError(
                f"can't convert {self.device} device type tensor to numpy. Use Tensor.cpu() first."
            )
        _note(WAITS, "numpy")
        return self.host.numpy()

    def untyped_storage(self) -> torch.UntypedStorage:
        """That of the numbers, so that two views of one memory are seen to be."""
        return self.host.untyped_storage()

    def data_ptr(self) -> int:
        """Where the numbers are."""
        return self.host.data_ptr()

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if not all(issubclass(kind, cls | torch.nn.Parameter) for kind in types):
            return NotImplemented  # a weight that lies elsewhere yet knows what is to be done
        return _run(func, args, kwargs or {})


def _numbered(device: torch.device) -> torch.device:
    return device if device.index is not None else torch.device(device.type, 0)


def _note(kind: str, what: str) -> None:
    for seen in watchers():
        seen.event(kind, what)


def _leaves(value: Any) -> Iterable[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _leaves(one)
    elif isinstance(value, dict):
        for one in value.values():
            yield from _leaves(one)


def _run(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    name = func._schema.name
    if name == "aten::to":  # not taken apart yet, where another kind of tensor calls it
        return func.decompose(*args, **kwargs)
    if func is _aten._to_copy.default:
        return _moved(args[0], kwargs)
    if func is _aten.copy_.default:
        return _copied(*args, **kwargs)
    tensors = [*_leaves(args), *_leaves(kwargs)]
    device = _common_device(func, name, tensors, args)
    for seen in watchers():
        if name in WAITING:
            seen.event(WAITS, f"{name.removeprefix('aten::')}: {WAITING[name]}")
    if func in INDEXING:
        _note_indices(func, name, args)
    asked = kwargs.get("device")
    if asked is not None:
        device = torch.device(asked)
        kwargs = {**kwargs, "device": HOST}
    known = {id(t.host): t for t in tensors if isinstance(t, Elsewhere)}
    out = func(*_to_host(args), **_to_host(kwargs))
    if device.type != NAME:
        _note(WAITS, f"{name.removeprefix('aten::')} makes a tensor of the host")
        return out

    def there(one: Any) -> Any:
        if not isinstance(one, Tensor):
            return one
        return known[id(one)] if id(one) in known else Elsewhere(one, device)

    made = tree_map(there, out)
    if _launches(func, name, out, tensors):
        for seen in watchers():
            seen.launch(name.removeprefix("aten::"))
    return made


def _to_host(value: Any) -> Any:
    return tree_map(lambda t: t.host if isinstance(t, Elsewhere) else t, value)


def _common_device(
    func: Any, name: str, tensors: Sequence[Tensor], args: tuple[Any, ...]
) -> torch.device:
    """The device of the tensors, refused if there are two as a real one refuses it."""
    devices = {t.device for t in tensors if isinstance(t, Elsewhere)}
    if func in INDEXING:
        tensors = [args[0], *args[2:3]]  # indices of the host are copied
    # A number in a tensor of the host is handed to the kernel as a number.
    hosts = [t for t in tensors if not isinstance(t, Elsewhere) and t.dim()]
    if len(devices) > 1 or hosts or not devices:
        places = " and ".join(sorted({str(d) for d in devices} | ({"cpu"} if hosts else set())))
        _note(MIXED, f"{name.removeprefix('aten::')} of tensors on {places}")
        raise RuntimeError(
            "Expected all tensors to be on the same device, but found at least two devices, "
            f"{places}! ({name})"
        )
    return devices.pop()


def _note_indices(func: Any, name: str, args: tuple[Any, ...]) -> None:
    """Indices of the host, and masks, whose number of true values has to be known."""
    indices = [i for i in args[1] if i is not None]
    if any(not isinstance(i, Elsewhere) for i in indices):
        _note(HOST_INDEX, f"{name.removeprefix('aten::')} with an index on the host")
        return
    masks = [i for i in indices if i.dtype in (torch.bool, torch.uint8)]
    one_number = len(args) > 2 and args[2].numel() == 1 and len(masks) == len(indices)
    if masks and not one_number:  # filling a mask with one number needs no places
        _note(WAITS, f"{name.removeprefix('aten::')} with a mask: how many are true is asked")


def _moved(tensor: Tensor, kwargs: dict[str, Any]) -> Tensor:
    """`to`, `cpu`, `float` and their like."""
    asked = kwargs.get("device")
    device = tensor.device if asked is None else torch.device(asked)
    options = {k: v for k, v in kwargs.items() if k not in ("device", "non_blocking")}
    source = tensor.host if isinstance(tensor, Elsewhere) else tensor
    if device.type == "meta":
        return torch.empty_like(source, device="meta", **options)
    host = _aten._to_copy.default(source, **options)
    if device.type != NAME:
        _note(WAITS, "a copy to the host")
        return host
    _note_copy(tensor.device, _numbered(device), bool(kwargs.get("non_blocking")))
    return Elsewhere(host, device)


def _copied(to: Tensor, source: Tensor, non_blocking: bool = False) -> Tensor:
    """`copy_`."""
    if not isinstance(to, Elsewhere):
        _note(WAITS, "a copy to the host")
    else:
        one_number = not isinstance(source, Elsewhere) and not source.dim()
        _note_copy(to.device if one_number else source.device, to.device, non_blocking)
    _to_host(to).copy_(_to_host(source))
    return to


def _note_copy(source: torch.device, to: torch.device, non_blocking: bool) -> None:
    """A copy to a device: from the host the other side is waited for, if nobody says otherwise."""
    for seen in watchers():
        seen.launch("copy" if source.type == NAME else "upload")
        if source.type == NAME:
            continue
        if non_blocking:
            seen.uploads += 1
        else:
            seen.event(WAITS, "a copy from the host")


@cache
def _changes(func: Any) -> bool:
    return any(a.alias_info is not None and a.alias_info.is_write for a in func._schema.arguments)


def _launches(func: Any, name: str, out: Any, tensors: Sequence[Tensor]) -> bool:
    """Whether anything is computed: a view is not, nor memory that is only set aside."""
    if name in NO_LAUNCH:
        return False
    if _changes(func):
        return True
    given = {t.untyped_storage()._cdata for t in tensors}
    return any(t.untyped_storage()._cdata not in given for t in _leaves(out))


def _empty(size: Any, *, dtype: Any = None, device: Any = None, **_: Any) -> Tensor:
    return Elsewhere(torch.empty(size, dtype=dtype), torch.device(device))


def _empty_strided(
    size: Any, stride: Any, *, dtype: Any = None, device: Any = None, **_: Any
) -> Tensor:
    return Elsewhere(torch.empty_strided(size, stride, dtype=dtype), torch.device(device))


def _factory(func: Any) -> Any:
    """What makes numbers of nothing: torch would make an empty tensor first and let it grow."""

    def made(*args: Any, device: Any = None, **kwargs: Any) -> Tensor:
        for seen in watchers():
            seen.launch(func._schema.name.removeprefix("aten::"))
        return Elsewhere(func(*args, **kwargs, device=HOST), torch.device(device))

    return made


def _copy_from(source: Tensor, to: Tensor, non_blocking: bool = False) -> Tensor:
    """How `torch.tensor(..., device=)` and a list as an index come there."""
    return _copied(to, source, non_blocking)


def double(number: int = 0) -> torch.device:
    """One of the devices."""
    registered()
    return torch.device(NAME, number)


@cache
def registered() -> torch.library.Library:
    """Tell torch of the device; what is made there by its name alone begins here."""
    from torch.utils import backend_registration

    backend_registration._setup_privateuseone_for_python_backend(NAME)
    library = torch.library.Library("aten", "IMPL")
    library.impl("empty.memory_format", _empty, "PrivateUse1")
    library.impl("empty_strided", _empty_strided, "PrivateUse1")
    for name in FACTORIES:
        packet, _, overload = name.partition(".")
        func = getattr(getattr(_aten, packet), overload or "default")
        library.impl(name, _factory(func), "PrivateUse1")
    library.impl("_copy_from", _copy_from, "PrivateUse1")
    return library
