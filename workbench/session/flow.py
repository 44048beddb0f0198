"""How tokens tell each other something in a session's model.

It is asked in turn with what else computes. Importing this module loads no torch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Literal

from workbench.base.failures import failures_as_sentences
from workbench.base.work import Stop, Work
from workbench.experiment.settings import ExperimentSettings
from workbench.flow.results import AllForOne, KnockoutMap
from workbench.flow.settings import DRAWN, AllForOneSettings, KnockoutSettings
from workbench.session.priority_lock import PriorityLock, finish_in_background
from workbench.session.session_engine import SessionEngine

if TYPE_CHECKING:
    from workbench.experiment.experiment import Experiment

View = Literal["all-for-one", "knock-out"]
VIEWS: dict[View, str] = {"all-for-one": "all for one", "knock-out": "attention knock-out"}
"""What can be asked, and what it is called."""

Settings = tuple[AllForOneSettings | KnockoutSettings, int]
"""By which settings, and over how many prompts more means are taken."""


@dataclass(frozen=True)
class FlowAnswer:
    """What was found.

    Attributes:
        result: plain values.
        settings: by which it was asked.
        of: the pairs and the metric that it is about.
        seconds: what it took, waiting included.
    """

    result: AllForOne | KnockoutMap
    settings: Settings
    of: tuple[str, str]
    seconds: float


class SessionFlow:
    """Asks about a session's pairs as they are.

    All public methods may be called from any thread.

    Attributes:
        waiting: the settings of all for one.
        prompts: prompts of a built-in task over which means are taken, too.
        knocking: the settings of the knock-out.
        held: what was found last, by what was asked.
    """

    def __init__(
        self,
        engine: SessionEngine,
        lock: PriorityLock,
        settings: ExperimentSettings,
        pairs: Callable[[], str],
    ) -> None:
        """`pairs`: gives the digest of the pairs that are in use."""
        self._engine, self._lock, self._settings, self._pairs = engine, lock, settings, pairs
        self.waiting = AllForOneSettings()
        self.prompts = DRAWN
        self.knocking = KnockoutSettings()
        self.held: dict[View, FlowAnswer] = {}

    def settings(self, view: View) -> Settings:
        """By which settings it is asked now."""
        return (self.waiting, self.prompts) if view == "all-for-one" else (self.knocking, 0)

    def is_old(self, view: View) -> bool:
        """What was found is of other pairs, another metric or other settings."""
        held = self.held.get(view)
        return held is not None and (held.of, held.settings) != (self._of(), self.settings(view))

    def _of(self) -> tuple[str, str]:
        return self._pairs(), self._engine.experiment.metric_name

    def run(
        self,
        view: View,
        *,
        cancel: Stop | None = None,
        on_piece: Callable[[float], None] | None = None,
    ) -> FlowAnswer:
        """Ask about the pairs as they are now; between two pieces commands are carried out.

        Args:
            cancel: stops it when set.
            on_piece: told the fraction done, from this thread.

        Raises:
            Cancelled: it was stopped.
            WorkbenchError: there is nothing to be found, or a failed computation.
        """
        started = perf_counter()
        with self._lock.background(), failures_as_sentences():
            experiment, of, settings = self._engine.experiment, self._of(), self.settings(view)
            work = self._work(experiment, settings)
        result = finish_in_background(self._lock, work, cancel, on_piece)
        self.held[view] = FlowAnswer(result, settings, of, perf_counter() - started)
        return self.held[view]

    def _work(self, experiment: Experiment, settings: Settings) -> Work[AllForOne | KnockoutMap]:
        asked, prompts = settings
        if isinstance(asked, KnockoutSettings):
            from workbench.flow.knockout_map import asking_knockout_map

            return (yield from asking_knockout_map(experiment, asked))
        from workbench.flow.all_for_one import asking_all_for_one
        from workbench.flow.prompts import prompts_for_means

        over = prompts_for_means(self._engine.model, self._settings, prompts)
        return (yield from asking_all_for_one(experiment, asked, over))
