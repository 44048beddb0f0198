"""Running out of memory, on either side of the bus, turned into a sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from workbench.errors import WorkbenchError


@contextmanager
def memory_errors(sentence: str) -> Iterator[None]:
    """Raise a `WorkbenchError` of this sentence where what is done inside runs out of memory."""
    try:
        yield
    except Exception as error:
        if is_memory_error(error):
            raise WorkbenchError(sentence) from error
        raise


def is_memory_error(error: BaseException) -> bool:
    """Whether torch means that it ran out of memory; on a CPU it raises a plain RuntimeError."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or (
        isinstance(error, RuntimeError) and "alloc" in str(error) and "memory" in str(error)
    )
