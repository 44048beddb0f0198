"""A sweep over edges: the exact effect of each of many, largest first.

What `edge_effects` gives batch by batch, for the edges into a node, out of one, or all of them; a
head's three inputs as one candidate, which is the edge of tools that know no q, k and v; and edges
at single token roles.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.base.table import Table
from workbench.base.work import Stop
from workbench.circuits.circuit import Circuit
from workbench.circuits.names import ARROW, AT, edge_ends, split_role
from workbench.engine.effect_settings import DEFINITIONS, FULL, check_setting
from workbench.engine.evaluator import Evaluator
from workbench.engine.patching import edge_effects
from workbench.errors import WorkbenchError
from workbench.experiment.carrying import CarryingRoles

if TYPE_CHECKING:
    from workbench.experiment.experiment import Experiment

TOGETHER = "a head's q, k and v are corrupted together"


@dataclass(frozen=True)
class EdgeRow:
    """One candidate.

    Attributes:
        edge: its name; of a head's three inputs together, without the input; by role with `@ROLE`.
        effect: the change of the mean metric, in the sweep's setting.
        kept: whether it is in the circuit (0 or 1); of three, how large a share. None without one.
    """

    edge: str
    effect: float
    kept: float | None


@dataclass(frozen=True)
class EdgeSweep:
    """What a sweep found.

    Attributes:
        rows: largest |effect| first.
        setting: one of `effect_settings.SETTINGS`.
        metric: its name, and its value on the clean prompts and on the corrupted ones.
        n_edges: candidates that were asked for; there are fewer rows if it was stopped.
        definition: what the numbers are.
    """

    rows: tuple[EdgeRow, ...]
    setting: str
    metric: str
    clean: float
    corrupted: float
    n_edges: int
    definition: str

    @property
    def complete(self) -> bool:
        """Whether it came to its end."""
        return len(self.rows) == self.n_edges

    def table(self) -> Table:
        """All rows with every digit; a column has the roles if the edges are told apart by them."""
        ends = [row.edge.partition(ARROW) for row in self.rows]
        by_role = any(AT in row.edge for row in self.rows)
        rows = tuple(
            (source, *split_role(reader)[: 1 + by_role], row.effect, row.kept)
            for (source, _, reader), row in zip(ends, self.rows, strict=True)
        )
        title = f"effects {self.setting} on {self.metric}"
        columns = ("source", "destination", *(["role"] if by_role else []), "effect", "kept")
        return Table(title, columns, rows)


def sweep_edges(
    experiment: Experiment,
    into: Sequence[str] = (),
    out_of: Sequence[str] = (),
    *,
    setting: str = FULL,
    circuit: Circuit | None = None,
    together: bool = False,
    by_role: bool = False,
    progress: Callable[[float], None] | None = None,
    cancel: Stop | None = None,
) -> EdgeSweep:
    """The exact effect of every edge into some nodes and out of some.

    Args:
        experiment: model, batch and recorded runs; its ablation is what an edge carries instead.
        into: nodes or single inputs of heads (a1.h0<q>) that read; () for all.
        out_of: nodes that write; () for all.
        setting: `full`, or `along` and `within` a circuit.
        circuit: what these refer to.
        together: a head's q, k and v are one candidate.
        by_role: each edge is one at every token role at which it can carry something, where these
            are several.
        progress: told the fraction done.
        cancel: stops it when set; what is computed by then is the result.

    Raises:
        WorkbenchError: there is no such node, edge or setting, or no circuit is given.
    """
    check_setting(setting)
    if setting != FULL and circuit is None:
        raise WorkbenchError(f"The setting {setting} refers to a circuit: name one.")
    if by_role and together:
        raise WorkbenchError("Sweep either q, k and v together or edges by role, not both.")
    graph = experiment.graph
    given, circuit = circuit, Circuit.full(graph) if circuit is None else circuit
    if circuit.graph != graph:
        raise WorkbenchError("The circuit belongs to another model.")
    evaluator = Evaluator(experiment, circuit)
    chosen = candidates(circuit, into, out_of, together)
    if by_role:
        carrying = CarryingRoles.of_experiment(experiment)
        chosen = {name: [name] for edge in chosen for name in carrying.parts(graph, edge)}
    found: list[EdgeRow] = []
    for names, effects in edge_effects(evaluator, list(chosen), setting, cancel=cancel):
        for name, effect in zip(names, effects, strict=True):
            kept = None if given is None else [circuit.has(edge) for edge in chosen[name]]
            share = None if kept is None else sum(kept) / len(kept)
            found.append(EdgeRow(name, float(effect), share))
        if progress is not None:
            progress(len(found) / len(chosen))
    return EdgeSweep(
        tuple(sorted(found, key=lambda row: -abs(row.effect))),
        setting,
        experiment.metric_name,
        experiment.clean.metric,
        experiment.corrupted.metric,
        len(chosen),
        f"The change of the mean {experiment.metric_name} {DEFINITIONS[setting]}"
        f"{f'; {TOGETHER}' if together else ''}.",
    )


def candidates(
    circuit: Circuit, into: Sequence[str], out_of: Sequence[str], together: bool
) -> dict[str, list[str]]:
    """The candidates by name, each with its edges.

    Raises:
        WorkbenchError: there is no such node, or no edge between them.
    """
    graph = circuit.graph
    readers = [
        destination
        for name in into or graph.destinations
        for destination in ((name,) if name in graph.destinations else graph.destinations_of(name))
    ]
    rows = [graph.source_index(name) for name in out_of] or list(range(graph.n_sources))
    chosen: dict[str, list[str]] = {}
    for destination in dict.fromkeys(readers):
        d = graph.destination_index(destination)
        for s in rows:
            if s < graph.n_parents(d):
                edge = graph.edge_name(s, d)
                source, reader = edge_ends(edge)
                name = f"{source}->{graph.node_of(reader)}" if together else edge
                chosen.setdefault(name, []).append(edge)
    if not chosen:
        raise WorkbenchError("No edge leads there from there: what reads stands after what writes.")
    return chosen
