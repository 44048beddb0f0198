"""A JSON file from anywhere, read with care: what is wrong with it is one sentence.

Size, kind of file, encoding, syntax, depth and doubled keys are judged here, once for all formats;
what the JSON means is left to the format.
"""

from __future__ import annotations

import errno
import gc
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from workbench.base.home import meant_path
from workbench.base.text import shown_path
from workbench.errors import WorkbenchError

# The EAP-IG file of a model of eight billion parameters (1.6 million edges) has 124 MB; it takes
# about 1 GB and ten seconds to read. Twice that is a file that was not meant for us.
MAX_BYTES = 160_000_000


@dataclass(frozen=True)
class Document:
    """A parsed JSON file.

    Attributes:
        shown: the path as it may be shown on a terminal.
        value: the content: dicts, lists, strings, numbers, booleans and None; of a file that is
            not JSON its text, or what a reader of binary files made of it.
        strict: false if the file has a bare NaN, Infinity or -Infinity, which JSON does not
            allow and
            Python's json module writes all the same.
    """

    shown: str
    value: Any
    strict: bool


def read_text(path: str | os.PathLike[str]) -> Document:
    """A text file of at most MAX_BYTES, whose value is its text.

    Raises:
        WorkbenchError: missing, unreadable, no regular file, too large, or binary.
    """
    return text_document(path, read_bytes(path))


def text_document(path: str | os.PathLike[str], data: bytes) -> Document:
    """The text that a file's bytes are. Raises WorkbenchError for what is binary."""
    shown = shown_path(path)
    try:
        return Document(shown, data.decode("utf-8-sig"), True)
    except UnicodeDecodeError:
        raise WorkbenchError(f"{shown} is a binary file; a circuit file is text.") from None


def read_json(path: str | os.PathLike[str]) -> Document:
    """Read and parse a JSON file of at most MAX_BYTES.

    Raises:
        WorkbenchError: missing, unreadable, no regular file, too large, empty, binary, no JSON,
            nested
            too deeply, or an object with the same key twice.
    """
    return json_document(path, read_bytes(path))


def json_document(path: str | os.PathLike[str], data: bytes) -> Document:
    """The JSON that a file's bytes are; errors as of `read_json`."""
    shown = shown_path(path)
    if not data.strip():
        raise WorkbenchError(f"{shown} is empty, so it is not a circuit file.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise WorkbenchError(f"{shown} is a binary file; a circuit file is JSON text.") from None
    del data
    constants: list[str] = []

    def constant(name: str) -> float:
        constants.append(name)
        return float(name)

    try:
        with _collector_paused():
            value = json.loads(text, object_pairs_hook=_object, parse_constant=constant)
    except _DoubledKey as doubled:
        raise WorkbenchError(
            f"{shown} lists {_short(doubled.key)} twice in one object; list everything once."
        ) from None
    except json.JSONDecodeError as error:
        raise WorkbenchError(
            f"{shown} is not JSON: {error.msg} at line {error.lineno}, column {error.colno}."
        ) from None
    except RecursionError:
        raise WorkbenchError(f"{shown} is nested too deeply to be a circuit file.") from None
    except ValueError:  # an integer of more digits than Python agrees to convert
        raise WorkbenchError(f"{shown} holds a number of absurd length.") from None
    except MemoryError:
        raise WorkbenchError(f"There is not enough memory to read {shown}.") from None
    return Document(shown, value, strict=not constants)


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """The bytes of a file of at most MAX_BYTES.

    Raises:
        WorkbenchError: missing, unreadable, no regular file, or too large.
    """
    shown = shown_path(path)
    try:
        # A pipe without a writer would block for ever on opening, so look before opening.
        status = os.stat(meant_path(path))
        if stat.S_ISDIR(status.st_mode):
            raise WorkbenchError(f"{shown} is a folder; name the circuit file in it.")
        if not stat.S_ISREG(status.st_mode):
            raise WorkbenchError(f"{shown} is not an ordinary file.")
        if status.st_size > MAX_BYTES:
            raise WorkbenchError(
                f"{shown} has {status.st_size / 1e6:,.0f} MB; circuit files are read up to "
                f"{MAX_BYTES / 1e6:,.0f} MB."
            )
        with open(meant_path(path), "rb") as file:
            return file.read(MAX_BYTES)
    except FileNotFoundError:
        raise WorkbenchError(f"There is no file {shown}.") from None
    except PermissionError:
        raise WorkbenchError(f"{shown} may not be read: permission denied.") from None
    except (OSError, ValueError) as error:
        # ValueError: a zero byte in the path.
        code = error.errno if isinstance(error, OSError) else None
        why = os.strerror(code) if code else "it is not a possible path"
        if code == errno.ENOTDIR:
            why = "part of the path is not a folder"
        raise WorkbenchError(f"{shown} cannot be read: {why}.") from None


class _DoubledKey(Exception):
    def __init__(self, key: str) -> None:
        self.key = key


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _DoubledKey(key)
            seen.add(key)
    return value


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Millions of small dicts, none of them garbage, load a third faster without collection."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _short(text: str) -> str:
    return ascii(text if len(text) <= 60 else text[:57] + "...")
