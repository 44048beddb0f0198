"""The figures that edges at roles are held to, in units of a plain forward pass."""

from __future__ import annotations

import random
from functools import partial

import numpy as np

from workbench.base.failures import memory_errors
from workbench.base.progress import Progress, silent
from workbench.base.work import finish
from workbench.benchmarks.engine import (
    SMALL,
    Bench,
    prepared,
    top_circuit,
    value_of,
)
from workbench.benchmarks.figures import Figure, Figures
from workbench.benchmarks.toggles import TOGGLES, toggle_times
from workbench.circuits.circuit import Circuit
from workbench.circuits.names import at_role, edge_ends
from workbench.discovery.catalogue import find_method
from workbench.discovery.estimates import eap
from workbench.discovery.findings import Findings
from workbench.discovery.options import Options
from workbench.discovery.selection import Selection, select
from workbench.effects.role_map import role_map
from workbench.engine.patch_points import KINDS
from workbench.experiment.experiment import Experiment
from workbench.experiment.prepare import NO_MEMORY

AT_ROLES = 400
"""Edges at roles of the circuit of such edges, about."""


def measure_by_role(
    name: str,
    task: str = "ioi",
    *,
    pairs: int = 16,
    seed: int = 0,
    device: str | None = None,
    device_map: str | None = None,
    dtype: str | None = None,
    rounds: int = 5,
    progress: Progress | None = None,
) -> Figures:
    """Measure edges at roles; arguments and errors as of `engine.measure`."""
    say = progress or silent
    model, batch, watch, figures = prepared(name, task, pairs, seed, device, dtype, say, device_map)
    with memory_errors(NO_MEMORY):
        experiment = Experiment(model, batch, metric="logit_diff")
        scores = eap(experiment)
        whole = top_circuit(model.graph, scores, SMALL)
        bench = Bench(model, batch, experiment, scores, {SMALL: whole}, watch)
        findings = _by_role(experiment)
        at_roles = _circuit(findings)
        for work in (watch.forward, watch.backward):
            work()  # the first one is slower
        say("Measuring toggles", 0.1)
        for circuit, of in (
            (whole, f"{whole.n_edges} whole edges"),
            (at_roles, f"{parts_of(at_roles)} edges at roles"),
        ):
            ratios, seconds = toggle_times(
                bench.experiment, bench.watch, circuit, _toggled(bench, circuit, seed)
            )
            label = f"toggling an edge at a role in a circuit of {of}"
            figures.add(
                Figure.of(
                    label,
                    ratios,
                    "F",
                    percentile=True,
                    aim=0.03,
                    seconds=seconds,
                    note="random where they carry something, half of them kept, the others among "
                    "its nodes; metric included",
                )
            )
        say("Measuring evaluations", 0.5)
        ratios, seconds = watch.ratios(partial(value_of, experiment, at_roles), rounds)
        label = f"evaluating from nothing: {parts_of(at_roles)} edges at roles"
        figures.add(Figure.of(label, ratios, "F", aim=0.5, seconds=seconds))
        say("Measuring EAP", 0.6)
        times = watch.alternating([lambda: eap(experiment), lambda: _by_role(experiment)], rounds)
        slower = [by_role / alone for alone, by_role in times]
        figures.add(Figure.of("EAP by role, beside EAP", slower, "x", aim=1.15))
        say("Measuring maps", 0.7)
        figures.add(_maps(bench))
    return figures


def _by_role(experiment: Experiment) -> Findings:
    findings = Findings.about(experiment, "eap", by_role=True)
    finish(find_method("eap").load()(experiment, findings, Options()))
    return findings


def _circuit(findings: Findings) -> Circuit:
    """The best edges at roles, as many as leave about `AT_ROLES` without dead ends."""
    n, kept = AT_ROLES, 0
    while kept < AT_ROLES and n < findings.edges.size:
        selected = select(findings, Selection("top", n, by_role=True))
        kept, n = selected.kept, n + n // 5
    return selected.circuit


def parts_of(circuit: Circuit) -> int:
    """How many edges at roles a circuit is, a whole edge counting as one."""
    return len(circuit.parts())


def _toggled(bench: Bench, circuit: Circuit, seed: int) -> list[str]:
    """Edges at roles: as many at which they are kept as at which they are not, mixed.

    Only roles at which the two runs of a pair can differ: elsewhere an edge carries nothing.
    """
    generator = random.Random(seed)
    roles = carrying_roles(bench.experiment)
    graph = circuit.graph
    parts = [(e, r) for e in circuit.edges() for r in circuit.at.kept.get(e, roles)]
    kept = [at_role(edge, role) for edge, role in parts if role in roles]
    nodes = set(circuit.nodes())
    others = [
        at_role(edge, role)
        for edge in graph.edges()
        for role in roles
        if not circuit.has(at_role(edge, role))
        and edge_ends(edge)[0] in nodes
        and graph.node_of(edge_ends(edge)[1]) in nodes
    ]
    chosen = generator.sample(kept, TOGGLES) + generator.sample(others, min(TOGGLES, len(others)))
    generator.shuffle(chosen)
    return chosen


def carrying_roles(experiment: Experiment) -> list[str]:
    """The roles of the positions at which the two runs of some pair can differ."""
    found = set()
    for recording in experiment.recordings:
        assert recording.role_of is not None
        found |= set(np.unique(recording.role_of).tolist())
    return [name for role, name in enumerate(experiment.batch.roles.names) if role in found]


def _maps(bench: Bench) -> Figure:
    """All points of all kinds at every role, once."""
    n = 0

    def everything() -> None:
        nonlocal n
        n = sum(int(np.size(role_map(bench.experiment, kind).values)) for kind in KINDS)

    ratios, seconds = bench.watch.ratios(everything, 1)
    label = "activation patching layer by role, a patching"
    return Figure.of(
        label,
        [ratio / n for ratio in ratios],
        "F",
        aim=0.15,
        seconds=[taken / n for taken in seconds],
        note=f"all {n:,}: of residual, attention, MLPs and heads, at every role",
    )
