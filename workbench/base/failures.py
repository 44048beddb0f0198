"""Failures of a computation as sentences, running out of memory first of all. No torch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from workbench.base.text import printable
from workbench.errors import Cancelled, WorkbenchError

_NO_MEMORY = (
    "out of memory",
    "not enough memory",
    "can't allocate memory",
    "cannot allocate memory",
)


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
    # torch's class is known by name, since naming it would need torch.
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or (isinstance(error, RuntimeError) and any(s in str(error).lower() for s in _NO_MEMORY))
    )


def first_line(error: BaseException) -> str:
    """The first line of an exception's message, without its full stop, or its class's name."""
    lines = str(error).strip().splitlines()
    return printable(lines[0].strip().rstrip(".")[:120]) if lines else type(error).__name__


@contextmanager
def failures_as_sentences() -> Iterator[None]:
    """Turn whatever goes wrong inside into a sentence for the user."""
    try:
        yield
    except (WorkbenchError, Cancelled):
        raise
    except Exception as error:
        if is_memory_error(error):
            raise WorkbenchError(
                "There is not enough memory for this, and the session is as before; try fewer "
                "pairs, or close other programs."
            ) from error
        said = str(error).strip().splitlines()
        raise WorkbenchError(
            f"The computation failed, and the session is as before; it said: {type(error).__name__}"
            f"{': ' + said[0] if said else ''}."
        ) from error
