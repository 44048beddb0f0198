"""The readouts of a session, each in its turn with whatever else computes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workbench.base.failures import failures_as_sentences
from workbench.session.priority_lock import PriorityLock
from workbench.session.session_engine import SessionEngine

if TYPE_CHECKING:
    from workbench.experiment.experiment import Experiment
    from workbench.readouts.results import (
        AnswerCurve,
        AttentionPattern,
        DirectAttribution,
        Lens,
        ResidualLens,
    )
    from workbench.readouts.shapes import Shape


class SessionReadouts:
    """What components write, in words.

    All methods return the plain values of `workbench.readouts.results`. `position` counts from the
    end of the prompt if negative; `pair` None is the mean over all pairs; `run` is 'clean' or
    'corrupted'. All raise WorkbenchError for what does not exist.
    """

    def __init__(self, engine: SessionEngine, lock: PriorityLock) -> None:
        self._engine = engine
        self._lock = lock

    @property
    def _experiment(self) -> Experiment:
        """Of the pairs that the session is at."""
        return self._engine.experiment

    def read(
        self,
        name: str,
        node: str | None = None,
        position: int = -1,
        pair: int | None = None,
        run: str = "clean",
    ) -> Shape:
        """What a readout of the catalogue says, in the shape in which it can be drawn."""
        from workbench.readouts.catalogue import find_readout, read_out
        from workbench.readouts.shapes import shape_of

        entry = find_readout(name)
        how: dict[str, Any] = {"position": position, "pair": pair, "run": run}
        if entry.in_turns:
            how["turn"] = self._lock.background
        with failures_as_sentences():
            if entry.in_turns:
                return shape_of(read_out(self._experiment, name, node, **how))
            with self._lock.background():
                return shape_of(read_out(self._experiment, name, node, **how))

    def lens(
        self,
        node: str,
        position: int = -1,
        pair: int | None = None,
        k: int = 10,
        run: str = "clean",
    ) -> Lens:
        """The tokens that a node promotes and suppresses most."""
        from workbench.readouts.logit_lens import logit_lens

        with self._lock.background(), failures_as_sentences():
            return logit_lens(self._experiment, node, position=position, pair=pair, k=k, run=run)

    def attribution(self, pair: int | None = None, run: str = "clean") -> DirectAttribution:
        """What every node writes directly to the logit difference."""
        from workbench.readouts.direct_logit_attribution import direct_logit_attribution

        with self._lock.background(), failures_as_sentences():
            return direct_logit_attribution(self._experiment, pair=pair, run=run)

    def curve(
        self, node: str, position: int = -1, pair: int | None = None, run: str = "clean"
    ) -> AnswerCurve:
        """The lens of a node over the task's answer space."""
        from workbench.readouts.answer_curve import answer_curve

        with self._lock.background(), failures_as_sentences():
            return answer_curve(self._experiment, node, position=position, pair=pair, run=run)

    def attention(self, head: str, pair: int | None = 0, run: str = "clean") -> AttentionPattern:
        """A head's attention pattern."""
        from workbench.readouts.attention import attention_pattern

        with self._lock.background(), failures_as_sentences():
            return attention_pattern(self._experiment, head, pair=pair, run=run)

    def residual(
        self, position: int = -1, pair: int | None = None, k: int = 5, run: str = "clean"
    ) -> ResidualLens:
        """The lens of the residual stream at the embeddings and after every layer."""
        from workbench.readouts.residual_lens import residual_lens

        with failures_as_sentences():
            return residual_lens(
                self._experiment,
                position=position,
                pair=pair,
                k=k,
                run=run,
                turn=self._lock.background,
            )
