"""Information flow routes, against explicit loops over what the reference's nodes write."""

from __future__ import annotations

from typing import cast

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.support.cases.engine_cases import FAMILIES, Case, case
from tests.support.cases.family_cases import usual_case
from tests.support.cases.node_cases import node_case, workspace_of
from tests.support.references.family import FamilyReference
from workbench.base.work import finish
from workbench.circuits.circuit import all_edges
from workbench.discovery.catalogue import find_method
from workbench.discovery.findings import Findings
from workbench.discovery.options import Options
from workbench.experiment.experiment import Experiment


def found(experiment: Experiment) -> Findings:
    findings = Findings.of(experiment.graph, "ifr", experiment.metric_name)
    finish(find_method("ifr").load()(experiment, findings, Options()))
    assert findings.complete
    return findings


def shares(residual: Tensor, written: list[Tensor]) -> list[float]:
    """Of one position's residual [d_model] and what sources wrote there."""
    y = residual.double()
    near = [max(float(y.abs().sum() - (y - z.double()).abs().sum()), 0.0) for z in written]
    return [n / sum(near) if sum(near) else 0.0 for n in near]


def expected(
    c: Case, destination: str, written: list[dict[str, Tensor]], inputs: list
) -> np.ndarray:
    """Scores [source] of the edges into a destination."""
    total = np.zeros(c.graph.n_sources)
    parents = c.graph.n_parents(c.graph.destination_index(destination))
    for writes, residuals in zip(written, inputs, strict=True):
        residual = residuals[destination]
        n, length = residual.shape[:2]
        for pair in range(n):
            for position in range(length):
                sources = c.graph.sources[:parents]
                zs = [writes[source][pair, position] for source in sources]
                own = shares(residual[pair, position], zs)
                total[:parents] += np.array(own) / length / c.experiment.n_pairs
    return total


@pytest.mark.parametrize("family", FAMILIES)
def test_scores_are_mean_shares(family: str) -> None:
    c = case(family)
    findings = found(c.experiment)
    assert findings.needed == 1
    inputs: list[dict[str, Tensor]] = []
    for reference in c.references:
        seen: dict[str, Tensor] = {}

        def keep(
            d: str, x: Tensor, writes: dict[str, Tensor], seen: dict[str, Tensor] = seen
        ) -> Tensor:
            seen[d] = x.clone()
            return x

        reference._run(reference.clean, keep, {})
        inputs.append(seen)
    written = [reference.clean_writes for reference in c.references]
    assert (np.isnan(findings.edges) == ~all_edges(c.graph)).all()
    for destination in ("a0.h0<q>", "m0", "a1.h1<k>", "m1", "a1.h0<v>", "logits"):
        column = findings.edges[:, c.graph.destination_index(destination)]
        wanted = expected(c, destination, written, inputs)
        parents = c.graph.n_parents(c.graph.destination_index(destination))
        np.testing.assert_allclose(column[:parents], wanted[:parents], rtol=0, atol=1e-5)
        # Less than 1 where a learned position is so large that no source is close.
        whole = column[:parents].sum()
        assert whole == pytest.approx(1, abs=1e-4) or (family == "gpt2" and 0.8 < whole < 1)


@pytest.mark.parametrize("name", ["gemma2", "olmo2"])
def test_heads_before_a_norm_write_with_its_scale_held(name: str) -> None:
    """With the scale of an RMSNorm held, the norm of a sum splits as the sum does."""
    c = usual_case(name)
    written = []
    references = cast(list[FamilyReference], c.references)
    for reference in references:
        assert isinstance(reference, FamilyReference)
        writes = dict(reference.clean_writes)
        for layer in range(c.graph.n_layers):
            heads = [f"a{layer}.h{h}" for h in range(c.graph.n_heads)]
            whole = torch.stack([writes[head] for head in heads]).sum(0)
            with torch.no_grad():
                after = reference._attention_write(layer, whole)
            for head in heads:
                # Coordinate by coordinate the norm is one factor on what it reads.
                writes[head] = writes[head] * (after / whole)
        written.append(writes)
    inputs = [reference.clean_inputs for reference in references]
    findings = found(c.experiment)
    for destination in ("m0", "a1.h0<q>", "logits"):
        d = c.graph.destination_index(destination)
        parents = c.graph.n_parents(d)
        wanted = expected(c, destination, written, inputs)
        np.testing.assert_allclose(findings.edges[:parents, d], wanted[:parents], rtol=0, atol=1e-4)


def test_heads_of_a_layer_read_the_same() -> None:
    c = case("llama")
    edges = found(c.experiment).edges
    names = [f"a1.h{head}<{which}>" for head in range(c.graph.n_heads) for which in "qkv"]
    columns = edges[:, [c.graph.destination_index(name) for name in names]]
    assert np.array_equal(columns[:, :1].repeat(len(names), 1), columns, equal_nan=True)


def test_shares_do_not_depend_on_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    c = node_case("gpt_neox")
    whole = found(c.experiment).edges
    alone = np.mean([found(experiment).edges for experiment in c.by_pair()], axis=0)
    np.testing.assert_allclose(whole, alone, rtol=0, atol=1e-6)
    monkeypatch.setattr("workbench.discovery.methods.ifr.SLICE_BYTES", 1)
    np.testing.assert_allclose(found(c.experiment).edges, whole, rtol=0, atol=1e-6)


def test_neither_metric_nor_ablation_matters() -> None:
    c = node_case("gpt2")
    other = workspace_of(c.experiment.model, c.groups, metric="accuracy", ablation="zero")
    np.testing.assert_array_equal(found(other).edges, found(c.experiment).edges)
