"""What was measured of a session's heads, kept beside its journal.

It depends on the model, the pairs and the metric, not on the circuit. What is kept comes back when
the session is resumed. Importing this module loads no torch.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.base.failures import failures_as_sentences
from workbench.base.json_values import object_of, read_values, string
from workbench.base.work import Stop, Work
from workbench.base.write_file import write_bytes
from workbench.errors import WorkbenchError
from workbench.readouts.heads.table import HeadTable, restored
from workbench.readouts.heads.ways import EFFECTIVE
from workbench.session.priority_lock import PriorityLock, finish_in_background
from workbench.session.session_engine import SessionEngine

if TYPE_CHECKING:
    from workbench.circuits.graph import Graph
    from workbench.readouts.activations import RunChoice
    from workbench.readouts.results import Position

MOST_BYTES = 50_000_000
"""More than any table of heads takes: a larger file is not ours."""


@dataclass(frozen=True)
class FoundHeads:
    """A table of heads.

    Attributes:
        table: the numbers.
        pairs: by what the set of pairs is known that it was measured on.
    """

    table: HeadTable
    pairs: str


class SessionHeads:
    """Measures all heads. All public methods may be called from any thread."""

    def __init__(
        self,
        engine: SessionEngine,
        lock: PriorityLock,
        graph: Graph,
        *,
        journal: Callable[[], Path],
        pairs: Callable[[], str],
        run_of: Callable[[str], RunChoice],
        seed: int,
    ) -> None:
        """Begin with what lies beside the journal.

        Args:
            engine: of the session.
            lock: its turns.
            graph: the model's.
            journal: gives the path of the session's journal.
            pairs: gives that by which the present set of pairs is known.
            run_of: gives what is read by the name of a run.
            seed: of the random tokens.
        """
        self._engine = engine
        self._lock = lock
        self._graph = graph
        self._journal = journal
        self._pairs = pairs
        self._run_of = run_of
        self._seed = max(0, seed)
        self._held: dict[str, FoundHeads] | None = None
        self._last = EFFECTIVE

    @property
    def held(self) -> FoundHeads | None:
        """What was found last; None if nothing was yet."""
        return self.of(self._last)

    def of(self, source: str) -> FoundHeads | None:
        """What was found where heads were given this input; see `readouts.heads.ways`."""
        if self._held is None:
            self._held = self._restore()
        return self._held.get(source)

    @property
    def is_old(self) -> bool:
        """What is held was measured on other pairs than the session is at now."""
        return self.held is not None and self.held.pairs != self._pairs()

    def marks(self) -> dict[str, str]:
        """By head, the marks of the kinds that it looks like; none before anything was found."""
        return {} if self.held is None else self.held.table.marks()

    def show(self, source: str) -> FoundHeads | None:
        """Hold what was found with this input in place of the other, if there is something."""
        found = self.of(source)
        if found is not None:
            self._last = source
        return found

    def run(
        self,
        source: str = EFFECTIVE,
        *,
        cancel: Stop | None = None,
        on_piece: Callable[[float], None] | None = None,
    ) -> FoundHeads:
        """Measure all heads, hold what is found, and keep it beside the journal.

        Args:
            source: what a head is given for a token.
            cancel: stops it when set; what was held before stays.
            on_piece: told the fraction done, from this thread.

        Raises:
            Cancelled: it was stopped.
            WorkbenchError: it failed.
        """
        with self._lock.background(), failures_as_sentences():
            from workbench.readouts.heads.finder import finding_heads

            pairs, experiment = self._pairs(), self._engine.experiment
            work = finding_heads(experiment.model, experiment, source=source, seed=self._seed)
        table = finish_in_background(self._lock, work, cancel, on_piece)
        found = FoundHeads(table, pairs)
        held = {} if self._held is None else self._held
        self._held, self._last = {**held, source: found}, source
        with suppress(WorkbenchError):  # a folder that cannot be written costs the resuming only
            self._keep(self._held)
        return found

    def at(
        self,
        position: Position = -1,
        *,
        pair: int | None = None,
        run: str = "clean",
        cancel: Stop | None = None,
    ) -> HeadTable:
        """All heads at one position or role of the prompts, with what was measured by weights.

        Args:
            position: from the prompts' ends if negative, else from their starts; or a role.
            pair: of one pair, or None for the mean over all.
            run: one of `readouts.runs.RUNS`, where the circuit is the session's as it stands.
            cancel: stops it when set.

        Raises:
            Cancelled: it was stopped.
            WorkbenchError: there is no such position, role, pair or run.
        """
        from workbench.readouts.heads.on_prompts import reading_heads

        def work() -> Work[HeadTable]:
            yield 0.0
            table = None if self.held is None else self.held.table
            how: dict[str, Any] = {"pair": pair, "run": self._run_of(run), "table": table}
            return (yield from reading_heads(self._engine.experiment, position, **how))

        with failures_as_sentences():
            return finish_in_background(self._lock, work(), cancel)

    # Beside the journal.

    def _path(self) -> Path:
        return self._journal().with_suffix(".heads")

    def _keep(self, held: dict[str, FoundHeads]) -> None:
        whole = {
            source: {"pairs": found.pairs, "table": found.table.kept()}
            for source, found in held.items()
        }
        write_bytes(self._path(), json.dumps(whole).encode("ascii") + b"\n")

    def _restore(self) -> dict[str, FoundHeads]:
        """What can be read of what was kept."""
        held: dict[str, FoundHeads] = {}
        with suppress(OSError, ValueError, TypeError, KeyError):
            if self._path().exists():
                whole = object_of(read_values(self._path(), MOST_BYTES))
                for source, one in whole.items():
                    kept = object_of(object_of(one)["table"])
                    table = restored(kept, self._graph.n_layers, self._graph.n_heads)
                    held[source] = FoundHeads(table, string(one["pairs"]))
        if held and EFFECTIVE not in held:
            self._last = next(iter(held))
        return held
