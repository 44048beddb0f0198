"""The bounds of a GGUF file: its head is followed before anything believes it.

A head says how many entries it has, how long its texts and arrays are, and how large the tensors:
readers make room for what it says. Here each of these numbers is held against the bytes that are
there, in one pass that keeps nothing. The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import mmap
import struct
from pathlib import Path

SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
"""Bytes of each type of plain value."""
STRING, ARRAY = 8, 9
DIMENSIONS = 4
"""That a tensor has at most."""
DEPTH = 2
"""Arrays in an array; no file that we read has any."""


class _Head:
    def __init__(self, data: mmap.mmap) -> None:
        self.data = data
        self.at = 4
        self.end = len(data)

    def skip(self, n: int) -> None:
        """Go on by so many bytes. Raises ValueError if they are not there."""
        if n > self.end - self.at:
            raise ValueError(f"its head claims {n:,} bytes more than {self.end - self.at:,}")
        self.at += n

    def take(self, form: str) -> int:
        """A whole number. Raises ValueError if the file ends before."""
        at = self.at
        self.skip(struct.calcsize(form))
        return int(struct.unpack_from(form, self.data, at)[0])

    def value(self, kind: int, depth: int = 0) -> None:
        """Go past a value of this type."""
        if kind == STRING:
            self.skip(self.take("<Q"))
        elif kind == ARRAY:
            inner, n = self.take("<I"), self.take("<Q")
            if inner in SIZES:
                self.skip(n * SIZES[inner])
                return
            if depth >= DEPTH:
                raise ValueError("its head has arrays in arrays")
            if n * 8 > self.end - self.at:  # a text or an array takes eight bytes at least
                raise ValueError(f"its head claims an array of {n:,} entries")
            for _ in range(n):
                self.value(inner, depth + 1)
        elif kind in SIZES:
            self.skip(SIZES[kind])
        else:
            raise ValueError(f"its head has a value of the unknown type {kind}")


def check_bounds(path: Path) -> None:
    """Follow the head of a GGUF file to its end.

    Raises:
        ValueError: a number in it is larger than the file can bear out; the message is a clause.
        OSError: it cannot be read.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        head = _Head(data)
        version = head.take("<I")
        if version not in (2, 3):
            raise ValueError(f"its version is {version}, and 2 and 3 are read")
        tensors, entries = head.take("<Q"), head.take("<Q")
        if (tensors + entries) * 12 > head.end:
            raise ValueError(f"its head claims {tensors:,} tensors and {entries:,} entries")
        for _ in range(entries):
            head.value(STRING)
            head.value(head.take("<I"))
        for _ in range(tensors):
            head.value(STRING)
            dimensions = head.take("<I")
            if dimensions > DIMENSIONS:
                raise ValueError(f"its head claims a tensor of {dimensions:,} dimensions")
            size = 1
            for _ in range(dimensions):
                size *= head.take("<Q")
            # The densest kind has less than two bits a weight.
            if size > head.end * 8:
                raise ValueError(f"its head claims a tensor of {size:,} weights")
            head.skip(12)
