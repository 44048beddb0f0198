"""Agreement: how a circuit's answers agree with the right ones and with the model's.

Accuracy and KL read the logits of the whole vocabulary, which an edit need not wait for: they are
computed when they are first read, and a screen reads them away from itself. Loads no torch.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

from workbench.base.failures import failures_as_sentences


class Agreement:
    """Accuracy and KL of one circuit on some pairs.

    Glossary: docs/glossary.md#agreement.
    """

    def __init__(self, compute: Callable[[], tuple[float, float]]) -> None:
        """`compute`: accuracy and KL; called once at most, by whoever is the first to ask."""
        self._compute: Callable[[], tuple[float, float]] | None = compute
        self._values = (float("nan"), float("nan"))
        self._lock = Lock()

    @classmethod
    def of(cls, accuracy: float, kl: float) -> Agreement:
        """Numbers that are known."""
        made = cls(lambda: (accuracy, kl))
        made.read()
        return made

    @property
    def known(self) -> bool:
        """Whether reading it costs nothing."""
        return self._compute is None

    def read(self) -> tuple[float, float]:
        """Accuracy and KL, computed now if nobody asked before.

        Raises:
            WorkbenchError: it fails; the next one to ask tries again.
        """
        with self._lock:
            if self._compute is not None:
                with failures_as_sentences():
                    self._values = self._compute()
                self._compute = None  # and let go of the residuals that it read
        return self._values
