"""Attention knocked out and residuals replaced, against plain transformers under hooks."""

from __future__ import annotations

import random
from functools import cache
from itertools import product

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.support.cases.engine_cases import Case
from tests.support.cases.family_cases import ONE_OF_EACH, family_case
from tests.support.references.masked import MaskedReference, Replace
from workbench.base.work import finish
from workbench.engine.changed_run import changed_finals
from workbench.engine.changes import (
    SOURCES,
    Changes,
    Replacement,
    read_replacement,
)
from workbench.engine.residual_means import ResidualMeans
from workbench.errors import WorkbenchError
from workbench.experiment.knockouts import Knockout, read_knockout
from workbench.models.info import ModelInfo
from workbench.transformer.forward import unembed

FEW = ("gpt2", "gpt_neox", "llama", "mistral", "gemma2", "qwen3", "phi", "olmo2", "cohere")
"""Families that differ in all that matters here."""
families = pytest.mark.parametrize("name", ONE_OF_EACH)
GROUPS = (((0, 2, 3), 7, 2), ((1, 4), 5, 1))
CLOSE = 5e-5


@cache
def case(name: str) -> Case:
    """Pairs of two lengths, of which some share tokens at a position."""
    c = family_case(name, 7, GROUPS)
    for group in c.experiment.batch.groups:
        assert len({tuple(row) for row in group.clean.tolist()}) == len(group.clean)
    return c


@cache
def reference(name: str) -> MaskedReference:
    return MaskedReference(case(name).model.hf)


def means_of(c: Case) -> ResidualMeans:
    tokens = [group.clean for group in c.experiment.batch.groups]
    means = ResidualMeans(c.model.parts, tokens)
    finish(means.over(tokens))
    return means


@cache
def clean_and_corrupted(name: str, number: int) -> tuple[list[Tensor], list[Tensor]]:
    """The residuals of one group, the embedding and after every block."""
    group = case(name).experiment.batch.groups[number]
    run = reference(name).residuals
    return run(group.clean), run(group.corrupted)


def hidden_by(knockouts: tuple[Knockout, ...], info: ModelInfo, length: int) -> dict[int, Tensor]:
    """By layer, what is not seen, [head, query, key]."""
    hidden = {
        layer: torch.zeros(info.heads, length, length, dtype=torch.bool)
        for layer in range(info.layers)
    }

    def named(numbers: tuple[int, ...] | None, end: int) -> list[int]:
        return [number % end for number in (range(end) if numbers is None else numbers)]

    for one in knockouts:
        for layer, head, q, k in product(
            named(one.layers, info.layers),
            named(one.heads, info.heads),
            named(one.queries, length),
            named(one.keys, length),
        ):
            if not (one.keep_self and q == k) and not (one.keep_first and k == 0):
                hidden[layer][head, q, k] = True
    return hidden


def stand_in(name: str, number: int, one: Replacement, row: int, p: int) -> Tensor:
    """What stands in for one prompt's residual at one position."""
    groups, at = case(name).experiment.batch.groups, one.source_layer + 1
    clean, corrupted = clean_and_corrupted(name, number)
    if one.by == "corrupted":
        return corrupted[at][row, p]
    if one.by == "own":
        return clean[at][row, p]
    if one.by == "pair":
        owner = next(i for i, group in enumerate(groups) if one.pair in group.indices)
        place = groups[owner].indices.index(one.pair or 0)
        return clean_and_corrupted(name, owner)[0][at][place, p]
    tokens = groups[number].clean.tolist()
    plain = one.by == "mean" or p in (-1, len(tokens[0]) - 1)
    alike = [r for r in range(len(tokens)) if plain or tokens[r][p] == tokens[row][p]]
    return torch.stack([clean[at][r, p] for r in alike]).mean(0)


def replaced_by(name: str, number: int, one: Replacement) -> Replace:
    """What becomes of the residual of one group."""
    length = case(name).experiment.batch.groups[number].length
    at = range(length) if one.positions is None else one.positions

    def change(x: Tensor) -> Tensor:
        x = x.clone()
        for row, p in product(range(len(x)), at):
            x[row, p] = stand_in(name, number, one, row, p)
        return x

    return change


