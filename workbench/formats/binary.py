"""The content of a binary file by its first bytes: a pickle, or a file of torch.save."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from workbench.formats.plain_pickle import read_pickle
from workbench.formats.torch_file import look_into


@dataclass(frozen=True)
class Binary:
    """What a binary file holds, before a format makes something of it.

    Attributes:
        kind: which sort of file it is.
        data: its bytes.
        plain: the value in it; in a file of torch.save with a `Record` for every tensor.
    """

    kind: Literal["pickle", "torch"]
    data: bytes
    plain: Any


# What ACDC's own pickle of its edges names, besides plain values.
ACDC_INDEX = "acdc.TLACDCEdge.TorchIndex"
INERT = frozenset({ACDC_INDEX, "acdc.acdc_utils.TorchIndex", "builtins.slice", "__builtin__.slice"})


def binary_content(data: bytes) -> Binary | None:
    """The content of a binary file; None for a text.

    Raises:
        WorkbenchError: it is damaged, or it wants something made that is not plain.
    """
    if data[:1] == b"\x80" and data[1:2] <= b"\x05":
        return Binary("pickle", data, read_pickle(data, inert=INERT))
    held = look_into(data)
    return None if held is None else Binary("torch", data, held)
