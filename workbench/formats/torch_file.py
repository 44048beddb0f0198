"""Files of torch.save: looked through without torch, loaded as tensors and plain values.

Such a file is a zip whose `data.pkl` describes a value and whose other entries are the tensors'
numbers. The pickle is walked first (`plain_pickle`), so that what a file holds is known without
importing torch, and nothing that is neither plain nor a tensor reaches torch at all; then
`torch.load(weights_only=True)` makes the tensors. Entries that are packed are refused, as are
tensors that claim more numbers than the file stores for them: memory is bounded by its size.
"""

from __future__ import annotations

import io
import os
import zipfile
from math import prod
from typing import IO, Any

from workbench.errors import WorkbenchError
from workbench.formats.plain_pickle import ORDERED, Record, read_pickle

TENSOR = "torch._utils._rebuild_tensor_v2"
_STORAGES = {
    f"torch.{kind}Storage": size
    for size, kinds in {
        8: ("Double", "Long"),
        4: ("Float", "Int"),
        2: ("Half", "BFloat16", "Short"),
        1: ("Bool", "Char", "Byte"),
    }.items()
    for kind in kinds
}
"""The kinds of storage, with the bytes that a number takes in each."""

INERT = frozenset({TENSOR, ORDERED, *_STORAGES})
ZIP = b"PK\x03\x04"


def look_into(data: bytes) -> Any:
    """What a file of torch.save holds, a `Record` named TENSOR in place of each tensor.

    Returns:
        None if these bytes are no such file.

    Raises:
        WorkbenchError: it is damaged, packed, or holds more than tensors and plain values.
    """
    return look_into_file(io.BytesIO(data))


def look_into_file(file: IO[bytes]) -> Any:
    """The same of an open file, of which only what is not numbers is read."""
    if file.read(len(ZIP)) != ZIP:
        return None
    size = file.seek(0, os.SEEK_END)
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
            pickles = [e for e in entries if e.filename.rpartition("/")[2] == "data.pkl"]
            if len(pickles) != 1:
                return None
            packed = any(entry.compress_type != zipfile.ZIP_STORED for entry in entries)
            if packed or sum(entry.file_size for entry in entries) > size:
                raise WorkbenchError(
                    "It is a file of torch.save whose entries were packed: save it by torch.save."
                )
            text = archive.read(pickles[0])
    except (zipfile.BadZipFile, EOFError, NotImplementedError, OSError, RuntimeError, ValueError):
        raise WorkbenchError("It is a damaged binary file, a zip that cannot be read.") from None
    value = read_pickle(text, inert=INERT, persistent=True)
    _check_tensors(value, {e.filename.rpartition("/")[2]: e.file_size for e in entries})
    return value


def load_tensors(data: bytes | str | os.PathLike[str]) -> Any:
    """The value of a file of torch.save that `look_into` let pass, with its tensors.

    Args:
        data: the file's bytes; or its path, and then the numbers stay in the file until they are
            needed.

    Raises:
        WorkbenchError: torch cannot load it.
    """
    import torch

    try:
        if isinstance(data, bytes):
            return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
        return torch.load(os.fspath(data), map_location="cpu", weights_only=True, mmap=True)
    except MemoryError:
        raise
    except Exception:  # whatever torch finds wrong with a file that is not of its own making
        raise WorkbenchError("It is a damaged file of torch.save: torch cannot load it.") from None


def is_tensor(value: Any) -> bool:
    """Whether this stands for a tensor in what `look_into` gave."""
    return isinstance(value, Record) and value.name == TENSOR


def shape_of(value: Any) -> tuple[int, ...]:
    """The shape of such a tensor."""
    return tuple(value.arguments[2])


def _check_tensors(value: Any, stored: dict[str, int]) -> None:
    """Refuse records that are no tensors, and tensors larger than what is stored for them.

    Args:
        stored: bytes of the zip's entries, by the last part of their names.
    """
    waiting, seen = [value], set()
    while waiting:
        item = waiting.pop()
        if isinstance(item, list | tuple | dict | set | frozenset):
            if id(item) in seen:
                continue
            seen.add(id(item))
            waiting.extend(item.values() if isinstance(item, dict) else item)
        elif isinstance(item, Record) and not (is_tensor(item) and _is_stored(item, stored)):
            raise WorkbenchError(
                "It is a file of torch.save with a tensor that is not stored in full: save "
                "`tensor.clone()`."
            )


def _is_stored(tensor: Record, stored: dict[str, int]) -> bool:
    """Whether all of its numbers are in the file."""
    try:
        storage, offset, shape, strides = (tensor.arguments or ())[:4]
        ((_, kind, entry, _, count),) = storage.arguments
        if int(count) * _STORAGES[kind.name] > stored[entry]:
            return False
        sizes = [int(size) for size in shape]
        ends = sum((n - 1) * int(step) for n, step in zip(sizes, strides, strict=True) if n > 0)
    except (AttributeError, LookupError, TypeError, ValueError):
        return False
    if prod(sizes) == 0:
        return True
    forward = all(n > 0 for n in sizes) and all(int(step) > 0 for step in strides)
    return forward and prod(sizes) <= count and 0 <= int(offset) <= int(offset) + ends < count
