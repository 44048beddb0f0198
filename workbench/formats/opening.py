"""From a path to a document and the format that reads it, whatever sort of file it is.

A folder stands for the circuit file in it. A file is told by its first bytes where it is binary, by
its suffix where it is text of a format of its own, and by what is in it where it is JSON. What is
no circuit file is named for what it is.
"""

from __future__ import annotations

import os

from workbench.base.home import meant_path
from workbench.base.read_json import Document, json_document, read_bytes, text_document
from workbench.base.text import shown_path
from workbench.errors import WorkbenchError
from workbench.formats.binary import binary_content
from workbench.formats.catalogue import Format, format_of, text_format
from workbench.formats.folder import file_in
from workbench.formats.others import other_binary, other_json


def opened(path: str | os.PathLike[str]) -> tuple[Document, Format]:
    """A file's content and its format.

    Raises:
        WorkbenchError: it cannot be read, or it is no circuit file: then what it is instead.
    """
    if os.fspath(path) and os.path.isdir(meant_path(path)):
        path = file_in(meant_path(path))
    data = read_bytes(path)
    shown = shown_path(path)
    try:
        document = _binary(shown, data)
        known = None if document is None else format_of(document, binary=True)
        if document is not None and known is None:
            raise WorkbenchError(other_binary(document.value))
    except WorkbenchError as error:
        raise unusable(shown, error) from None
    if document is None:
        known = text_format(os.path.splitext(os.fspath(path))[1])
        if known is not None:
            return text_document(path, data), known
        document = json_document(path, data)
        known = format_of(document)
    if known is None:
        raise unusable(shown, WorkbenchError(other_json(document.value)))
    return document, known


def unusable(shown: str, error: WorkbenchError) -> WorkbenchError:
    """The sentence of an error, with the file it is about."""
    sentence = str(error)
    return WorkbenchError(f"{shown} cannot be used: {sentence[:1].lower()}{sentence[1:]}")


def _binary(shown: str, data: bytes) -> Document | None:
    content = binary_content(data)
    if content is not None:
        return Document(shown, content, True)
    named = other_binary(data)
    if named:
        raise WorkbenchError(named)
    return None
