"""What a session does to components of the model, changed while it is open.

Both runs of all pairs are made anew with it, and everything that is measured from then on is of the
model so changed. It is a command, with undo. Importing this module loads no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from tasks.pair import Pair
from workbench.base.failures import failures_as_sentences
from workbench.base.work import Stop, Work
from workbench.circuits.circuit import Circuit
from workbench.errors import WorkbenchError
from workbench.experiment.intervention_groups import parse_with_groups
from workbench.experiment.interventions import (
    Intervention,
    interventions_of,
    marks,
)
from workbench.session.carry_out import CarryOut
from workbench.session.intervention_commands import SetInterventions
from workbench.session.priority_lock import PriorityLock, finish_in_background
from workbench.session.read_only import Snapshot
from workbench.session.run_sets import RunSets
from workbench.session.state import Interventions, State
from workbench.session.views import Status

if TYPE_CHECKING:
    from workbench.engine.intervention_results import AlphaCurve, InterventionEffect
    from workbench.experiment.experiment import Experiment

SAME = "That is done already."


class SessionInterventions:
    """What is done to the model. All public methods may be called from any thread."""

    def __init__(
        self,
        sets: RunSets,
        lock: PriorityLock,
        seen: Callable[[], Snapshot],
        *,
        carry_out: CarryOut,
    ) -> None:
        self._sets = sets
        self._lock = lock
        self._seen = seen
        self._carry_out = carry_out
        self._plain: tuple[tuple[tuple[Pair, ...], str], Experiment] | None = None

    @property
    def present(self) -> Interventions:
        """In the order in which they are done."""
        return self._seen().state.interventions

    @property
    def marks(self) -> dict[str, str]:
        """A few characters on what is done to a node, by the node's name."""
        return marks(self.present)

    def add(self, text: str) -> Status:
        """Do one more thing, after what is done already.

        Args:
            text: as `Intervention.parse` reads it; groups of the circuit may be named in it, see
                `intervention_groups`.

        Raises:
            WorkbenchError: it says none, or it cannot be done.
        """
        one = self.parsed(text)
        return self._set(lambda now: (*now, one), text.strip())

    def change(self, number: int, text: str) -> Status:
        """Do something else in place of one of them, counted from 1; errors as of `add`."""
        one = self.parsed(text)
        at = self._at(number)
        did = f"{text.strip()} in place of {self.present[at].text}"
        return self._set(lambda now: (*now[:at], one, *now[at + 1 :]), did)

    def remove(self, number: int) -> Status:
        """Do one of them no more, counted from 1. Raises WorkbenchError for no such number."""
        at = self._at(number)
        did = f"Took back {self.present[at].text}"
        return self._set(lambda now: (*now[:at], *now[at + 1 :]), did)

    def clear(self) -> Status:
        """Do nothing to the model."""
        return self._set(lambda now: (), "Took back all interventions")

    def set(self, interventions: Sequence[Intervention | str]) -> Status:
        """Do just these; errors as of `add`."""
        new = tuple(self.parsed(o) if isinstance(o, str) else o for o in interventions)
        return self._set(lambda now: new, "; ".join(one.text for one in new) or "Took back all")

    def parsed(self, text: str) -> Intervention:
        """What a line says, groups of the circuit in it written out.

        Raises:
            WorkbenchError: it says none, or names what the model does not have.
        """
        circuit = self._seen().state.circuit
        one = parse_with_groups(text, circuit.groups, circuit.graph)
        one.check(circuit.graph)
        return one

    def _at(self, number: int) -> int:
        if not 1 <= number <= len(self.present):
            raise WorkbenchError(
                f"There is no intervention {number}: there are {len(self.present)}."
            )
        return number - 1

    def _set(self, change: Callable[[Interventions], Interventions], did: str) -> Status:
        def edit(state: State) -> State:
            return replace(state, interventions=self.ready(change(state.interventions)))

        return self._carry_out(edit, lambda made: SetInterventions(did=did, change=made), SAME)

    def ready(self, interventions: Interventions) -> Interventions:
        """The same with the numbers of their files. Raises WorkbenchError as of `add`."""
        if not interventions:
            return ()
        from workbench.experiment.intervened import Intervened

        experiment = self._sets.present.experiment
        how = (experiment.batch.encoding, experiment.batch)
        with failures_as_sentences():
            parts, graph = experiment.parts, experiment.graph
            return Intervened(parts, graph, interventions, *how).interventions

    def of_file(self, circuit: Circuit) -> Interventions | None:
        """Those that a circuit's file says, ready; None where it says none."""
        told = interventions_of(circuit)
        return self.ready(told) if told else None

    # What it does: long computations.

    def effect(
        self,
        pair: int = 0,
        *,
        cancel: Stop | None = None,
        progress: Callable[[float], None] | None = None,
    ) -> InterventionEffect:
        """What all of them together do to model and circuit, and to a pair's next tokens.

        Raises:
            Cancelled: it was stopped.
            WorkbenchError: there is no such pair.
        """
        from workbench.engine.intervention_effect import intervention_effects

        def work() -> Work[InterventionEffect]:
            yield 0.0
            plain, done, circuit = self._both()
            return (yield from intervention_effects(plain, done, circuit, pair=pair))

        with failures_as_sentences():
            return finish_in_background(self._lock, work(), cancel, progress)

    def curve(
        self,
        number: int,
        alphas: Sequence[float] | None = None,
        *,
        cancel: Stop | None = None,
        progress: Callable[[float], None] | None = None,
    ) -> AlphaCurve:
        """What the model does over the factor of one of them, counted from 1.

        Raises:
            Cancelled: it was stopped.
            WorkbenchError: there is none of this number, or it has no factor.
        """
        from workbench.engine.intervention_effect import alpha_curves

        at = self._at(number)

        def work() -> Work[AlphaCurve]:
            yield 0.0
            plain, done, circuit = self._both()
            return (yield from alpha_curves(plain, done.interventions, at, alphas, circuit))

        with failures_as_sentences():
            return finish_in_background(self._lock, work(), cancel, progress)

    def _both(self) -> tuple[Experiment, Experiment, Circuit]:
        """The runs without and with them, and the circuit, of one moment."""
        state, present = self._seen().state, self._sets.present
        if not present.interventions:
            return present.experiment, present.experiment, state.circuit.copy()
        key = (present.task.pairs, present.task.metric)
        if self._plain is None or self._plain[0] != key:
            self._plain = key, self._sets.of(state.pairs, state.metric).experiment
        return self._plain[1], present.experiment, state.circuit.copy()