def expected(name: str, changes: Changes) -> list[Tensor]:
    """Each group's logits, by the definitions written out anew."""
    c = case(name)
    for number in range(len(c.experiment.batch.groups)):
        clean_and_corrupted(name, number)  # before the hooks that ask for it
    return [
        reference(name).logits(
            group.clean,
            hidden_by(changes.knockouts, c.model.info, group.length),
            {one.layer: replaced_by(name, number, one) for one in changes.replacements},
        )
        for number, group in enumerate(c.experiment.batch.groups)
    ]


def assert_as_expected(name: str, ways: list[Changes]) -> None:
    c = case(name)
    finals = changed_finals(c.experiment, ways, means_of(c))
    for i, way in enumerate(ways):
        for final, logits in zip(finals, expected(name, way), strict=True):
            with torch.no_grad():
                ours = unembed(c.model.parts, final[:, i])
            torch.testing.assert_close(ours.double(), logits.double(), rtol=2e-5, atol=CLOSE)


def test_the_hooks_see_the_whole_model() -> None:
    c = case("llama")
    for group, recording in zip(c.experiment.batch.groups, c.experiment.recordings, strict=True):
        found = reference("llama").residuals(group.clean)
        assert len(found) == c.model.info.layers + 1
        torch.testing.assert_close(recording.whole.final.double(), found[-1], rtol=1e-5, atol=CLOSE)


@families
def test_knockouts_are_the_models_with_masks(name: str) -> None:
    n_layers = case(name).model.info.layers
    assert_as_expected(
        name,
        [
            Changes((Knockout((0,), (-1,), (0, 1)),)),
            Changes((Knockout(None, (-1,), None, keep_self=True),)),
            Changes((Knockout(None, None, None, None, True, True),)),
            Changes((Knockout((n_layers - 1,), (-1, -2), (-3,), (1,)),)),
            Changes((Knockout((0,), (2,), (1,)), Knockout((1,), (-1,), (2,), (0, 2)))),
            Changes(),
        ],
    )


@families
def test_replaced_residuals_are_the_models(name: str) -> None:
    n_layers = case(name).model.info.layers
    ways = [
        Changes((), (Replacement(0, (1, 2), "corrupted"),)),
        Changes((), (Replacement(-1, None, "mean"),)),
        Changes((), (Replacement(0, None, "context-mean"),)),
        Changes((), (Replacement(1, None, "mean"),)),
        Changes((), (Replacement(1, (-2, -1), "pair", pair=1),)),
        Changes((), (Replacement(0, (-1, 1), "own", from_layer=1),)),
        Changes((), (Replacement(n_layers - 1, (-1,), "mean"),)),
        Changes(
            (Knockout((1,), None, None, None, True, True),),
            (Replacement(0, (-3, -2, -1), "context-mean"), Replacement(1, (1,), "corrupted")),
        ),
    ]
    assert_as_expected(name, ways)


def random_changes(rng: random.Random, n_layers: int, n_heads: int) -> Changes:
    """Any of all that can be changed; the shortest prompt has five tokens."""

    def some(least: int, end: int) -> tuple[int, ...]:
        numbers = list(range(least, end))
        return tuple(rng.sample(numbers, rng.randrange(1, len(numbers) + 1)))

    knockouts = [
        Knockout(
            rng.choice([None, some(0, n_layers)]),
            rng.choice([None, some(1, 5), (-1,)]),
            rng.choice([None, some(0, 4)]),
            rng.choice([None, some(0, n_heads)]),
            True,
            rng.random() < 0.5,
        )
        for _ in range(rng.randrange(3))
    ]
    replacements = []
    for layer in sorted(some(-1, n_layers))[: rng.randrange(3)]:
        by = rng.choice(list(SOURCES))
        from_layer = (layer + 2) % n_layers if by == "own" or rng.random() < 0.3 else None
        if by == "own" and from_layer == layer:
            from_layer = -1 if layer >= 0 else 0
        pair = rng.randrange(5) if by == "pair" else None
        positions = some(0, 5) if by == "pair" else rng.choice([None, some(-5, 0)])
        replacements.append(Replacement(layer, positions, by, from_layer, pair))
    return Changes(tuple(knockouts), tuple(replacements))


@families
def test_random_changes_are_the_models(name: str) -> None:
    rng, info = random.Random(name), case(name).model.info
    assert_as_expected(name, [random_changes(rng, info.layers, info.heads) for _ in range(6)])


