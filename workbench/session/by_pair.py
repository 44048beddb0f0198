"""A session's pairs one by one, in model and circuit; some of them as a task of their own.

Importing this module loads no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.pair import Pair
from workbench.base.failures import failures_as_sentences
from workbench.errors import WorkbenchError
from workbench.experiment.settings import ExperimentSettings
from workbench.session.priority_lock import PriorityLock
from workbench.session.session_engine import SessionEngine

if TYPE_CHECKING:
    from workbench.circuits.circuit import Circuit
    from workbench.engine.pair_row import PairRow


class ByPair:
    """The pairs that the session's numbers are of; an index counts these from 0."""

    def __init__(
        self,
        engine: SessionEngine,
        lock: PriorityLock,
        circuit: Callable[[], tuple[Circuit, int]],
        settings: ExperimentSettings,
    ) -> None:
        """`circuit`: gives the session's circuit and its revision."""
        self._engine = engine
        self._lock = lock
        self._circuit = circuit
        self._settings = settings

    def rows(self) -> tuple[PairRow, ...]:
        """What the model and the present circuit make of every pair. For a worker."""
        with self._lock.background(), failures_as_sentences():
            return self._engine.pair_rows(self._circuit()[0])

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """The pairs themselves, as they are counted here."""
        return self._engine.batch.task.pairs

    def split_off(self, path: Path, pairs: Sequence[Pair]) -> ExperimentSettings:
        """Write some pairs as a task file.

        Args:
            path: `.csv` and `.tsv` are tables, all else is JSON Lines.

        Returns:
            The settings by which another session opens them, on the same model.

        Raises:
            WorkbenchError: there are no pairs, or the file cannot be written.
        """
        from workbench.prompts.write_task import write_task

        if not pairs:
            raise WorkbenchError("No pair is chosen: mark some first.")
        write_task(path, pairs)
        metric = self._engine.experiment.metric_name
        return replace(self._settings, task=str(path.resolve()), pairs=None, metric=metric)
