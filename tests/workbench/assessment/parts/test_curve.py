"""The curve over sizes, CPR and CMD, against the definition written out on the plain model."""

from __future__ import annotations

import json
import math
import statistics
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.support.cases.engine_cases import Case, case
from workbench.assessment.parts import curve as module
from workbench.assessment.parts.curve import SHARES, area, assess_part, curve
from workbench.assessment.results.curve import Curve, Curves
from workbench.assessment.settings import AssessmentSettings
from workbench.base.work import Work, finish
from workbench.circuits.circuit import Circuit, all_edges
from workbench.circuits.graph import Graph
from workbench.discovery.catalogue import METHODS, Method
from workbench.discovery.estimates import estimates
from workbench.discovery.findings import Findings
from workbench.discovery.options import Options
from workbench.engine.evaluator import Evaluator
from workbench.errors import WorkbenchError
from workbench.experiment.experiment import Experiment

GRID = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1)


def scored(c: Case, seed: int = 0) -> Findings:
    """Random scores of both signs, all different."""
    findings = Findings.of(c.graph, "eap", "logit_diff")
    real = all_edges(c.graph)
    findings.edges[real] = np.random.default_rng(seed).normal(size=real.sum())
    return findings


def pruned(edges: set[str], graph: Graph) -> set[str]:
    """Without edges that no path from the input comes to, or that lead nowhere, one by one."""
    edges = set(edges)
    while True:
        into = {edge.partition("->")[2].partition("<")[0] for edge in edges} | {"input"}
        out_of = {edge.partition("->")[0] for edge in edges} | {"logits"}
        dead = {
            edge
            for edge in edges
            if edge.partition("->")[0] not in into
            or edge.partition("->")[2].partition("<")[0] not in out_of
        }
        if not dead:
            return edges
        edges -= dead


def expected(c: Case, findings: Findings, absolute: bool) -> dict[str, list[float]]:
    """The definition, edge by edge and on the plain model's hooks."""
    scores = {
        edge: float(findings.edges[c.graph.parse_edge(edge)]) * findings.needed
        for edge in c.graph.edges()
    }
    order = sorted(scores, key=lambda edge: -(abs(scores[edge]) if absolute else scores[edge]))
    clean = float(c.circuit_metric(set(scores)).mean())
    corrupted = float(c.circuit_metric(set()).mean())
    found: dict[str, list[float]] = {"asked": [], "kept": [], "f": []}
    for p in GRID:
        n = int(p * len(order))
        kept = pruned(set(order[:n]), c.graph)
        metric = float(c.circuit_metric(kept).mean())
        found["asked"].append(n)
        found["kept"].append(len(kept))
        found["f"].append((metric - corrupted) / (clean - corrupted))
    return found


@pytest.mark.parametrize("absolute", [False, True])
@pytest.mark.parametrize(("family", "needed"), [("gpt2", -1), ("llama", 1)])
def test_the_curve_is_that_of_the_definition(family: str, needed: int, absolute: bool) -> None:
    c = case(family)
    findings = replace(scored(c), needed=needed)
    found = finish(curve(c.experiment, findings, absolute=absolute))
    wanted = expected(c, findings, absolute)
    f = wanted["f"]
    assert [p.share for p in found.points] == list(GRID)
    assert [p.asked for p in found.points] == wanted["asked"]
    assert [p.kept for p in found.points] == wanted["kept"]
    assert [p.faithfulness for p in found.points] == pytest.approx(f, abs=1e-3)
    assert found.points[-1].faithfulness == pytest.approx(1, abs=1e-4)
    cpr = cmd = log_cpr = log_cmd = small_cpr = small_cmd = 0.0
    for i in range(9):
        width, log_width = GRID[i + 1] - GRID[i], math.log(GRID[i + 1]) - math.log(GRID[i])
        height, gap = (f[i] + f[i + 1]) / 2, (abs(1 - f[i]) + abs(1 - f[i + 1])) / 2
        cpr, cmd = cpr + width * height, cmd + width * gap
        log_cpr, log_cmd = log_cpr + log_width * height, log_cmd + log_width * gap
        if GRID[i + 1] <= 0.05:
            small_cpr, small_cmd = small_cpr + width * height, small_cmd + width * gap
    for name, pair in (
        ("linear", (cpr, cmd)),
        ("log", (log_cpr, log_cmd)),
        ("small", (small_cpr / 0.049, small_cmd / 0.049)),
    ):
        made = getattr(found, name)
        assert (made.cpr, made.cmd) == pytest.approx(pair, abs=5e-3), name
    assert found.mean == pytest.approx(statistics.fmean(f), abs=1e-3)


def test_the_sizes_of_gpt2_are_mibs() -> None:
    n_edges = Graph(12, 12).n_edges
    assert n_edges == 32491
    assert [int(share * n_edges) for share in SHARES] == [
        *(32, 64, 162, 324, 649, 1624, 3249, 6498, 16245, 32491)
    ]


def test_a_perfect_circuit_at_every_size() -> None:
    perfect = [1.0] * 10
    assert area(SHARES, perfect).cpr == pytest.approx(0.999)
    assert area(SHARES, perfect).cmd == 0
    assert area([math.log(p) for p in SHARES], perfect).cpr == pytest.approx(math.log(1000))
    assert area(SHARES[:6], perfect[:6], of_width=True).cpr == pytest.approx(1)
    # Each size's weight in the area, as it follows from the grid.
    weights = [area(SHARES, [float(i == k) for i in range(10)]).cpr for k in range(10)]
    assert weights == pytest.approx(
        [0.0005, 0.002, 0.004, 0.0075, 0.02, 0.04, 0.075, 0.2, 0.4, 0.25]
    )