@pytest.mark.parametrize("name", ["gpt2", "llama", "gemma2"])
def test_alternatives_together_are_each_alone(name: str) -> None:
    c, rng = case(name), random.Random(3)
    info, means = c.model.info, means_of(c)
    ways = [random_changes(rng, info.layers, info.heads) for _ in range(12)]
    together = changed_finals(c.experiment, ways, means)
    for i, way in enumerate(ways):
        for final, alone in zip(together, changed_finals(c.experiment, [way], means), strict=True):
            torch.testing.assert_close(final[:, i], alone[:, 0], rtol=2e-5, atol=2e-5)


def test_nothing_changed_is_the_clean_run() -> None:
    c = case("gpt2")
    for final, recording in zip(
        changed_finals(c.experiment, [Changes()]), c.experiment.recordings, strict=True
    ):
        assert torch.equal(final[:, 0], recording.whole.final[:, -1])


def test_means_of_tokens_that_stand_alone_are_the_clean_run() -> None:
    c = case("llama")
    for group in c.experiment.batch.groups:  # all but the last token, of which the mean is plain
        for position in range(group.length - 1):
            tokens = group.clean[:, position].tolist()
            assert len(set(tokens)) == len(tokens)
    positions = (-5, -4, -3, -2)
    way = Changes((), (Replacement(1, positions, "context-mean"),))
    for final, recording in zip(
        changed_finals(c.experiment, [way], means_of(c)), c.experiment.recordings, strict=True
    ):
        torch.testing.assert_close(final[:, 0], recording.whole.final[:, -1], rtol=0, atol=CLOSE)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (Changes((Knockout((9,)),)), "no layer 9"),
        (Changes((Knockout((0,), heads=(4,)),)), "no head 4"),
        (Changes((Knockout((0,), (6,), (0,)),)), "no position 6"),
        (Changes((Knockout((0,), ()),)), "masks nothing"),
        (Changes((Knockout((0,), None, (0,)),)), "see nothing at all"),
        (Changes((), (Replacement(0, None, "pair", pair=9),)), "no pair 10"),
        (Changes((), (Replacement(0, None, "pair", pair=1),)), "name the positions"),
        (Changes((), (Replacement(0, None, "own"),)), "changes nothing"),
        (Changes((), (Replacement(0, None, "mean", pair=1),)), "if, and only if"),
        (Changes((), (Replacement(0, None, "noise"),)), "cannot be replaced"),  # type: ignore[arg-type]
        (Changes((), (Replacement(-2, None, "mean"),)), "no layer -2"),
    ],
)
def test_what_cannot_be_changed_is_refused(changes: Changes, words: str) -> None:
    with pytest.raises(WorkbenchError, match=words):
        changed_finals(case("gpt2").experiment, [changes], means_of(case("gpt2")))


def test_changes_are_read_as_they_are_typed() -> None:
    assert read_knockout("5..8:last<0..3") == Knockout((5, 6, 7, 8), (-1,), (0, 1, 2, 3))
    assert read_knockout("2[0,3]:all<all/self,first") == Knockout(
        (2,), None, None, (0, 3), True, True
    )
    assert read_knockout("all : -2..-1 < 0") == Knockout(None, (-2, -1), (0,))
    assert read_replacement("5:all=context-mean") == Replacement(5, None, "context-mean")
    assert read_replacement("-1:1,2=pair 3") == Replacement(-1, (1, 2), "pair", None, 2)
    assert read_replacement("3:last=own@12") == Replacement(3, (-1,), "own", 12)
    for text in ("", "5", "5:last", "a:last<0", "5..3:last<0", "-1..2:last<0", "0:last<0/me"):
        with pytest.raises(WorkbenchError):
            read_knockout(text)
    for text in ("", "5", "5:all", "5:all=noise", "x:all=mean", "5:=mean", "5:all=pair x"):
        with pytest.raises(WorkbenchError):
            read_replacement(text)


def test_more_alternatives_than_memory_allows_are_run_in_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    c = case("gpt2")
    ways = [Changes((Knockout((layer,), (-1,), (key,)),)) for layer in range(3) for key in range(4)]
    together = changed_finals(c.experiment, ways)
    monkeypatch.setattr("workbench.engine.changed_run.what_if_bytes", lambda _: 1)
    for one, other in zip(together, changed_finals(c.experiment, ways), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=2e-5)
