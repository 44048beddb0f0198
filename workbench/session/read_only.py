"""The read-only half of a session: what it shows, and its long computations.

From any thread, and none of it changes the circuit. Importing this module loads no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.pair import Pair
from tasks.task import Task
from workbench.circuits.circuit import Circuit
from workbench.circuits.comparison import Comparison, compare
from workbench.circuits.graph import LOGITS, Graph
from workbench.circuits.names import TOGETHER
from workbench.circuits.parts import on_prompts
from workbench.circuits.tree import TreeRow, frontier
from workbench.engine.effect_settings import check_deciding
from workbench.errors import Cancelled
from workbench.experiment.settings import ExperimentSettings
from workbench.model_report.footprint import Footprint
from workbench.models.bundled_circuits import truth
from workbench.prompts.preview import PromptView
from workbench.session import edits
from workbench.session.assessments import SessionAssessments
from workbench.session.by_pair import ByPair
from workbench.session.candidate_rows import Sight
from workbench.session.flow import SessionFlow
from workbench.session.heads import SessionHeads
from workbench.session.known_effects import DROP, LASTING, KnownEffects, not_by_role
from workbench.session.node_effects import NodeEffects
from workbench.session.open import Opened
from workbench.session.pair_runs import PairRuns, prompt_view, task_of
from workbench.session.pair_set import with_unsampled
from workbench.session.priority_lock import lock_of
from workbench.session.readouts import SessionReadouts
from workbench.session.reference import Reference
from workbench.session.results import DiscoveryResult
from workbench.session.role_scores import Scored
from workbench.session.side_by_side import SideBySide
from workbench.session.state import State
from workbench.session.tree_rows import tree_rows
from workbench.session.views import Candidate, Status, TaskInfo

if TYPE_CHECKING:
    from workbench.models.model import Model

OnChunk = Callable[[dict[str, float], int, int], None]
"""Told the values just computed by edge, how many are done and how many there are."""


@dataclass(frozen=True)
class Snapshot:
    """What can be read without waiting: replaced as a whole when a command is done.

    Glossary: docs/glossary.md#snapshot.
    """

    state: State
    status: Status
    runs: PairRuns

    @cached_property
    def comparison(self) -> Comparison | None:
        """The circuit against the reference; None if there is no reference."""
        reference = self.state.reference
        return None if reference is None else compare(self.state.circuit, reference.circuit)


class ReadOnlySession:
    """What a session shows and measures. All public methods may be called from any thread.

    What only reads (`status`, `tree`, `frontier`, `candidates`, `preview`, `prompts`) never waits
    for a computation. `sweep`, `drop_costs` and the readouts compute: call them from a worker.

    Attributes:
        model: what is known of the model.
        readouts: `lens`, `attribution`, `curve`, `attention` and `residual`.
        assessor: assesses the circuit, part by part.
        flow: how tokens tell each other something.
        by_pair: the pairs one by one, and some of them as a task of their own.
        side_by_side: circuits that stand beside it.
        node_effects: maps of nodes' effects, direct against total, self-repair.
        heads: what was measured of all heads.
        path: the journal.

    Glossary: docs/glossary.md#read-only-session.
    """

    path: Path

    def __init__(
        self, opened: Opened, seen: Snapshot, shown: Callable[[], DiscoveryResult | None]
    ) -> None:
        """`shown`: gives the result of a discovery that stands beside the candidates, if any."""
        self.model = opened.engine.model.info
        self._opened = opened
        self._engine = opened.engine
        self._seen = seen
        self._lock = lock_of(opened.engine.model)
        self._effects = KnownEffects(
            seen.state.circuit.graph,
            opened.eap,
            opened.runs.digest,
            lambda: self._engine.eap(lambda fraction: None),
            self._engine.eap_by_role,
        )
        if seen.runs.digest != opened.runs.digest:
            self._effects.pairs_changed(seen.runs.digest)
        self._shown_result = shown
        self.readouts = SessionReadouts(self._engine, self._lock, self._circuit_now)
        self.by_pair = ByPair(self._engine, self._lock, self._circuit_now, opened.settings)
        self.node_effects = NodeEffects(self._engine, self._lock)
        self.flow = SessionFlow(
            self._engine, self._lock, opened.settings, lambda: self._seen.runs.digest
        )
        self.side_by_side = SideBySide(self._engine, self._lock, self._circuit_now)
        self.heads = SessionHeads(
            self._engine,
            self._lock,
            seen.state.circuit.graph,
            journal=lambda: self.path,
            pairs=lambda: self.pairs_digest,
            run_of=self.readouts.run_of,
            seed=opened.settings.seed,
        )
        self.assessor = SessionAssessments(
            self._engine, self._lock, self._circuit_now, opened.settings.seed
        )

    @property
    def settings(self) -> ExperimentSettings:
        """Which model and task it was opened with, and how both are run."""
        return self._opened.settings

    @property
    def task(self) -> TaskInfo:
        """The task on the pairs that are in use, with warnings if the model cannot do it."""
        return self._seen.runs.info

    @property
    def task_with_pairs(self) -> Task:
        """The task itself, with all its pairs that are in use."""
        return self._seen.runs.task

    @property
    def task_with_all_pairs(self) -> Task:
        """The task with those outside of the sample too."""
        state = self._seen.state
        return task_of(self._opened.task, with_unsampled(state.pairs), state.metric)

    @property
    def pairs_digest(self) -> str:
        """By what the set of pairs that are in use is told from others."""
        return self._seen.runs.digest

    @property
    def loaded_pairs(self) -> tuple[Pair, ...]:
        """The pairs that the task was loaded with, whatever was changed since."""
        return self._opened.task.pairs

    @property
    def loaded_model(self) -> Model:
        """The model that it computes with, which further sessions may share."""
        return self._engine.model

    # What it shows; none of this waits.

    @property
    def graph(self) -> Graph:
        """The model's graph."""
        return self._seen.state.circuit.graph

    @property
    def circuit(self) -> Circuit:
        """A copy of the circuit, with groups, notes and EAP scores.

        It has no scores while they are of other pairs, see `estimate`.
        """
        circuit = self._circuit_now()[0]
        seen = self._seen.state.circuit
        circuit.mask, circuit.at = seen.mask.copy(), seen.at  # with roles that no pair has now
        return circuit

    def _circuit_now(self) -> tuple[Circuit, int]:
        """The circuit and its revision, of one moment; as it is on the pairs in use."""
        seen = self._seen
        circuit = on_prompts(seen.state.circuit, seen.runs.batch.roles.names).copy()
        circuit.scores = None if self._effects.old else self._effects.eap.copy()
        return circuit, seen.status.revision

    @property
    def threshold(self) -> float:
        """In units of the metric: an edge whose |score| is at least that is kept on expanding."""
        return self._seen.state.threshold

    @property
    def effects_are_old(self) -> bool:
        """The effects that are shown are of other pairs; `estimate` computes them anew."""
        return self._effects.old

    def estimate(self) -> None:
        """Estimate the effects on the pairs that are in use, if those known are of others."""
        with self._lock.background():
            self._effects.estimate()

    def status(self) -> Status:
        """Where the session stands, without waiting."""
        return self._seen.status

    @property
    def reference(self) -> Reference | None:
        """The circuit that this one is compared with, if it is compared with any."""
        return self._seen.state.reference

    @property
    def comparison(self) -> Comparison | None:
        """What the circuit and the reference share; None if there is no reference."""
        return self._seen.comparison

    @property
    def truth(self) -> Path | None:
        """The file with the model's true circuit for this task, if the model brings it along."""
        return truth(self._opened.settings.model, self.task.name)

    def tree(
        self, *, missing: bool = False, by_role: bool = False, ranked: bool = False
    ) -> list[TreeRow]:
        """The circuit back from the logits, depth first, feeders by falling |effect|.

        Args:
            missing: also list, as rows of the state 'missing', the edges into the listed nodes that
                only the reference has.
            by_role: an edge that is kept at some roles has a row for each of them.
            ranked: in the order that was the right one at the last `rank`.
        """
        seen, wanted = self._seen, (missing, by_role, ranked)
        how = (seen.state.circuit, seen.comparison, self._effects, seen.runs.carrying)
        return tree_rows(*how, wanted)

    def frontier(self, *, ranked: bool = False) -> list[str]:
        """Nodes that are kept but not wholly expanded, the most promising first; as `tree`."""
        effects = self._effects.ranked if ranked else self._effects
        return frontier(self._seen.state.circuit, effects.best())

    def rank(self) -> bool:
        """Let what is known by now count for the order of what is `ranked`; whether that is news.

        Exact effects by which a command decides count for it from then on.
        """
        return self._effects.rank()

    @property
    def roles(self) -> tuple[str, ...]:
        """All roles of the prompts in use, in order."""
        return self._seen.runs.carrying.names

    @property
    def can_split(self) -> bool:
        """The two runs differ at more roles than one, so that edges can be told apart by them."""
        return len(self._seen.runs.carrying.anywhere) > 1

    @property
    def estimated_by_role(self) -> bool:
        """The effects of edges at roles are estimated; `estimate_by_role` does it."""
        return self._effects.by_role and not self._effects.old

    def estimate_by_role(self) -> None:
        """Estimate the effects of edges at roles on the pairs that are in use, once."""
        with self._lock.background():
            self._effects.estimate_by_role()

    def candidates(
        self,
        node: str,
        inputs: str = "qkv",
        setting: str = "full",
        *,
        by_role: bool = False,
        ranked: bool = False,
    ) -> list[Candidate]:
        """All edges into these inputs of a node, by falling |score|. Empty for the input.

        Args:
            inputs: letters of "qkv"; `TOGETHER` ("q+k+v"): from each source the three as one.
            setting: of the exact effects; "eap": the estimates alone.
            by_role: edges at roles, where edges are told apart by them; none before
                `estimate_by_role`.
            ranked: with the values by which they are put in order, as of `tree`.
        """
        check_deciding(setting)
        into = edits.destinations(self.graph, node, inputs)
        seen, shown = self._seen, self._shown_result()
        effects = self._effects.ranked if ranked else self._effects
        carrying = seen.runs.carrying
        estimates = effects.eap_by_role(carrying) if by_role else None
        if by_role and estimates is None:
            return []
        sight = Sight(
            seen.state,
            effects,
            setting,
            seen.comparison,
            shown,
            self.node_effects.known_direct() if node == LOGITS else None,
        )
        rows = sight.edges(into) if estimates is None else sight.parts(into, carrying, estimates)
        if inputs == TOGETHER and self.graph.is_head(node):
            not_by_role(by_role)
            rows = sight.together(node)
        return sorted(rows, key=lambda candidate: -abs(candidate.score))

    def effects_of(self, edges: Sequence[str]) -> list[float]:
        """The best effect known of each edge, as the tree has it; zero where it carries nothing."""
        return self._effects.best_of_all(edges, self._seen.runs.carrying)

    def snippet(self) -> str:
        """A script that rebuilds model, task and circuit as they stand."""
        from workbench.session.snippet import snippet

        seen, state = self._seen, self._seen.state
        how = (self.task.metric, state.circuit, state.interventions)
        return snippet(self._opened.settings, seen.runs.task, *how)

    def drawn(self) -> Circuit:
        """The circuit for a picture: a copy whose scores are the best effects known."""
        circuit = self._seen.state.circuit.copy()
        old = self._effects.old
        circuit.scores = None if old else self._effects.best().astype(np.float32)
        return circuit

    def preview(
        self, node: str, inputs: str = "qkv", setting: str = "full", *, by_role: bool = False
    ) -> int:
        """How many of the candidates would be kept at the threshold."""
        state, effects, carrying = self._seen.state, self._effects, self._seen.runs.carrying
        score: Scored = effects.score(check_deciding(setting))
        if by_role:
            score = effects.score_by_role(setting, carrying)
        into = edits.destinations(self.graph, node, inputs)
        if inputs == TOGETHER:
            not_by_role(by_role)
            score, into = effects.score_together(setting), into[:1]
        return sum(len(edits.previewed(state, destination, score)) for destination in into)

    def prompts(self, index: int) -> PromptView:
        """A pair of prompts, token by token.

        Raises:
            WorkbenchError: there is none of this index.
        """
        return prompt_view(self._seen.runs.batch, index)

    def footprint(self) -> Footprint:
        """The memory that the task's pairs take in this model, predicted."""
        return self._engine.footprint

    # Long computations.

    def sweep(
        self,
        node: str,
        inputs: str = "qkv",
        setting: str = "full",
        *,
        by_role: bool = False,
        cancel: Any = None,
        on_chunk: OnChunk | None = None,
    ) -> bool:
        """Exact effects of all candidates, largest |EAP| first.

        What is known is not computed again.

        Args:
            by_role: of edges at roles, which are estimated first where that is not done yet.
            cancel: stops it when `cancel.is_set()`, as does a command that changed the circuit if
                the setting depends on that. What was computed until then stays.
            on_chunk: called from this thread after each chunk; it may call the session.

        Returns:
            Whether all candidates have exact values now.

        Raises:
            WorkbenchError: for an unknown node, input or setting, or if a computation failed.

        Glossary: docs/glossary.md#sweep.
        """
        check_deciding(setting)
        if by_role:
            self.estimate_by_role()
        rows = self.candidates(node, inputs, by_role=by_role)
        edges = [row.edge for row in sorted(rows, key=lambda row: -abs(row.eap))]
        return self._compute(edges, setting, cancel, on_chunk)

    def drop_costs(
        self,
        *,
        by_role: bool = False,
        together: str = "",
        cancel: Any = None,
        on_chunk: OnChunk | None = None,
    ) -> bool:
        """What each kept edge, or (`by_role`) edge at a role, would cost if it were dropped now.

        Arguments and result as `sweep`.

        Args:
            together: of the edges into q, k and v of this head as one, where all three are kept.
        """
        circuit = self._seen.state.circuit
        kept = self._seen.runs.carrying.kept_parts(circuit) if by_role else circuit.edges()
        if together:
            rows = self.candidates(together, TOGETHER)
            kept = [row.edge for row in rows if row.kept]
        return self._compute(kept, DROP, cancel, on_chunk)

    def _compute(self, edges: list[str], kind: str, cancel: Any, on_chunk: OnChunk | None) -> bool:
        """Exact values of these edges, of one of the settings or `DROP`; see `sweep`."""
        with self._lock.background():
            seen = self._seen
            self._effects.estimate()  # which comes first, so that none are mixed with others'
            if any(edge.endswith(LOGITS) for edge in edges):
                self.node_effects.direct()
            missing = self._effects.unknown(kind, edges)
            chunks = self._engine.effects(seen.state.circuit, missing, kind, cancel)
        done = len(edges) - len(missing)
        try:
            while done < len(edges):
                with self._lock.background():
                    stale = kind != LASTING and self._seen.status.revision != seen.status.revision
                    other = self._seen.runs is not seen.runs
                    if stale or other or (cancel is not None and cancel.is_set()):
                        return False
                    names, values = next(chunks)
                    self._effects.put(kind, names, values)
                done += len(names)
                if on_chunk is not None:
                    on_chunk(dict(zip(names, values, strict=True)), done, len(edges))
        except (Cancelled, StopIteration):
            return False
        finally:
            chunks.close()
        return True
