"""ACDC: edges that the circuit does not miss are dropped, from the logits to the input.

Conmy et al. 2023, 2304.14997. The circuit begins with every edge. Destinations are visited stage
by stage from the logits to the first layer, in a layer's heads the queries of all heads, then the
keys, then the values, heads in their order; a destination's sources from the last to write to the
first. By role an edge is tried at each of its roles, the last one first, where the destination is
read there. An edge is tried by dropping it from the circuit as it then stands:

    damage = how much worse the measure became, in its units
    dropped if damage < tau, or if |damage| < tau where absolute

and what the circuit scores without a dropped edge is what the next one is compared with. A node
none of whose outgoing edges is left is skipped, and loses its incoming edges untried; by role it is
skipped at the positions at which nothing that is left reads it.

Almost every edge is dropped, so that one need not wait for the outcome of one trial to begin the
next: a run of trials is evaluated as one batch on a guess of their outcomes, at first that each is
dropped. Trials count up to and including the first whose outcome is not the guessed one, and the
next run goes on after it. What the trials behind it measured is not lost, though they had the wrong
edges beside them: it guesses their outcomes in the next run. So the edges kept are those of the
plain loop (`acdc_sequential.py`), trial by trial. In the last digits a metric depends on what is
computed beside it, so an edge whose damage is within rounding of tau may fall either way, as it may
from one machine to the next.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from workbench.base.ledger import is_kept, recorded
from workbench.base.work import Work
from workbench.circuits.graph import Graph
from workbench.discovery.findings import Findings
from workbench.discovery.options import Options
from workbench.discovery.search.backward import Backward
from workbench.discovery.search.finish import finish_search
from workbench.discovery.search.units import Column, Units
from workbench.errors import WorkbenchError
from workbench.experiment.experiment import Experiment

# What a batch takes before its first trial, in trials. Measured on a CPU: 1.3 to 2; elsewhere a
# batch takes hardly longer than one trial.
_START = {"cpu": 2.0}
_START_ELSEWHERE = 60.0
# The longest batch, so that whoever drives the search may stop it.
_BATCH_SECONDS = 0.5
# Trials that the rate of wrong guesses looks back on.
_MEMORY = 300


@dataclass(frozen=True)
class Rule:
    """When an edge is dropped.

    Attributes:
        threshold: tau.
        absolute: |damage| is compared with it.
        worse: +1 if a larger measure is worse (KL), else -1.
    """

    threshold: float
    absolute: bool
    worse: int

    def drops(self, change: float) -> bool:
        """Whether to drop an edge without which the measure changes by so much."""
        damage = abs(change) if self.absolute else self.worse * change
        return damage < self.threshold


def prepare(experiment: Experiment, options: Options) -> tuple[Experiment, Rule]:
    """The runs scored by the measure that is asked for, and the rule.

    Raises:
        WorkbenchError: there is no threshold.
    """
    tau = options.threshold
    if tau is None:
        raise WorkbenchError(
            "ACDC needs a threshold: the loss of the measure, in its units, up to which an edge is "
            "dropped."
        )
    measured = experiment.with_metric("kl") if options.measure == "kl" else experiment
    return measured, Rule(tau, options.absolute, 1 if measured.metric_name == "kl" else -1)


def visits(graph: Graph) -> list[tuple[int, int | None]]:
    """Every destination and the source that its node is, in the order of the search.

    The logits are no source: None.
    """
    return [
        (column, graph.owners[column])
        for stage in reversed(graph.stages)
        for column in range(stage.columns.start, stage.columns.stop)
    ]


def find(experiment: Experiment, findings: Findings, options: Options) -> Work[None]:
    """Fill in `findings.kept`, the circuit as it stands, and `findings.edges`.

    Every edge not yet tried is in the circuit; an edge's number is the change of the measure at its
    trial; dead ends are pruned at the end.

    Raises:
        WorkbenchError: there is no threshold.
    """
    experiment, rule = prepare(experiment, options)
    findings.needed = rule.worse
    units = Units(experiment, findings)
    state = Backward(experiment, units.layout)
    graph = state.graph
    findings.kept = units.kept(units.real).copy()
    pace = _Pace(experiment.parts.device.type)
    here = experiment.clean.metric
    total = left = units.real.sum()
    for column, node in visits(graph):
        left -= units.real[:, :, column].sum()
        tried = Column(units, column, state.positions(column))
        if (node is not None and not state.kept[node].any()) or not len(tried):
            findings.kept[:, column] = 0
            state.skip(column)
            continue
        every = tried.kept(np.ones((1, len(tried)), dtype=bool))[0]
        parents = len(every)
        state.visit(column, every)
        findings.kept[:parents, column] = every
        pace.room = state.room()
        trials = _Trials(len(tried))
        while trials.next >= 0:
            run = trials.run(pace.length(trials.guessed))
            began = time.perf_counter()
            without = tried.kept(trials.dropped(run))
            values = recorded("trials", without.tobytes, partial(state.trials, without))
            taken = time.perf_counter() - began
            here, decided, chosen = trials.decide(run, values, here, rule)
            pace.measured(len(run), decided, trials.missed, taken)
            dropped = tried.kept(chosen[None])[0]
            state.drop(dropped)
            findings.tried += decided
            units.scores[tried.roles, tried.sources, column] = trials.changes
            units.strongest(column)
            findings.kept[:parents, column] &= ~dropped
            yield 1 - (left + trials.next + 1) / total
    finish_search(findings, units)


class _Trials:
    """The units into one destination, some of them tried.

    Attributes:
        next: the unit to be tried next; they go down to -1.
        changes: float32 [unit], the change of the measure at an edge's trial, NaN before it.
        missed: the last run ended with an outcome that was not the guessed one.
    """

    def __init__(self, n: int) -> None:
        self.next = n - 1
        self.changes = np.full(n, np.nan, dtype=np.float32)
        self.missed = False
        self._stays = np.zeros(n, dtype=bool)  # the guess
        self._guessed_from = n  # the lowest unit whose guess was measured

    @property
    def guessed(self) -> int:
        """How many of the next edges have been measured, though beside the wrong ones."""
        return max(0, self.next + 1 - self._guessed_from)

    def run(self, length: int) -> NDArray[np.int64]:
        """Units to be tried together."""
        return np.arange(self.next, max(-1, self.next - length), -1)

    def dropped(self, units: NDArray[np.int64]) -> NDArray[np.bool_]:
        """What each trial is without, if every guess before it is right, bool [trial, unit]."""
        rows = np.zeros((len(units), len(self.changes)), dtype=bool)
        for i, unit in enumerate(units):
            rows[i : i + 1 if self._stays[unit] else None, unit] = True
        return rows

    def decide(
        self, units: NDArray[np.int64], values: NDArray[np.float64], here: float, rule: Rule
    ) -> tuple[float, int, NDArray[np.bool_]]:
        """Decide on the units of a run, up to the first outcome that was not the guessed one.

        Args:
            values: the measure at each trial.
            here: the measure before the first.

        Returns:
            The measure of the circuit as it then is, how many were decided, and bool [unit], those
            of them that are dropped.
        """
        decided = 0
        dropped = np.zeros(len(self.changes), dtype=bool)
        self.missed = False
        guessed_here = here  # if every guess is right
        for unit, value in zip(units, values.tolist(), strict=True):
            change = value - guessed_here
            drops, guess = rule.drops(change), not self._stays[unit]
            if guess:
                guessed_here = value
            if self.missed:
                self._stays[unit] = not drops
                continue
            decided += 1
            self.changes[unit] = change
            if drops:
                dropped[unit] = True
                here = value
            self.missed = drops != guess
        self.next = int(units[0]) - decided
        self._guessed_from = min(self._guessed_from, int(units[-1]))
        return here, decided, dropped


class _Pace:
    """How many trials to make at once.

    With a start that costs as much as r trials and a share p of wrong guesses, a run of n trials
    costs r + n and decides about n (1 - p n / 2) edges, which is cheapest an edge near
    n = sqrt(2 r / p).
    """

    def __init__(self, device_type: str) -> None:
        self.room = 1
        self._start = _START.get(device_type, _START_ELSEWHERE)
        self._tried, self._wrong = 0.0, 0.0
        self._seconds = 0.0  # of one trial
        self._steady = is_kept()  # runs must be the same when a job goes on

    def length(self, guessed: int) -> int:
        """Length of the next run; `guessed` of its edges have been measured already.

        The outcomes of these are known well.
        """
        rate = (self._wrong + 1) / (self._tried + 20)
        longest = _BATCH_SECONDS / self._seconds if self._seconds else 8
        if self._steady:
            longest = math.inf
        best = guessed + math.sqrt(2 * self._start / rate)
        return max(1, int(min(best, longest, self.room)))

    def measured(self, made: int, decided: int, missed: bool, seconds: float) -> None:
        forget = max(0.0, 1 - decided / _MEMORY)
        self._tried = self._tried * forget + decided
        self._wrong = self._wrong * forget + missed
        self._seconds = seconds / made
