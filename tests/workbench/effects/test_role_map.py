"""Patching layer by role: against hooks on the model's own modules, and against node effects."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.support.cases.node_cases import NodeCase, node_case
from workbench.effects.node_map import node_map
from workbench.effects.role_map import role_map, role_maps
from workbench.engine.patch_points import KINDS
from workbench.errors import Cancelled, WorkbenchError
from workbench.prompts.roles import Roles

NAMES = ("start", "A", "A..B", "B", "END")
ROWS = ((0, 0, 0, 1, 1, 2, 3, 4), (0, 0, 1, 2, 2, 4), (0, 0, 0, 2, 1, 3, 3, 4),
        (0, 1, 1, 3, 2, 2, 2, 4))  # fmt: skip
"""Of the case's four pairs: a role stands elsewhere in each, and not in all."""


def case(family: str) -> NodeCase:
    made = node_case(family)
    batch: Any = made.experiment.batch
    batch.roles, batch.n_pairs = Roles(NAMES, ROWS, by_task=True), 4
    return made


def patched(
    case: NodeCase,
    group: int,
    kind: str,
    layer: int,
    head: int | None,
    where: Tensor,
    *,
    back: bool = False,
) -> Tensor:
    """Logits with an activation corrupted where `where` [pair, position] says.

    `back`: of the corrupted prompts, with the clean activation there.
    """
    reference = case.references[group]
    tokens, others = case.groups[group].clean, case.groups[group].corrupted
    if back:
        tokens, others = others, tokens
    name = {"mlp": f"m{layer}"}.get(kind, f"a{layer}.z")
    own = reference.head(f"a{layer}.h{head}")[1] if kind == "head" else slice(None)

    values: dict[str, Tensor] = {}

    def note(seen: str, x: Tensor) -> Tensor:
        values[seen] = x.detach().clone()
        return x

    def change(seen: str, x: Tensor) -> Tensor:
        if seen != name or kind == "residual":
            return x
        x = x.clone()
        here = where.reshape(*x.shape[:-1], 1)  # OPT's MLP writes rows
        x[..., own] = torch.where(here, values[name][..., own], x[..., own])
        return x

    if kind != "residual":
        with torch.no_grad():
            reference.run(note, others)
            return reference.run(change, tokens)
    kept: list[Tensor] = []

    def keep(module: nn.Module, args: Any, kwargs: Any) -> None:
        kept.append((args[0] if args else kwargs["hidden_states"]).detach())

    def put(module: nn.Module, args: Any, kwargs: Any) -> Any:
        x = args[0] if args else kwargs["hidden_states"]
        new = torch.where(where[..., None], kept[0], x)
        return ((new, *args[1:]), kwargs) if args else (args, {**kwargs, "hidden_states": new})

    block = reference.blocks[layer]
    with torch.no_grad():
        handle = block.register_forward_pre_hook(keep, with_kwargs=True)
        reference.run(lambda name, x: x, others)
        handle.remove()
        handle = block.register_forward_pre_hook(put, with_kwargs=True)
        try:
            return reference.run(lambda name, x: x, tokens)
        finally:
            handle.remove()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "family", ["gpt2", "llama", "gpt_neox", "gemma2", "gptj", "opt", "qwen3", "phi"]
)
def test_against_hooks_that_patch_single_positions(family: str, kind: str) -> None:
    made = case(family)
    found = role_map(made.experiment, kind)
    assert found.complete and found.roles == NAMES
    assert found.pairs == (4, 4, 4, 3, 4)
    run = partial(patched, made)
    heads = range(made.graph.n_heads) if kind == "head" else (None,)
    row = 0
    for layer in range(made.graph.n_layers):
        for head in heads:
            for r in range(len(NAMES)):
                total = 0.0
                for g, group in enumerate(made.groups):
                    where = torch.tensor([[role == r for role in ROWS[i]] for i in group.indices])
                    total += made.effect(g, run(g, kind, layer, head, where)).sum()
                wanted = total / sum(r in own for own in ROWS)
                assert found.values[row, r] == pytest.approx(wanted, abs=3e-4), (layer, head, r)
            row += 1
    assert row == len(found.points)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("family", ["gpt2", "llama", "gemma2"])
