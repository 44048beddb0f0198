"""Sweeps over edges, against one run of the whole model with hooks for every edge."""

from __future__ import annotations

from threading import Event

import numpy as np
import pytest

from tests.support.cases.session_cases import ready
from workbench.circuits.circuit import Circuit
from workbench.engine.edge_sweep import sweep_edges
from workbench.engine.evaluator import Edit, Evaluator
from workbench.engine.patching import edge_effects
from workbench.errors import WorkbenchError
from workbench.experiment.carrying import CarryingRoles
from workbench.experiment.experiment import Experiment


@pytest.fixture(scope="module", params=["gpt2", "llama", "neox"])
def experiment(request: pytest.FixtureRequest) -> Experiment:
    return ready(request.param).runs.experiment


def test_it_is_every_edges_own_effect_largest_first(experiment: Experiment) -> None:
    graph = experiment.graph
    swept = sweep_edges(experiment, ["logits", "a1.h0"], ["input", "m0"])
    wanted = [
        f"{source}->{destination}"
        for destination in ("logits", "a1.h0<q>", "a1.h0<k>", "a1.h0<v>")
        for source in ("input", "m0")
    ]
    assert {row.edge for row in swept.rows} == set(wanted)
    sizes = [abs(row.effect) for row in swept.rows]
    assert sizes == sorted(sizes, reverse=True) and swept.complete
    full = Evaluator(experiment, Circuit.full(graph))
    for row in swept.rows:
        one = full.what_if([Edit(toggle=(row.edge,))]).mean() - experiment.clean.metric
        assert row.effect == pytest.approx(one, abs=1e-5)
        assert row.kept is None
    single = sweep_edges(experiment, ["a1.h0<v>"])
    assert len(single.rows) == graph.n_parents(graph.destination_index("a1.h0<v>"))
    assert sweep_edges(experiment).n_edges == graph.n_edges


def test_q_k_and_v_together_are_one_candidate(experiment: Experiment) -> None:
    swept = sweep_edges(experiment, ["a1.h1", "m1"], together=True)
    edges = {row.edge: row.effect for row in swept.rows}
    apart = {row.edge: row.effect for row in sweep_edges(experiment, ["a1.h1", "m1"]).rows}
    full = Evaluator(experiment, Circuit.full(experiment.graph))
    three = tuple(f"m0->a1.h1<{which}>" for which in "qkv")
    wanted = full.what_if([Edit(toggle=three)]).mean() - experiment.clean.metric
    assert edges["m0->a1.h1"] == pytest.approx(wanted, abs=1e-5)
    assert edges["m0->m1"] == pytest.approx(apart["m0->m1"], abs=1e-5)
    assert len(edges) == len({name.partition("<")[0] for name in apart})


@pytest.mark.parametrize("setting", ["along", "within"])
def test_q_k_and_v_together_along_and_within_a_circuit(
    experiment: Experiment, setting: str
) -> None:
    kept = [f"m0->a1.h0<{which}>" for which in "qkv"]
    circuit = Circuit.from_edges(
        experiment.graph, ["input->m0", *kept[:2], "a1.h0->logits", "m0->logits"]
    )
    swept = sweep_edges(
        experiment, ["a1.h0"], ["m0"], setting=setting, circuit=circuit, together=True
    )
    (row,) = swept.rows
    assert row.edge == "m0->a1.h0" and row.kept == pytest.approx(2 / 3)
    evaluator = Evaluator(experiment, circuit)
    without = evaluator.what_if([Edit(toggle=tuple(kept[:2]))]).mean()
    if setting == "within":
        wanted = without - evaluator.what_if([Edit(toggle=(kept[2],))]).mean()
    else:  # both travel on along the circuit: here it is as wide as the model's paths out of a1.h0
        full = Circuit.full(experiment.graph)
        ((_, alone),) = edge_effects(Evaluator(experiment, full), ["m0->a1.h0"], "along")
        ((_, model),) = edge_effects(Evaluator(experiment, full), ["m0->a1.h0"], "full")
        assert alone[0] == pytest.approx(model[0], abs=1e-5)
        return
    assert row.effect == pytest.approx(float(wanted), abs=1e-5)


@pytest.mark.parametrize("setting", ["along", "within"])
def test_a_circuits_settings_and_what_is_kept(experiment: Experiment, setting: str) -> None:
    circuit = Circuit.from_edges(
        experiment.graph, ["input->m0", "m0->a1.h0<v>", "a1.h0->logits", "m0->logits"]
    )
    swept = sweep_edges(experiment, ["logits"], setting=setting, circuit=circuit)
    evaluator = Evaluator(experiment, circuit)
    names = [row.edge for row in swept.rows]
    wanted = {
        name: effect
        for batch, effects in edge_effects(evaluator, names, setting)
        for name, effect in zip(batch, effects, strict=True)
    }
    for row in swept.rows:
        assert row.effect == pytest.approx(wanted[row.edge], abs=1e-5)
        assert row.kept == (1.0 if row.edge in circuit.edges() else 0.0)


def test_it_stops_with_what_it_has_and_refuses(experiment: Experiment) -> None:
    stop = Event()
    swept = sweep_edges(
        experiment, progress=lambda fraction: stop.set(), cancel=stop, together=True
    )
    assert 0 < len(swept.rows) < swept.n_edges and not swept.complete
    table = swept.table()
    assert table.columns == ("source", "destination", "effect", "kept")
    assert np.isfinite([row[2] for row in table.rows if isinstance(row[2], float)]).all()
    for into, out_of, setting, said in (
        (["m9"], [], "full", "m9"),
        (["a0.h0"], ["m1"], "full", "No edge leads there"),
        ([], [], "within", "refers to a circuit"),
        ([], [], "odd", "no setting"),
    ):
        with pytest.raises(WorkbenchError, match=said):
            sweep_edges(experiment, into, out_of, setting=setting)
    other = Circuit.full(type(experiment.graph)(1, 1))
    with pytest.raises(WorkbenchError, match="another model"):
        sweep_edges(experiment, circuit=other)


def test_edges_by_role_have_an_effect_each(experiment: Experiment) -> None:
    graph, roles = experiment.graph, CarryingRoles.of_experiment(experiment)
    assert len(roles.anywhere) > 1 and roles.into(graph, "logits") == ()
    swept = sweep_edges(experiment, ["a1.h0", "logits"], ["m0"], by_role=True)
    named = {row.edge: row.effect for row in swept.rows}
    # Of the last layer's query only the last position is read.
    expected = {f"m0->a1.h0<{x}>@{role}" for x in "kv" for role in roles.anywhere}
    if graph.n_layers == 2:
        assert named.keys() == {*expected, "m0->a1.h0<q>", "m0->logits"}
    full = Evaluator(experiment, Circuit.full(graph))
    for name in expected:
        one = full.what_if([Edit(toggle=(name,))]).mean() - experiment.clean.metric
        assert named[name] == pytest.approx(one, abs=1e-5)
    everywhere = Edit(toggle=tuple(f"m0->a1.h0<k>@{role}" for role in roles.anywhere))
    whole = full.what_if([everywhere, Edit(toggle=("m0->a1.h0<k>",))]).mean(axis=1)
    assert whole[0] == pytest.approx(whole[1], abs=1e-5), "elsewhere it carries nothing"
    columns = swept.table().columns
    assert columns[2] == "role" and {row[2] for row in swept.table().rows} >= {*roles.anywhere}
    with pytest.raises(WorkbenchError, match="not both"):
        sweep_edges(experiment, ["a1.h0"], together=True, by_role=True)
