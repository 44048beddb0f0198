"""The readouts of a session, each in its turn with whatever else computes."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from workbench.base.failures import failures_as_sentences
from workbench.base.work import Stop
from workbench.session.priority_lock import PriorityLock, finish_in_background
from workbench.session.session_engine import SessionEngine

if TYPE_CHECKING:
    from workbench.circuits.circuit import Circuit
    from workbench.engine.continuation_results import Continuation
    from workbench.experiment.experiment import Experiment
    from workbench.readouts.activations import RunChoice
    from workbench.readouts.circuit_runs import CircuitRuns
    from workbench.readouts.direction import Direction
    from workbench.readouts.jacobian.lens import JacobianLens
    from workbench.readouts.results import (
        AnswerCurve,
        AttentionPattern,
        DirectAttribution,
        Lens,
        Position,
        ResidualLens,
    )
    from workbench.readouts.shapes import BuiltIn, Shape
    from workbench.readouts.target import Target

OWN_LENS = "own"
"""Where the Jacobian lens is from that lies beside the model's weights."""

Through: TypeAlias = "JacobianLens | bool"
"""A Jacobian lens to read through; True: the session's own, False: none."""


class SessionReadouts:
    """What components write, in words.

    `jacobian_from` is where the Jacobian lens is from that is read through: its file, or OWN_LENS.

    All methods return the plain values of `workbench.readouts.results`. `position` counts from the
    end of the prompt if negative; `pair` None is the mean over all pairs; `run` is one of
    `readouts.runs.RUNS`, where the circuit is the session's as it stands; `target` is what is asked
    about in place of the task's answers; `through` is a Jacobian lens to read through, True the
    session's own. All raise WorkbenchError for what does not exist.
    """

    def __init__(
        self,
        engine: SessionEngine,
        lock: PriorityLock,
        circuit: Callable[[], tuple[Circuit, int]],
    ) -> None:
        """`circuit`: gives the session's circuit and its revision."""
        self._engine = engine
        self._lock = lock
        self._circuit = circuit
        self._runs: tuple[tuple[object, int], CircuitRuns] | None = None
        self._own_lens: JacobianLens | None = None
        self.jacobian_from = OWN_LENS

    @property
    def _experiment(self) -> Experiment:
        """Of the pairs that the session is at."""
        return self._engine.experiment

    def target(
        self, target: Sequence[str] = (), distractor: Sequence[str] = (), pair: int | None = None
    ) -> Target | None:
        """What is asked about by these texts, one token each; see `readouts.target.find_target`."""
        from workbench.readouts.target import find_target

        return find_target(self._engine.batch, target, distractor, pair=pair)

    @property
    def jacobian(self) -> JacobianLens:
        """The Jacobian lens that is read through: the one last used, else that beside the model.

        Raises:
            WorkbenchError: there is none, or it cannot be used.
        """
        if self._own_lens is None:
            self.use_jacobian(None)
        assert self._own_lens is not None
        return self._own_lens

    def use_jacobian(self, lens: JacobianLens | str | os.PathLike[str] | None) -> str:
        """Read through this Jacobian lens, or that in a file; None: the one beside the model.

        Returns:
            What it is, in words.

        Raises:
            WorkbenchError: there is none, it cannot be used, or it is of another model; then the
                one that was used stays.
        """
        from workbench.readouts.jacobian.own import lens_of

        with failures_as_sentences():
            self._own_lens = lens_of(self._experiment.model, lens)
        self.jacobian_from = OWN_LENS if lens is None else self._own_lens.source or "a script"
        return self._own_lens.words

    def _through(self, through: Through) -> JacobianLens | None:
        """The lens that is meant: True is the session's own."""
        if isinstance(through, bool):
            return self.jacobian if through else None
        return through

    def run_of(self, run: str) -> RunChoice:
        """What is read by this name; a circuit's runs are kept until it changes."""
        from workbench.readouts.circuit_runs import CircuitRuns, InCircuit

        if "circuit" not in run:
            return run
        circuit, revision = self._circuit()
        key = (self._experiment, revision)
        if self._runs is None or self._runs[0] != key:
            self._runs = key, CircuitRuns(self._experiment, circuit)
        return InCircuit(self._runs[1], less_clean=run != "circuit")

    def read(self, name: str, node: str | None = None, **how: Any) -> Shape:
        """What a readout of the catalogue says, in the shape in which it can be drawn.

        `how` is what `result` takes besides.
        """
        from workbench.readouts.shapes import shape_of

        return shape_of(self.result(name, node, **how))

    def result(
        self,
        name: str,
        node: str | None = None,
        position: Position = -1,
        pair: int | None = None,
        run: str = "clean",
        target: Target | None = None,
        through: Through = False,
        by: str | None = None,
        direction: Direction | str | None = None,
        way: str | None = None,
    ) -> Shape | BuiltIn:
        """The same as the readout itself gives it."""
        from workbench.readouts.catalogue import find_readout, read_out

        entry = find_readout(name)
        how: dict[str, Any] = {"position": position, "pair": pair, "target": target, "by": by}
        how["direction"], how["way"] = direction, way
        how["through"] = self._through(through or entry.needs_lens)
        if entry.in_turns:
            how["turn"] = self._lock.background
        with failures_as_sentences():
            if entry.in_turns:
                return read_out(self._experiment, name, node, run=self.run_of(run), **how)
            with self._lock.background():
                return read_out(self._experiment, name, node, run=self.run_of(run), **how)

    def lens(
        self,
        node: str,
        position: Position = -1,
        pair: int | None = None,
        k: int = 10,
        run: str = "clean",
        target: Target | None = None,
        through: Through = False,
    ) -> Lens:
        """The tokens that a node promotes and suppresses most."""
        from workbench.readouts.logit_lens import logit_lens

        with self._lock.background(), failures_as_sentences():
            of: dict[str, Any] = {"run": self.run_of(run), "target": target}
            of["through"] = self._through(through)
            return logit_lens(self._experiment, node, position=position, pair=pair, k=k, **of)

    def attribution(
        self,
        pair: int | None = None,
        run: str = "clean",
        position: Position = -1,
        target: Target | None = None,
    ) -> DirectAttribution:
        """What every node writes directly to the logit difference, or to the target's."""
        from workbench.readouts.direct_logit_attribution import direct_logit_attribution

        with self._lock.background(), failures_as_sentences():
            of: dict[str, Any] = {"run": self.run_of(run), "target": target}
            return direct_logit_attribution(self._experiment, position=position, pair=pair, **of)

    def curve(
        self,
        node: str,
        position: Position = -1,
        pair: int | None = None,
        run: str = "clean",
        target: Target | None = None,
        through: Through = False,
    ) -> AnswerCurve:
        """The lens of a node over the task's answer space."""
        from workbench.readouts.answer_curve import answer_curve

        with self._lock.background(), failures_as_sentences():
            of: dict[str, Any] = {"run": self.run_of(run), "target": target}
            of["through"] = self._through(through)
            return answer_curve(self._experiment, node, position=position, pair=pair, **of)

    def attention(self, head: str, pair: int | None = 0, run: str = "clean") -> AttentionPattern:
        """A head's attention pattern."""
        from workbench.readouts.attention import attention_pattern

        with self._lock.background(), failures_as_sentences():
            return attention_pattern(self._experiment, head, pair=pair, run=self.run_of(run))

    def continuation(self, pair: int, n: int = 10, *, cancel: Stop | None = None) -> Continuation:
        """What the model and the circuit each go on with from a pair's clean prompt, greedily.

        Args:
            n: how many tokens at most.
            cancel: stops it when set; `Cancelled` is raised then.
        """
        from workbench.engine.continuation import continuing_pair

        circuit, _ = self._circuit()
        work = continuing_pair(self._experiment, pair, circuit, n=n)
        return finish_in_background(self._lock, work, cancel)

    def residual(
        self,
        position: Position = -1,
        pair: int | None = None,
        k: int = 5,
        run: str = "clean",
        target: Target | None = None,
        through: Through = False,
    ) -> ResidualLens:
        """The lens of the residual stream at the embeddings and after every layer."""
        from workbench.readouts.residual_lens import residual_lens

        with failures_as_sentences():
            return residual_lens(
                self._experiment,
                position=position,
                pair=pair,
                k=k,
                turn=self._lock.background,
                run=self.run_of(run),
                target=target,
                through=self._through(through),
            )
