"""A task file's bytes as text, or a sentence on what it is instead of one."""

from __future__ import annotations

import codecs

from workbench.errors import WorkbenchError

ENCODINGS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    # Before UTF-16, whose mark begins as this one does.
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""Marks with which a file says how it is encoded, as Excel's "Unicode text" does."""

OTHER_KINDS = (
    (b"PK\x03\x04", "a zip archive or an Excel workbook: save the sheet as CSV"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook: save the sheet as CSV"),
    (b"\x1f\x8b", "compressed: unpack it first"),
    (b"\x80\x04", "a pickle, which could run code: save it as JSON Lines or CSV"),
    (b"\x80\x05", "a pickle, which could run code: save it as JSON Lines or CSV"),
    (b"version https://git-lfs", "a pointer of Git LFS and not the file itself: `git lfs pull`"),
    (b"GGUF", "a model, not a task"),
)
"""How files begin that are often taken for a task."""


def text_of(name: str, raw: bytes) -> str:
    """The text of a file.

    Args:
        name: of the file, for messages.

    Raises:
        WorkbenchError: it is no text, or in an encoding that it does not name.
    """
    for begins, what in OTHER_KINDS:
        if raw.startswith(begins):
            raise WorkbenchError(f"{name} is {what}.")
    encoding = next((by for mark, by in ENCODINGS if raw.startswith(mark)), "utf-8")
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        if encoding not in ("utf-8", "utf-8-sig"):
            raise WorkbenchError(f"{name} says that it is {encoding} and is not.") from error
        line = raw.count(b"\n", 0, error.start) + 1
        raise WorkbenchError(
            f"{name} is not UTF-8 text (line {line}): save it in that encoding (in Excel as "
            "'CSV UTF-8')."
        ) from error
