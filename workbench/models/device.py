"""Where a model runs and in which numbers: the one place that names a kind of device."""

from __future__ import annotations

import platform
from typing import Any

import torch
from torch import Tensor

from workbench.base.number_formats import NUMBER_FORMATS
from workbench.base.transfers import sent
from workbench.errors import WorkbenchError
from workbench.transformer.torch_modules import set_buffer

DTYPES: dict[str, torch.dtype] = {name: getattr(torch, name) for name in NUMBER_FORMATS}
"""The number formats a model may be loaded in, by the name the user gives."""


def choose_device(name: str | torch.device | None = None) -> torch.device:
    """The device of that name; without a name CUDA if there, else MPS, else the CPU.

    Raises:
        WorkbenchError: the name is no device, or this machine has no such device.
    """
    if name is None:
        if torch.cuda.is_available():
            return torch.device("cuda")
        if torch.backends.mps.is_available():
            return torch.device("mps")
        return torch.device("cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise WorkbenchError(f"{name!r} is not a device: say cpu, cuda, cuda:N or mps.") from error
    if device.type == "cuda":
        if not torch.cuda.is_available():
            raise WorkbenchError(
                f"The device {name} was asked for, but torch sees no CUDA GPU here: "
                "use --device cpu, or install a torch build with CUDA."
            )
        if device.index is not None and device.index >= torch.cuda.device_count():
            raise WorkbenchError(
                f"The device {name} was asked for, but there are only "
                f"{torch.cuda.device_count()} CUDA GPUs, counted from 0."
            )
    elif device.type == "mps":
        if not torch.backends.mps.is_available():
            raise WorkbenchError("The device mps was asked for, but torch sees no Apple GPU here.")
    elif device.type != "cpu":
        raise WorkbenchError(f"{name!r} is not a device of ours: say cpu, cuda, cuda:N or mps.")
    return device


def accelerators() -> list[torch.device]:
    """What there is to compute on beside the CPU."""
    if torch.cuda.is_available():
        return [torch.device("cuda", i) for i in range(torch.cuda.device_count())]
    return [torch.device("mps")] if torch.backends.mps.is_available() else []


def accelerator_name(of: int | str) -> str:
    """An accelerator's whole name by its number, or by a name that may leave the number out."""
    if isinstance(of, int):
        return f"cuda:{of}"
    return "cuda:0" if of == "cuda" else of


def copied_aside(weight: Tensor, device: torch.device) -> Tensor:
    """A copy on a device, whole when this returns, while the device goes on with other things."""
    if device.type != "cuda":
        return sent(weight, device)
    stream = torch.cuda.Stream(device)
    with torch.cuda.stream(stream):
        copied = sent(weight, device)
    stream.synchronize()
    return copied


def used_here(copied: Tensor) -> None:
    """What was copied aside is used now: its memory stays its own until that is done."""
    if copied.device.type == "cuda":
        copied.record_stream(torch.cuda.current_stream(copied.device))


def devices() -> list[str]:
    """What there is to compute on, each with its name."""
    found = ["cpu"]
    if torch.cuda.is_available():
        names = (torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count()))
        found += [f"cuda:{i} {name} (CUDA {torch.version.cuda})" for i, name in enumerate(names)]
    if torch.backends.mps.is_available():
        found.append("mps")
    return found


def choose_dtype(name: str | torch.dtype | None = None) -> torch.dtype:
    """The number format of that name; float32 without a name.

    Raises:
        WorkbenchError: no such format, or none that a model can be analysed in.
    """
    if name is None:
        return torch.float32
    if isinstance(name, torch.dtype):
        name = str(name).removeprefix("torch.")
    try:
        return DTYPES[name]
    except KeyError:
        raise WorkbenchError(
            f"{name!r} is not a number format of ours: choose one of {', '.join(DTYPES)}."
        ) from None


def kind_of(device: torch.device) -> str:
    """What computes there: a GPU's name, else the kind of machine."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return platform.machine()


def in_numbers(model: Any, dtype: torch.dtype) -> Any:
    """A transformers model with its weights in these numbers, in place.

    Buffers that are in no file keep theirs, as when transformers reads a model in such numbers:
    rotary frequencies in bfloat16 would be off by up to a radian from some hundred tokens on, which
    `nn.Module.to` does not spare them.
    """
    saved = model.state_dict().keys()
    for parameter in model.parameters():
        if parameter.is_floating_point():
            parameter.data = parameter.data.to(dtype)
    for name, buffer in list(model.named_buffers()):
        if name in saved and buffer.is_floating_point():
            set_buffer(model, name, buffer.to(dtype))
    return model


def free_memory(device: torch.device) -> int:
    """Bytes that may still be allocated on a device."""
    if device.type == "cuda":
        free = int(torch.cuda.mem_get_info(device)[0])
        # What torch holds and does not use is as good as free.
        return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    from workbench.base.free_memory import free_memory as of_machine

    return of_machine()  # Apple's GPUs share it


def peak_memory_counter(device: torch.device) -> int | None:
    """Bytes allocated at most on a GPU since `reset_peak_memory`, or None.

    None where nothing counts them.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return None


def reset_peak_memory(device: torch.device) -> None:
    """Start counting the peak anew (GPU only)."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def synchronize(device: torch.device) -> None:
    """Wait until the device has done what was asked, so that a clock reads true."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
