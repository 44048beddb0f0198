"""An assessment of a circuit with edges at roles, against the references and brute force."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import numpy as np
import pytest

from tests.support.cases.batches import ROLES
from tests.support.references.by_role import by_role, mixed
from workbench import load_model, prepare
from workbench.assessment.parts import (
    chance,
    completeness,
    curve,
    directions,
    hypotheses,
    minimality,
    stability,
)
from workbench.assessment.results.chance import DEFINITIONS_BY_ROLE, SHAPE, SIZE
from workbench.assessment.settings import AssessmentSettings
from workbench.assessment.tools.carrying import carrying_parts, roles_in, with_kept
from workbench.assessment.tools.random_by_role import RandomByRole
from workbench.assessment.tools.variants import alive
from workbench.base.work import finish
from workbench.circuits.circuit import Circuit
from workbench.circuits.edge_roles import EdgeRoles
from workbench.circuits.names import edge_ends, split_role
from workbench.discovery.gradients.pair_scores import pair_scores, pair_scores_by_role
from workbench.discovery.options import Options
from workbench.engine.evaluator import Evaluator
from workbench.engine.kept_edges import as_bits, kept_edges, role_arrays
from workbench.engine.plan import pruned_by_roles
from workbench.engine.role_layout import RoleLayout
from workbench.errors import WorkbenchError
from workbench.experiment.experiment import Experiment

SETTINGS = AssessmentSettings(n_random=6, resamples=20, n_repeats=1, n_subsets=4)


@cache
def circuit_of_case(density: float = 0.3) -> Circuit:
    return mixed(by_role("gpt2").case.experiment.graph, 1, density)


def experiment_of_case() -> Experiment:
    return by_role("gpt2").case.experiment


def spread(circuit: Circuit, experiment: Experiment) -> Circuit:
    """Every edge at all roles at which it can carry something: the same circuit otherwise."""
    at = EdgeRoles(experiment.batch.roles.names)
    own = Circuit(circuit.graph, circuit.mask.copy(), at=at)
    return with_kept(own, as_bits(kept_edges(circuit)) & carrying_parts(experiment))


def without(circuit: Circuit, name: str) -> Circuit:
    left = circuit.copy()
    left.toggle(name)
    return left


@pytest.mark.parametrize(("family", "ablation"), [("gpt2", "patching"), ("llama", "mean")])
def test_losses_equal_the_reference(family: str, ablation: str) -> None:
    case = by_role(family, ablation)
    circuit = mixed(case.case.graph, 1)
    constants = ablation != "patching"
    found = finish(minimality.assess_part(case.case.experiment, circuit, SETTINGS))
    assert {loss.name for loss in found.edges} == set(circuit.parts())
    assert any("@" in loss.name and not loss.dead for loss in found.edges)
    for loss in found.edges[::5]:
        expected = case.metric(without(circuit, loss.name), constants=constants).mean()
        assert loss.metric == pytest.approx(expected, abs=2e-5)
    for loss in found.nodes[::3]:
        left = circuit.copy()
        gone = [p for p in circuit.parts() if loss.name in nodes_of(circuit, p)]
        for part in gone:
            left.toggle(part)
        expected = case.metric(left, constants=constants).mean()
        assert loss.metric == pytest.approx(expected, abs=2e-5)
        assert loss.edges == len(gone)


def nodes_of(circuit: Circuit, part: str) -> tuple[str, str]:
    source, destination = edge_ends(split_role(part)[0])
    return source, circuit.graph.node_of(destination)


def test_both_directions_equal_brute_force() -> None:
    experiment, case = experiment_of_case(), by_role("gpt2")
    circuit = circuit_of_case()
    found = finish(directions.assess_part(experiment, circuit, SETTINGS))
    every = Circuit.full(circuit.graph)
    every.at = EdgeRoles(ROLES)
    rest = every.copy()
    for part in circuit.parts():
        rest.toggle(part)
    assert found.without == pytest.approx(case.metric(rest).mean(), abs=2e-5)
    assert [part.name for part in found.edges] == circuit.parts()
    for component in found.edges[::7]:
        expected = case.metric(without(every, component.name)).mean()
        assert component.noised == pytest.approx(expected, abs=2e-5)


def test_a_circuit_at_all_its_roles_has_the_numbers_of_the_whole_one() -> None:
    experiment = experiment_of_case()
    whole = alive(Circuit(circuit_of_case().graph, circuit_of_case().mask.copy()))
    circuit = spread(whole, experiment)
    assert circuit.at and circuit.n_edges == whole.n_edges
    both = whole, circuit
    first, second = (finish(minimality.assess_part(experiment, c, SETTINGS)) for c in both)
    assert second.circuit == pytest.approx(first.circuit, abs=1e-5)
    nodes = [{loss.name: loss.change for loss in found.nodes} for found in (first, second)]
    assert nodes[1] == pytest.approx(nodes[0], abs=2e-5)
    rest = [finish(directions.assess_part(experiment, c, SETTINGS)).without for c in both]
    assert rest[1] == pytest.approx(rest[0], abs=1e-5)
    gaps = [finish(completeness.assess_part(experiment, c, SETTINGS)).points for c in both]
    assert [p.circuit for p in gaps[1]] == pytest.approx([p.circuit for p in gaps[0]], abs=2e-5)
    tests = [finish(hypotheses.assess_part(experiment, c, SETTINGS)).tests for c in both]
    for one, other in zip(tests[0][:2], tests[1][:2], strict=True):
        assert other.name == one.name and other.p == pytest.approx(one.p)


def test_nothing_is_carried_where_the_runs_are_alike() -> None:
    model = load_model("known", device="cpu", dtype="float32")
    experiment = prepare(model, "induction", pairs=4)
    names, can = experiment.batch.roles.names, carrying_parts(experiment)
    carries = {
        name for name, here in zip(names, role_arrays(can, len(names)), strict=True) if here.any()
    }
    assert {"first", "next", "second"} <= carries < set(names) and "BOS" not in carries


@pytest.mark.parametrize(("n_whole", "n_at_roles"), [(0, 1), (0, 7), (3, 4), (5, 30), (0, 80)])
def test_random_circuits_are_alive_and_of_that_size(n_whole: int, n_at_roles: int) -> None:
    experiment = experiment_of_case()
    random, layout = RandomByRole(experiment, 0), RoleLayout.of(experiment.batch.roles)
    seen = set()
    for _ in range(5):
        kept = random.of_parts(n_whole, n_at_roles)
        seen.add(kept.tobytes())
        assert np.array_equal(pruned_by_roles(random.graph, kept, layout), kept)
        made = with_kept(spread(circuit_of_case(), experiment), kept)
        assert made.n_parts == n_whole + n_at_roles
    assert n_at_roles == 1 or len(seen) > 1


def test_a_path_leads_through_from_role_to_role() -> None:
    experiment = experiment_of_case()
    random, layout = RandomByRole(experiment, 2), RoleLayout.of(experiment.batch.roles)
    kept = as_bits(kept_edges(alive(circuit_of_case(), experiment.batch.roles)))
    for _ in range(40):
        more = kept.copy()
        path = random.path_of_parts(kept)
        assert path
        for source, column, bit in path:
            assert not kept[source, column] & bit
            more[source, column] |= bit
        assert np.array_equal(pruned_by_roles(random.graph, more, layout), more)


def test_random_circuits_are_scored_as_any_other() -> None:
    experiment, case, circuit = experiment_of_case(), by_role("gpt2"), circuit_of_case()
    kept = alive(circuit, experiment.batch.roles)
    found = finish(chance.assess_part(experiment, circuit, SETTINGS))
    assert found.edges == kept.n_parts == len(kept.parts())
    for number, baseline in enumerate(found.baselines):
        assert baseline.definition == DEFINITIONS_BY_ROLE[baseline.kind]
        random = RandomByRole(experiment, (SETTINGS.seed, number))
        own = as_bits(kept_edges(kept))
        drawn = random.like(kept) if baseline.kind == SIZE else random.of_shape(own)
        expected = case.metric(with_kept(kept, drawn)).mean()
        assert baseline.metrics[0] == pytest.approx(expected, abs=3e-5)
    assert [b.kind for b in found.baselines] == [SIZE, SHAPE]


def test_hypotheses_are_of_edges_at_roles() -> None:
    experiment, circuit = experiment_of_case(), circuit_of_case(0.15)
    found = finish(hypotheses.assess_part(experiment, circuit, SETTINGS))
    assert [test.edge for test in found.tests if test.edge] == circuit.parts()
    compared = [t.hypothesis for t in found.tests if "random circuit" in t.hypothesis]
    assert len(compared) == 2 and all("at token roles" in words for words in compared)


def test_the_curve_ends_at_the_model_and_counts_edges_at_roles() -> None:
    experiment, circuit = experiment_of_case(), circuit_of_case()
    found = finish(curve.assess_part(experiment, circuit, SETTINGS))
    n = roles_in(carrying_parts(experiment))
    assert found.n_edges == n > experiment.graph.n_edges
    for each in found.curves:
        assert each.points[-1].asked == n
        assert each.points[-1].metric == pytest.approx(experiment.clean.metric, abs=1e-5)
        assert all(b.asked >= a.asked for a, b in pairwise(each.points))


def test_what_each_pair_scores_by_role_adds_up_to_its_edges() -> None:
    experiment = experiment_of_case()
    whole = finish(pair_scores(experiment, "eap", Options()))
    at_roles = finish(pair_scores_by_role(experiment, "eap", Options()))
    np.testing.assert_allclose(at_roles.sum(axis=1), whole, atol=1e-5)


def no_others(*_: object) -> Experiment:
    raise WorkbenchError("There are no others.")


def test_what_is_found_again_is_edges_at_roles(monkeypatch: pytest.MonkeyPatch) -> None:
    experiment, circuit = experiment_of_case(), circuit_of_case()
    # The pairs were never text, so that there are no others of their kind.
    monkeypatch.setattr(stability, "rephrased", no_others)
    found = finish(stability.assess_part(experiment, circuit, SETTINGS))
    (bootstrap,) = found.resamplings
    names = {edge.edge for edge in bootstrap.edges}
    assert all("@" in name for name in names)
    assert {name for name in circuit.parts() if name in names} == {
        name for name in names if split_role(name)[0] in circuit.at.kept
    }
    # By hand, from the scores of each pair and the same draws.
    scores = finish(pair_scores_by_role(experiment, "eap", Options(seed=SETTINGS.seed)))
    drawn = np.random.default_rng(SETTINGS.seed).integers(0, len(scores), (20, len(scores)))
    edges = experiment.graph.edges()
    order = {name: i for i, name in enumerate(row_major(circuit))}
    assert sorted(order) == sorted(edges)
    counts = dict.fromkeys(names, 0)
    for pairs in drawn:
        size = np.abs(scores[pairs].mean(axis=0))
        best = set(np.argsort(-size.reshape(-1), kind="stable")[: found.size].tolist())
        for name in names:
            edge, role = split_role(name)
            counts[name] += ROLES.index(role) * len(order) + order[edge] in best
    for found_again in bootstrap.edges:
        assert found_again.share == pytest.approx(counts[found_again.edge] / 20)


def row_major(circuit: Circuit) -> list[str]:
    graph = circuit.graph
    pairs = np.argwhere(Circuit.full(graph).mask)
    return [graph.edge_name(int(s), int(d)) for s, d in pairs]


def test_the_evaluator_agrees_with_what_is_alive() -> None:
    experiment, circuit = experiment_of_case(), circuit_of_case()
    kept = alive(circuit, experiment.batch.roles)
    assert len(kept.parts()) < len(circuit.parts())
    values = [Evaluator(experiment, one).value().metric for one in (circuit, kept)]
    assert values[1] == pytest.approx(values[0], abs=1e-5)
