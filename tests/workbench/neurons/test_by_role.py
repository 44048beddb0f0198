"""Neurons at a role: against hooks on the plain model, and against sums over the roles."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from tests.workbench.neurons.test_neurons import experiment_of, in_order, references
from workbench.base.work import finish
from workbench.circuits.circuit import Circuit
from workbench.engine.evaluator import Evaluator
from workbench.engine.neuron_patching import neuron_effects
from workbench.errors import WorkbenchError
from workbench.neurons.at_roles import neuron_by_role
from workbench.neurons.attribution import neuron_values
from workbench.neurons.estimates import estimated_effects
from workbench.neurons.inputs import neuron_inputs
from workbench.neurons.listing import exact_effects, neuron_list, neurons_of

pytestmark = pytest.mark.dependencies

some = pytest.mark.parametrize("name", ["gpt2", "llama", "gemma2", "gpt_neox"])


def difference(logits: torch.Tensor, group: Any) -> list[float]:
    """Each pair's logit difference."""
    sides = zip(logits, group.answers, group.wrong_answers, strict=True)
    return [float(row[list(a)].mean() - row[list(w)].mean()) for row, a, w in sides]


@some
def test_effects_at_a_role_are_those_of_corrupting_its_positions_by_hooks(name: str) -> None:
    experiment = experiment_of(name)
    roles, n = experiment.batch.roles, 5
    at_all = [role for role in roles.names if len(roles.having(role)) > 1]
    assert any(len(roles.having(role)) < experiment.n_pairs for role in at_all)
    for layer, role in ((0, at_all[0]), (1, at_all[-2]), (0, at_all[-1]), (2, at_all[-1])):
        seen = f"m{layer}.neurons"
        changes = []
        for r, group in zip(references(name), experiment.batch.groups, strict=True):

            def corrupt(where: str, x: Any, r: Any = r, group: Any = group) -> Any:
                if where != seen:  # noqa: B023
                    return x
                x = x.clone()
                view = x.view(len(r.clean), -1, x.shape[-1])
                other = r.corrupted_values[where].view(view.shape)
                for row, pair in enumerate(group.indices):
                    for at in roles.positions(role, pair):  # noqa: B023
                        view[row, at, n] = other[row, at, n]
                return x

            with torch.no_grad():
                changed, clean = r.run(corrupt), r.clean_logits
            changes.append(np.subtract(difference(changed, group), difference(clean, group)))
        expected = in_order(experiment, changes)
        base = Evaluator(experiment, Circuit.empty(experiment.graph))
        ((_, found),) = neuron_effects(base, layer, [n], role=role)
        np.testing.assert_allclose(found[0], expected, rtol=1e-4, atol=5e-5)
        listed = finish(neuron_list(experiment, f"m{layer}", position=role))
        (exact,) = exact_effects(experiment, listed, [n])
        having = list(roles.having(role))
        assert exact[n] == pytest.approx(expected[having].mean(), abs=5e-5)
        one = finish(neuron_list(experiment, f"m{layer}", position=role, pair=having[0]))
        (exact,) = exact_effects(experiment, one, [n])
        assert exact[n] == pytest.approx(expected[having[0]], abs=5e-5)


@some
def test_estimates_at_all_roles_add_up_and_values_are_those_of_the_last_token(name: str) -> None:
    experiment = experiment_of(name)
    roles = experiment.batch.roles
    whole = finish(estimated_effects(experiment, 1))
    each = [finish(estimated_effects(experiment, 1, role)) for role in roles.names]
    assert whole is not None
    summed = np.sum([one for one in each if one is not None], axis=0)
    np.testing.assert_allclose(summed, whole, rtol=0, atol=1e-6)
    role = roles.names[1]
    having = roles.having(role)
    singly = [
        neuron_values(experiment, 1, position=roles.positions(role, pair)[-1], pair=pair)
        for pair in having
    ]
    found = neuron_values(experiment, 1, position=role)
    own_fields = ("clean", "corrupted", "direct", "of_bias", "of_mlp")
    for field in (*own_fields, "direct_corrupted", "of_bias_corrupted", "of_mlp_corrupted"):
        mean = np.mean([getattr(one, field) for one in singly], axis=0)
        np.testing.assert_allclose(getattr(found, field), mean, rtol=0, atol=1e-5)
    rows = {one.role: one for one in neuron_by_role(experiment, "m1.n5").roles}
    assert tuple(rows) == roles.names and rows[role].pairs == len(having)
    assert rows[role].clean == pytest.approx(found.clean[5], abs=1e-6)
    assert rows[role].difference == pytest.approx(found.clean[5] - found.corrupted[5], abs=1e-6)
    alone = neuron_by_role(experiment, "m1.n5", pair=having[0])
    (own,) = [one for one in alone.roles if one.role == role]
    assert own.clean == pytest.approx(singly[0].clean[5], abs=1e-6) and own.pairs == 1
    place = roles.positions(role, having[0])[-1]
    assert own.token == experiment.batch.tokens(having[0])[0][place]
    fed = [
        neuron_inputs(experiment, "m1.n5", position=roles.positions(role, pair)[-1], pair=pair)
        for pair in having
    ]
    mean = np.mean([one.gate for one in fed])
    assert neuron_inputs(experiment, "m1.n5", position=role).gate == pytest.approx(mean, abs=1e-5)


def test_at_a_role_effects_are_in_the_full_model_and_all_others_too() -> None:
    experiment = experiment_of("gpt2")
    role = experiment.batch.roles.names[-1]
    with pytest.raises(WorkbenchError, match="choose the setting full"):
        neurons_of(experiment, "m1", setting="within", position=role)
    with pytest.raises(WorkbenchError, match="No pair has a role 'XX'"):
        neurons_of(experiment, "m1", position="XX")
    listed = neurons_of(experiment, "m1", exact=2, position=role)
    every = neurons_of(experiment, "m1", exact=0, position=role)
    assert listed.rest is not None and every.rest is not None and listed.rest != every.rest
    with pytest.raises(WorkbenchError, match="numbered from 0"):
        neuron_by_role(experiment, "m1.n4000")