def test_the_corrupted_prompts_with_clean_activations_against_hooks(family: str, kind: str) -> None:
    made = case(family)
    found = role_map(made.experiment, kind, run="corrupted")
    heads = range(made.graph.n_heads) if kind == "head" else (None,)
    nowhere = [
        patched(made, g, kind, 0, 0 if kind == "head" else None, group.clean < 0, back=True)
        for g, group in enumerate(made.groups)
    ]
    places = [(layer, head) for layer in range(made.graph.n_layers) for head in heads]
    for row, (layer, head) in enumerate(places):
        for r in range(len(NAMES)):
            total = 0.0
            for g, group in enumerate(made.groups):
                where = torch.tensor([[role == r for role in ROWS[i]] for i in group.indices])
                logits = patched(made, g, kind, layer, head, where, back=True)
                total += (made.effect(g, logits) - made.effect(g, nowhere[g])).sum()
            wanted = total / sum(r in own for own in ROWS)
            assert found.values[row, r] == pytest.approx(wanted, abs=3e-4), (layer, head, r)


def test_one_role_for_all_positions_is_activation_patching() -> None:
    made = case("llama")
    batch: Any = made.experiment.batch
    batch.roles = Roles(("all",), tuple((0,) * len(row) for row in ROWS), by_task=True)
    heads, mlps = (role_map(made.experiment, kind) for kind in ("head", "mlp"))
    nodes = dict(zip(made.graph.sources, node_map(made.experiment).exact, strict=True))
    for found in (heads, mlps):
        for point, value in zip(found.points, found.values[:, 0], strict=True):
            assert value == pytest.approx(nodes[point], abs=2e-5)
    residual = role_map(made.experiment, "residual").values[:, 0]
    whole = made.experiment.corrupted.metric - made.experiment.clean.metric
    np.testing.assert_allclose(residual, whole, atol=1e-4)


def test_one_pair_the_corrupted_run_and_another_ablation() -> None:
    made = case("gpt2")
    mean = role_map(made.experiment, "mlp")
    each = [role_map(made.experiment, "mlp", pair=i) for i in range(4)]
    for r in range(len(NAMES)):
        having = [one.values[:, r] for i, one in enumerate(each) if r in ROWS[i]]
        np.testing.assert_allclose(mean.values[:, r], np.mean(having, axis=0), atol=1e-5)
        for i, one in enumerate(each):
            assert r in ROWS[i] or not one.values[:, r].any()
    back = role_map(made.experiment, "residual", run="corrupted")
    assert not np.allclose(back.values, role_map(made.experiment, "residual").values)
    zero = role_map(made.experiment, "mlp", ablation="zero")
    assert zero.ablation == "zero" and not np.allclose(zero.values, mean.values)


def test_it_comes_in_pieces_and_goes_on() -> None:
    made = case("gpt2")
    pieces = list(role_maps(made.experiment, "head"))
    assert [piece.complete for piece in pieces[-1:]] == [True] and len(pieces) > 2
    assert all(a.done < b.done for a, b in pairwise(pieces))
    rest = list(role_maps(made.experiment, "head", known=pieces[1]))
    np.testing.assert_array_equal(rest[-1].values, pieces[-1].values)

    class Set:
        def is_set(self) -> bool:
            return True

    with pytest.raises(Cancelled):
        role_map(made.experiment, "head", cancel=Set())


def test_what_cannot_be_meant_is_a_sentence() -> None:
    made = case("gpt2")
    for options, said in (
        ({"kind": "neuron"}, "What is patched is one of"),
        ({"run": "circus"}, "There is no run"),
        ({"ablation": "nothing"}, "ablation"),
        ({"pair": 9}, "pair"),
    ):
        with pytest.raises(WorkbenchError, match=said):
            role_map(made.experiment, **options)
