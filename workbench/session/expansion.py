"""Expansion: all that is open expanded by a rule, node by node, as work in pieces.

Always the open node nearest to the logits is next. What feeds it lies further up, so nothing that
is expanded later can feed into it, and every node is expanded once. A node's open inputs are closed
together, and their candidate edges compared with one another: effects on q, k and v are in the same
units of the metric. So "the k strongest" are k edges a node, and an input that matters little gets
few of them or none.

*How a loss is spent.* Faithfulness is lost where it goes away from 1, either way: a circuit that
does 1.3 times what the model does is not the more faithful for it. The rule `loss` allows the
distance from 1 to grow by L in all. Were all of it free from the first step on, the logits would
use it up, and every later node would have to keep all its edges. So each step may use a share of
what is then left, and what it leaves unused stays for those after it:

    distance after a step  <=  distance before + SHARE * (the first distance + L - distance before)

The steps nearest to the logits, whose sources decide how much there is to expand at all, so may use
most, and all steps together use L at most, whatever their number. At each node the fewest strongest
edges are sought that keep to this. The search tries 0, 1, 2, 4, ... edges, and then ever narrower
numbers between the most that fail and the fewest that do not; where more edges never do worse,
these are the fewest. A node that would lose too much even with all its edges
(something above it was closed before) is left open.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import TypeVar

import numpy as np

from workbench.base.work import Work
from workbench.circuits.circuit import Circuit
from workbench.circuits.graph import LOGITS
from workbench.engine.effect_settings import check_setting
from workbench.errors import WorkbenchError
from workbench.experiment.carrying import CarryingRoles
from workbench.session import edits
from workbench.session.known_effects import LASTING, KnownEffects
from workbench.session.role_scores import RoleScores, Scored
from workbench.session.rules import EAP, LOSS, THRESHOLD, TOP_K, find_rule
from workbench.session.scratch import Scratch
from workbench.session.state import State
from workbench.session.steps import StepTaken

T = TypeVar("T")

SHARE = 0.25
"""Of the loss that is left, what one step may use."""

ROUNDING = 1e-4
"""Of faithfulness: smaller differences may be the arithmetic's, not the circuit's."""

BETWEEN = 7
"""Numbers of edges that are tried between one that fails and one that does not."""

PIECE_SECONDS = 0.3
"""About how long numbers are tried before somebody else gets a turn."""


class Expansion:
    """One expansion under way.

    Attributes:
        rule, value, setting: what it goes by, checked.
        begun: the circuit that it began from.
        circuit: as far as it has come.
        steps: what was done, in order.
        faithfulness: of the circuit.
        unfit: open nodes that the rule cannot expand.
    """

    def __init__(
        self,
        scratch: Scratch,
        effects: KnownEffects,
        *,
        rule: str,
        value: float,
        setting: str = EAP,
        by_role: CarryingRoles | None = None,
        faithfulness: float | None = None,
    ) -> None:
        """For a circuit.

        Args:
            scratch: at the circuit, and this expansion's alone.
            effects: what is known; exact effects in the full model are added to it.
            by_role: the roles by which edges are told apart, if they are: edges at roles are kept
                then, whose estimates have to be known.
            faithfulness: of the circuit now.

        Raises:
            WorkbenchError: for an unknown rule or setting, a value that the rule cannot have, or a
                loss of what is undefined.
        """
        self.rule = find_rule(rule).name
        self.value = find_rule(rule).checked(value)
        self.setting = setting if setting == EAP else check_setting(setting)
        if self.rule == LOSS.name and faithfulness is None:
            raise WorkbenchError(
                "Faithfulness is undefined, as the metric is the same on clean and corrupted "
                "prompts; choose another rule than a loss of it."
            )
        self.begun = self.circuit = scratch.circuit
        self.steps: list[StepTaken] = []
        self.faithfulness = faithfulness
        self.unfit: set[str] = set()
        self._by_role = by_role
        self._scratch = scratch
        self._effects = effects
        self._at_once = 1
        self._most = _distance(faithfulness) + max(self.value - 2 * ROUNDING, 0.0)

    def open_nodes(self) -> list[str]:
        """Nodes that reach the logits and have an open input, the nearest to the logits first."""
        graph = self.circuit.graph
        nodes = {graph.node_of(destination) for destination in self.circuit.open_reached()}
        return sorted(nodes, key=lambda n: n == LOGITS or graph.source_index(n), reverse=True)

    @property
    def next_node(self) -> str | None:
        """The node to be expanded next; None at the end."""
        return next((node for node in self.open_nodes() if node not in self.unfit), None)

    def result(self) -> Circuit:
        """The circuit to be kept: as far as it has come.

        By the rule `loss` an input may be left with no edge, and its node with nothing to write.
        Edges that are dead ends for that are not kept: without them the metric is the same.
        """
        if self.rule != LOSS.name:
            return self.circuit
        circuit = self.circuit.copy()
        circuit.mask = self.begun.mask | (circuit.mask & self.circuit.pruned().mask)
        circuit.at = circuit.at.only(edge for edge in circuit.at.kept if circuit.has(edge))
        return circuit

    def fraction(self) -> float:
        """How far it has come, from the logits (0) to the input (1)."""
        node, graph = self.next_node, self.circuit.graph
        if node is None or node == LOGITS:
            return float(node is None)
        return 1 - graph.source_index(node) / graph.n_sources

    def work(self) -> Work[None]:
        """Expand node after node; between two pieces `circuit` and `steps` belong together."""
        yield 0.0
        while (node := self.next_node) is not None:
            state = State(self.circuit, self.value)
            into = tuple(
                d for d in self.circuit.graph.destinations_of(node) if d in self.circuit.open
            )
            score = self._scores({})
            if self.setting != EAP:
                score = yield from self._exact(into)
            if self.rule == THRESHOLD.name:
                kept = [edge for d in into for edge in edits.previewed(state, d, score)]
            else:
                ranked = self._ranked(into, score)
                if self.rule == TOP_K.name:
                    kept = [edge for edge, size in ranked[: int(self.value)] if size > 0]
                else:
                    assert self.rule == LOSS.name
                    found = yield from self._fewest(into, [edge for edge, _ in ranked])
                    if found is None:
                        self.unfit.add(node)
                        continue
                    kept = found
            yield from self._close(node, into, kept)
            yield self.fraction()

    def _closed(self, into: Sequence[str], kept: Sequence[str]) -> Circuit:
        return State(self.circuit, 0.0).with_edges(close=into, keep=kept).circuit

    def _close(self, node: str, into: Sequence[str], kept: Sequence[str]) -> Work[None]:
        """Take the step: computed first, so that nothing has happened if that fails."""
        circuit = self._closed(into, kept)
        faithfulness = yield from self._within(self._scratch.become(circuit))
        self.circuit, self.faithfulness = circuit, faithfulness
        self.steps.append(StepTaken(node, len(kept), faithfulness))

    def _within(self, work: Work[T]) -> Work[T]:
        """Work within a step, during which the fraction done stays what it is."""
        fraction = self.fraction()
        while True:
            try:
                next(work)
            except StopIteration as stop:
                result: T = stop.value
                return result
            yield fraction

    def _scores(self, exact: Mapping[str, float]) -> Scored:
        """What edges are kept by: exact effects by name, estimates where there is none."""
        effects, graph = self._effects, self.circuit.graph
        if self._by_role is not None:
            return effects.estimates_by_role(self._by_role, exact)
        score = effects.eap.copy() if exact else effects.eap
        for edge, value in exact.items():
            score[graph.parse_edge(edge)] = value
        return score

    def _ranked(self, into: Sequence[str], score: Scored) -> list[tuple[str, float]]:
        """All candidate edges with their |effect|, the largest first, as the model has equals."""
        graph, rows = self.circuit.graph, []
        if isinstance(score, RoleScores):
            rows = [(name, abs(value)) for d in into for name, value in score.into(d)]
            return sorted(rows, key=lambda row: -row[1])
        for destination in into:
            d = graph.destination_index(destination)
            sizes = np.nan_to_num(np.abs(score[: graph.n_parents(d), d]))
            rows += [(graph.edge_name(s, d), float(size)) for s, size in enumerate(sizes)]
        return sorted(rows, key=lambda row: -row[1])

    def _exact(self, into: Sequence[str]) -> Work[Scored]:
        """Scores in which the candidates have their exact effects, computed in pieces."""
        graph = self.circuit.graph
        found: dict[str, float] = {}
        candidates = self._by_role or CarryingRoles.none()
        edges = [name for d in into for name in candidates.parts_into(graph, d)]
        lasting = self.setting == LASTING
        missing = self._effects.unknown(LASTING, edges) if lasting else edges
        for chunk in self._scratch.effects(missing, self.setting):
            if lasting:
                self._effects.put(LASTING, list(chunk), list(chunk.values()))
            found |= chunk
            yield self.fraction()
        if not lasting:
            return self._scores(found)
        if self._by_role is None:
            return self._effects.score(LASTING)
        return self._effects.score_by_role(LASTING, self._by_role)

    def _fewest(self, into: Sequence[str], ranked: Sequence[str]) -> Work[list[str] | None]:
        """The fewest of the strongest edges that lose no more than this step may.

        None if no number of them does. See the module's docstring.
        """
        now = _distance(self.faithfulness)
        # The smallest loss has to be told from none.
        most = max(now + SHARE * (self._most - now) - ROUNDING, min(now, self._most) + ROUNDING)
        n = len(ranked)
        numbers = [0, *(2**i for i in range(n.bit_length()) if 2**i < n), n]
        fails, passes = -1, n + 1
        while numbers:
            lower, found = yield from self._first(into, ranked, numbers, most)
            fails = fails if lower is None else lower
            passes = passes if found is None else found
            between = np.linspace(fails, passes, min(BETWEEN, passes - fails - 1) + 2)[1:-1]
            numbers = [] if passes > n else [int(number) for number in between]
        return None if passes > n else list(ranked[:passes])

    def _first(
        self, into: Sequence[str], ranked: Sequence[str], numbers: Sequence[int], most: float
    ) -> Work[tuple[int | None, int | None]]:
        """Of rising numbers of edges the first that is near enough to 1, and the one before it."""
        fails: int | None = None
        at = 0
        while at < len(numbers):
            some, at = numbers[at : at + self._at_once], at + self._at_once
            began = perf_counter()
            shares = yield from self._within(
                self._scratch.if_closed(into, [ranked[:number] for number in some])
            )
            factor = PIECE_SECONDS / max(perf_counter() - began, 1e-3)
            self._at_once = max(1, min(BETWEEN, int(len(some) * factor)))
            yield self.fraction()
            for number, share in zip(some, shares, strict=True):
                if _distance(share) <= most:
                    return fails, number
                fails = number
        return fails, None


def _distance(faithfulness: float | None) -> float:
    """From 1; infinite where faithfulness is undefined."""
    return math.inf if faithfulness is None else abs(1 - faithfulness)
