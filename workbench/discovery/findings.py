"""Findings: what a method has found so far, usable at any moment of its work.

All arrays are the method's own until it is done; a driver that looks at them between two pieces
takes what it wants by `copy`.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workbench.circuits.edge_roles import check_roles
from workbench.circuits.graph import Graph
from workbench.engine.kept_edges import Kept
from workbench.engine.role_layout import RoleLayout

if TYPE_CHECKING:
    from workbench.experiment.experiment import Experiment


@dataclass
class Findings:
    """What a method found.

    Attributes:
        graph: of the model.
        method: its name in `method.METHODS`.
        edges: float32 [source, destination], a score for every edge, NaN where it has none yet and
            where there is no edge; of a search by role, that of the role at which it is largest.
        nodes: float32 [source], scores of nodes; None if the method scores none.
        positions: float32 [source, position], scores of nodes at each position of the longest
            prompts, aligned at their ends, NaN where there is none; None if the method has none.
        neurons: MLP's name -> float32 [neuron], scores of its hidden units; empty if the method has
            none.
        roles: the names of the prompts' roles, where edges are scored by role.
        at_roles: float32 [role, source, destination], the score of every edge at each role: what
            of its score the role makes up where scores add up. None where edges are whole.
        layout: where the roles stand in the prompts; None where edges are scored as a whole.
        kept: [source, destination], the circuit that a search or a learned mask arrived at so far:
            a mask, or by role the roles of each edge as bits, see `engine.kept_edges`; None for
            methods that only score.
        needed: +1 if a component that the task needs has a positive score, -1 if a negative one, 0
            if scores have no sign. A score in units of the metric is the change of its mean over
            the pairs when the component is corrupted, so -1 for every metric but `kl`.
        tried: edges that a search has evaluated.
        same_input: what the input writes is the same in both runs, so that what reads it counts as
            fed whatever its edges score.
        complete: the method came to its end.
        remarks: sentences for the user on what was done or could not be.

    Glossary: docs/glossary.md#finding, docs/glossary.md#remark, docs/glossary.md#scores.
    """

    graph: Graph
    method: str
    edges: NDArray[np.float32]
    nodes: NDArray[np.float32] | None = None
    positions: NDArray[np.float32] | None = None
    neurons: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    roles: tuple[str, ...] = ()
    at_roles: NDArray[np.float32] | None = None
    layout: RoleLayout | None = None
    kept: Kept | None = None
    needed: int = -1
    tried: int = 0
    same_input: bool = False
    complete: bool = False
    remarks: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, graph: Graph, method: str, metric: str) -> Findings:
        """Of a method that has found nothing yet, with scores in units of the metric."""
        edges = np.full((graph.n_sources, graph.n_destinations), np.nan, dtype=np.float32)
        return cls(graph, method, edges, needed=1 if metric == "kl" else -1)

    @classmethod
    def about(cls, experiment: Experiment, method: str, *, by_role: bool = False) -> Findings:
        """The same of a method on an experiment.

        Args:
            by_role: edges are to be scored by role.

        Raises:
            WorkbenchError: the prompts have more roles than edges can be told apart by.
        """
        found = cls.of(experiment.graph, method, experiment.metric_name)
        found.same_input = experiment.same_input
        if by_role:
            found.roles = experiment.batch.roles.names
            check_roles(found.roles, (), "")
            found.layout = RoleLayout.of(experiment.batch.roles)
            found.at_roles = np.full(
                (len(found.roles), *found.edges.shape), np.nan, dtype=np.float32
            )
        return found

    def copy(self) -> Findings:
        """The same findings in arrays of their own."""
        return copy.deepcopy(self)

    def importance(self) -> NDArray[np.float32]:
        """Edge scores with the sign turned so that what the task needs most is largest."""
        return self.edges if self.needed >= 0 else -self.edges

    def importance_at_roles(self) -> NDArray[np.float32]:
        """As `importance`, of the edges at roles, [role, source, destination]."""
        assert self.at_roles is not None
        return self.at_roles if self.needed >= 0 else -self.at_roles

    def of_edge(self, source: int, destination: int) -> float:
        """An edge's score; of a method that scores nodes alone, that of its source; else NaN."""
        score = float(self.edges[source, destination])
        if score != score and self.nodes is not None:
            score = float(self.nodes[source])
        return score

    def has_results(self, kind: str) -> bool:
        """Whether there is anything yet that a circuit could be selected from.

        Args:
            kind: that of the method, one of `method.Kind`.
        """
        if kind in ("search", "learned"):
            return self.kept is not None
        scores = self.nodes if kind == "nodes" else self.edges
        return scores is not None and not np.isnan(scores).all()
