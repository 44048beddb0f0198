"""GGUF models that were split into several files: found, and put together to be converted."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from workbench.base.failures import first_line
from workbench.base.folders import cache_folder
from workbench.base.progress import Progress
from workbench.errors import WorkbenchError

PART = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf", re.IGNORECASE)
"""How llama.cpp names the parts."""

OWN = ("GGUF.", "split.", "general.architecture")
"""Beginnings of entries that a file writes anew, or that are of a part alone."""


def parts_of_file(path: Path) -> list[Path]:
    """All files of a model, in order; the one itself where it was not split.

    Raises:
        WorkbenchError: some are missing.
    """
    match = PART.fullmatch(path.name)
    if match is None:
        return [path]
    count = int(match["count"])
    names = [f"{match['stem']}-{n:05d}-of-{count:05d}.gguf" for n in range(1, count + 1)]
    parts = [path.with_name(name) for name in names]
    missing = [part.name for part in parts if not part.is_file()]
    if missing:
        raise WorkbenchError(
            f"{path} is one of {count} parts, and {missing[0]} does not lie beside it: fetch all "
            "of them into one folder."
        )
    return parts


@contextmanager
def put_together(parts: list[Path], say: Progress) -> Iterator[Path]:
    """One file of a model's parts, while it lasts; the file itself where there is one only.

    Args:
        parts: in order.
        say: told what is being done.

    Raises:
        WorkbenchError: a part is damaged, or there is no room.
    """
    if len(parts) == 1:
        _refuse_alone(parts[0])
        yield parts[0]
        return
    say(f"Putting {len(parts)} parts together", None)
    room = cache_folder()
    room.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".part-", dir=room) as folder:
        whole = Path(folder) / "whole.gguf"
        try:
            _write(parts, whole)
        except WorkbenchError:
            raise
        except Exception as error:  # of any kind: the reader fails in many ways
            raise WorkbenchError(
                f"The parts of {parts[0]} cannot be put together ({first_line(error)}); fetch them "
                "again."
            ) from error
        yield whole


def _refuse_alone(path: Path) -> None:
    """Refuse a part that was renamed, so that the others cannot be found."""
    from gguf import GGUFReader

    try:
        count = GGUFReader(path).fields.get("split.count")
    except Exception:
        return  # said where the whole head is read
    if count is not None and int(count.contents()) > 1:
        raise WorkbenchError(
            f"{path} is one of {int(count.contents())} parts under another name: give all of them "
            "the names that they came with (…-00001-of-0000N.gguf), and name one."
        )


def _write(parts: list[Path], whole: Path) -> None:
    """Entries of the first part, and the tensors of all."""
    from gguf import GGUFReader, GGUFValueType, GGUFWriter

    readers = [GGUFReader(part) for part in parts]
    first: Any = readers[0]
    architecture = str(first.fields["general.architecture"].contents())
    writer = GGUFWriter(whole, architecture)
    for field in first.fields.values():
        if field.name.startswith(OWN):
            continue
        kind = field.types[0]
        inner = field.types[-1] if kind == GGUFValueType.ARRAY else None
        writer.add_key_value(field.name, field.contents(), kind, sub_type=inner)
    tensors = [tensor for reader in readers for tensor in reader.tensors]
    for t in tensors:
        writer.add_tensor_info(t.name, t.data.shape, t.data.dtype, t.data.nbytes, t.tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for t in tensors:
        writer.write_tensor_data(t.data)
    writer.close()
