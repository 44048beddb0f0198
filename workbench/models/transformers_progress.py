"""Transformers' progress bars and warnings, turned into our progress callback."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from workbench.base.progress import Progress
from workbench.models.transformers_access import silent_transformers

# A bar of several thousand weights need not redraw a screen several thousand times.
STEP = 0.01

# What transformers writes beside its bars, in our words.
MESSAGES = {
    "Loading weights": "Reading weights",
    "Writing model shards": "Writing the converted weights",
    "Converting and de-quantizing GGUF tensors...": "Converting the GGUF weights",
}


class ReportingBar:
    """Stands in for a tqdm bar: counts, and tells the callback instead of drawing.

    Attributes:
        n: how many are done; total: of how many, None if unknown.
    """

    def __init__(self, say: Progress, message: str, iterable: Any = None, total: Any = None):
        self._say, self._message, self._iterable = say, message, iterable
        if total is None and hasattr(iterable, "__len__"):
            total = len(iterable)
        self.total: float | None = total or None
        self.n: float = 0
        self._told = -1.0

    def __iter__(self) -> Iterator[Any]:
        for item in self._iterable:
            yield item
            self.update()

    def update(self, n: float | None = 1) -> None:
        """Count on, and tell it where enough was done since it was last told."""
        self.n += n or 0
        fraction = None if self.total is None else min(1.0, self.n / self.total)
        if fraction is None or fraction >= self._told + STEP or fraction == 1.0:
            self._told = fraction or 0.0
            self._say(self._message, fraction)

    def __enter__(self) -> ReportingBar:
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def __getattr__(self, name: str) -> Callable[..., None]:
        """Whatever else a bar can do (`set_description`, `close`, ...) does nothing."""
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *args, **kwargs: None


@contextmanager
def quiet_transformers(say: Progress, *, gguf: bool = False) -> Iterator[None]:
    """While it lasts, transformers prints nothing; its bars report to `say`.

    Args:
        gguf: a GGUF file is read.
    """

    def bar(iterable: Any = None, *args: Any, **kwargs: Any) -> ReportingBar:
        described = str(kwargs.get("desc") or "Reading weights")
        return ReportingBar(say, MESSAGES.get(described, described), iterable, kwargs.get("total"))

    with silent_transformers(bar, gguf=gguf):
        yield
