"""Circuits with edges at roles, on the references that use the model's own modules and hooks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tests.support.cases.batches import ROLES
from tests.support.cases.engine_cases import Case, ablated, random_circuit
from tests.support.cases.family_cases import usual_case
from workbench.circuits.circuit import Circuit
from workbench.circuits.edge_roles import EdgeRoles
from workbench.circuits.graph import Graph

Where = Callable[[str], Tensor]


@dataclass
class ByRole:
    """What circuits score with a choice of edges for every position, by the references."""

    case: Case

    def _where(self, circuit: Circuit, group: int) -> Where:
        batch = self.case.experiment.batch
        roles = torch.tensor([batch.roles.of_pairs[i] for i in batch.groups[group].indices])

        @cache
        def where(edge: str) -> Tensor:
            return torch.tensor([circuit.has(f"{edge}@{role}") for role in ROLES])[roles, None]

        return where

    def metric(self, circuit: Circuit, *, constants: bool = False) -> NDArray[np.float64]:
        """The metric [pair], every edge corrupted where it is not kept."""
        logits = []
        for group, reference in enumerate(self.case.references):
            where = self._where(circuit, group)
            live = live_of(circuit, where) if constants else None
            corrupted = reference.corrupted_writes

            def choose(
                destination: str,
                source: str,
                writes: dict[str, Tensor],
                where: Where = where,
                live: dict[str, Tensor] | None = live,
                corrupted: dict[str, Tensor] = corrupted,
            ) -> Tensor:
                kept = where(f"{source}->{destination}")
                kept = kept if live is None else kept & live[source]
                return torch.where(kept, writes[source], corrupted[source])

            run: Any = reference
            logits.append(run._run(reference.clean, choose, {}, circuit.open))
        return self.case.metric(logits)

    def nudged(self, name: str, share: float) -> NDArray[np.float64]:
        """The metric of the clean run, one edge at a role moved a share of the way to corrupted."""
        edge = name.partition("@")[0]
        alone = circuit_with(self.case.graph, [name])
        logits = []
        for group, reference in enumerate(self.case.references):
            here = self._where(alone, group)

            def choose(
                destination: str,
                source: str,
                writes: dict[str, Tensor],
                here: Where = here,
                run: Any = reference,
            ) -> Tensor:
                if f"{source}->{destination}" != edge:
                    return writes[source]
                difference = run.corrupted_writes[source] - run.clean_writes[source]
                return writes[source] + share * here(edge) * difference

            run: Any = reference
            logits.append(run._run(reference.clean, choose, {}))
        return self.case.metric(logits)

    def along(self, circuit: Circuit, edge: str, role: str) -> NDArray[np.float64]:
        """The metric with one edge corrupted at a role, what follows spreading along the kept."""
        alone = circuit_with(self.case.graph, [f"{edge}@{role}"])
        logits = []
        for group, reference in enumerate(self.case.references):
            where, here = self._where(circuit, group), self._where(alone, group)
            clean, corrupted = reference.clean_writes, reference.corrupted_writes

            def choose(
                destination: str,
                source: str,
                writes: dict[str, Tensor],
                where: Where = where,
                here: Where = here,
                clean: dict[str, Tensor] = clean,
                corrupted: dict[str, Tensor] = corrupted,
            ) -> Tensor:
                name = f"{source}->{destination}"
                own = torch.where(where(name), writes[source], clean[source])
                return own + here(name) * (corrupted[source] - clean[source])

            run: Any = reference
            logits.append(run._run(reference.clean, choose, {}))
        return self.case.metric(logits)


def live_of(circuit: Circuit, where: Where) -> dict[str, Tensor]:
    """Where something clean reaches each source, bool [pair, position, 1], the slow way."""
    graph = circuit.graph
    live = {"input": torch.ones_like(where("input->logits"))}

    def fed(destination: str) -> Tensor:
        found = torch.full_like(live["input"], destination in circuit.open)
        for source in graph.sources[: graph.n_parents(graph.destination_index(destination))]:
            found = found | (where(f"{source}->{destination}") & live[source])
        return found

    for node in graph.sources[1:]:
        inputs = [fed(destination) for destination in graph.destinations_of(node)]
        if len(inputs) == 1:
            live[node] = inputs[0]
            continue
        looked_at, n = inputs[1] | inputs[2], inputs[0].shape[1]
        seen = [looked_at[:, : position + 1].any(dim=1) for position in range(n)]
        live[node] = inputs[0] | torch.stack(seen, dim=1)
    return live


def circuit_with(graph: Graph, names: list[str]) -> Circuit:
    made = Circuit.empty(graph)
    made.at = EdgeRoles(ROLES)
    for name in names:
        made.toggle(name)
    return made


def mixed(graph: Graph, seed: int, density: float = 0.3, share_open: float = 0.0) -> Circuit:
    """A random circuit, most of its edges at some roles only."""
    rng = np.random.default_rng(seed)
    circuit = random_circuit(graph, density, seed, share_open)
    circuit.at = EdgeRoles(ROLES).with_all(
        {
            edge: rng.choice(ROLES, rng.integers(1, len(ROLES)), replace=False).tolist()
            for edge in circuit.edges()
            if rng.random() < 0.8
        }
    )
    return circuit


@cache
def by_role(family: str, ablation: str = "patching") -> ByRole:
    case = usual_case(family)
    return ByRole(case if ablation == "patching" else ablated(case, ablation))