@given(st.lists(st.floats(-3, 3), min_size=10, max_size=10))
def test_areas_are_two_sided_and_bound_each_other(f: list[float]) -> None:
    found = area(SHARES, f)
    below = area(SHARES, [min(value, 2 - value) for value in f])
    assert found.cpr is not None
    assert found.cmd is not None
    assert found.cmd >= abs(0.999 - found.cpr) - 1e-9
    assert below.cmd == pytest.approx(found.cmd)


def test_no_area_where_no_faithfulness_is() -> None:
    assert area(SHARES, [1.0] * 9 + [None]).cpr is None


def whole(c: Case, circuit: Circuit, **told: str) -> Curves:
    return finish(assess_part(c.experiment, circuit, AssessmentSettings(**told)))  # type: ignore[arg-type]


def known(points: Curve) -> list[float | None]:
    return [p.faithfulness for p in points.points]


@pytest.mark.parametrize("sign", [1, -1])
def test_the_circuits_own_scores_are_used_whatever_their_sign_means(sign: int) -> None:
    """EAP-IG's files hold what corruption does to a loss, ours what it does to the metric."""
    c = case("gpt2")
    estimated = estimates(c.experiment)
    circuit = Circuit.empty(c.graph)
    noise = np.random.default_rng(1).normal(size=estimated.shape) * np.abs(estimated).mean() / 5
    circuit.scores = (sign * (estimated + noise)).astype(np.float32)
    found = whole(c, circuit)
    findings = replace(scored(c), edges=circuit.scores, needed=-sign)
    assert found.scores == "the circuit's own"
    assert ("negative" if sign == 1 else "positive") in found.remarks[0]
    assert [c.absolute for c in found.curves] == [False, True]
    for made in found.curves:
        assert made == finish(curve(c.experiment, findings, absolute=made.absolute))
    assert found.circuit_edges == 0
    assert found.circuit_faithfulness == pytest.approx(0, abs=1e-6)


def stand_in(monkeypatch: pytest.MonkeyPatch, scores: NDArray[np.float32]) -> list[Options]:
    """A method that gives these scores, and what it was told."""
    told: list[Options] = []

    def find(experiment: Experiment, findings: Findings, options: Options) -> Work[None]:
        yield 0.5
        told.append(options)
        findings.edges[:] = scores
        findings.complete = True

    monkeypatch.setattr(Method, "load", lambda self: find)
    return told


@pytest.mark.parametrize("partial", ["none", "some", "zero"])
def test_without_scores_of_its_own_a_method_scores(
    partial: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    c = case("gpt2")
    scores = scored(c).edges
    told = stand_in(monkeypatch, scores)
    circuit = Circuit.full(c.graph)
    if partial == "some":
        circuit.scores = np.where(np.arange(scores.shape[1]) < 5, scores, np.nan).astype(np.float32)
    elif partial == "zero":
        circuit.scores = np.zeros_like(scores)
    found = whole(c, circuit, method="eap-ig")
    assert found.scores == "eap-ig"
    assert [options.steps for options in told] == [METHODS["eap-ig"].defaults["steps"]]
    assert bool(found.remarks) == (partial == "some")
    findings = replace(scored(c), edges=scores)
    assert known(found.curves[0]) == known(finish(curve(c.experiment, findings, absolute=False)))
    assert found.circuit_faithfulness == pytest.approx(1, abs=1e-4)


def test_by_default_eap_scores() -> None:
    c = case("gpt2")
    found = whole(c, Circuit.full(c.graph))
    estimated = np.where(all_edges(c.graph), estimates(c.experiment), np.nan).astype(np.float32)
    findings = replace(scored(c), edges=estimated)
    assert found.scores == "eap"
    for made in found.curves:
        again = finish(curve(c.experiment, findings, absolute=made.absolute))
        assert known(made) == pytest.approx(known(again), abs=1e-6)


def test_greedy_is_another_selection() -> None:
    c = case("gpt2")
    findings = scored(c)
    greedy, top = (
        finish(curve(c.experiment, findings, how, absolute=True)) for how in ("greedy", "top")
    )
    assert greedy.selection == "greedy"
    for a, b in zip(greedy.points, top.points, strict=True):
        assert (a.share, a.asked) == (b.share, b.asked)
    assert known(greedy) != known(top)
    assert greedy.points[-1].kept == c.graph.n_edges


def test_the_same_circuit_is_evaluated_once(monkeypatch: pytest.MonkeyPatch) -> None:
    c = case("gpt2")
    made = []
    plain = module.Evaluator

    def counted(*rest: Any) -> Evaluator:
        made.append(rest[1].mask.tobytes())
        return plain(*rest)

    monkeypatch.setattr(module, "Evaluator", counted)
    cache: dict[bytes, float] = {}
    for absolute in (False, True):
        finish(curve(c.experiment, scored(c), absolute=absolute, known=cache))
    assert len(made) == len(set(made)) == len(cache)


def test_bad_input() -> None:
    with pytest.raises(WorkbenchError, match="another model"):
        whole(case("gpt2"), Circuit.full(Graph(5, 3)))
    with pytest.raises(WorkbenchError, match="scores edges, and acdc does not"):
        AssessmentSettings(method="acdc")
    zero = Experiment(case("gpt2").model, case("gpt2").experiment.batch, ablation="zero")
    with pytest.raises(WorkbenchError, match="for the ablation patching alone, not for zero"):
        whole(replace(case("gpt2"), experiment=zero), Circuit.full(zero.graph), method="eap-ig")


def test_the_result_is_plain() -> None:
    c = case("gpt2")
    circuit = Circuit.full(c.graph)
    circuit.scores = scored(c).edges
    found = whole(c, circuit)
    again = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert again["curves"][1]["points"][9]["asked"] == c.graph.n_edges
