"""Readings of heads, by every mechanism, against the model's own modules on single tokens."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import numpy as np
import pytest
import torch

from tests.support.cases.family_cases import ONE_OF_EACH, model_of
from tests.support.references.heads import HeadsReference
from workbench.readouts.heads.copying import own_ranks, sought_scores, successor_scores
from workbench.readouts.heads.eigenvalues import all_chunks, eigenvalue_scores, products
from workbench.readouts.heads.inputs import head_input
from workbench.readouts.heads.ordered_sets import Ordinals
from workbench.readouts.heads.ov import carried_writes, head_writes, write_logits
from workbench.readouts.heads.patterns import PATTERNS, pattern_scores, repeated_tokens
from workbench.readouts.heads.qk import projected, scores
from workbench.transformer.attention import K, Q

pytestmark = pytest.mark.dependencies

cases = pytest.mark.parametrize("name", ONE_OF_EACH)
WORDS = (20, 33, 41, 57, 64, 78, 90, 101)
LAYERS = (0, 2)
HEADS = (0, 3)


@cache
def reference_of(name: str) -> HeadsReference:
    return HeadsReference(model_of(name).hf)


def inputs(name: str, layer: int, source: str) -> torch.Tensor:
    """Of `WORDS`, by the reference: heads of the first layer read the embedding alone."""
    effective = source == "effective" and layer > 0
    return reference_of(name).embedded(torch.tensor(WORDS), effective)


@cases
@pytest.mark.parametrize("source", ["effective", "embedding"])
def test_what_a_head_is_given(name: str, source: str) -> None:
    parts = model_of(name).parts
    for layer in LAYERS:
        ours = head_input(parts, torch.tensor(WORDS), layer, source)
        expected = inputs(name, layer, source).float()
        torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-4)


@cases
def test_what_a_head_writes_for_a_token(name: str) -> None:
    reference, parts = reference_of(name), model_of(name).parts
    for layer in LAYERS:
        x = inputs(name, layer, "effective")
        ours = head_writes(parts, layer, x.float(), HEADS)
        for written, head in zip(ours, HEADS, strict=True):
            expected = reference.writes(layer, head, x)
            torch.testing.assert_close(written, expected.float(), rtol=1e-3, atol=1e-4)
            logits = write_logits(parts, written)
            logits = logits - logits.mean(-1, keepdim=True)
            of_write = reference.logits(expected).float()
            torch.testing.assert_close(logits, of_write, rtol=1e-3, atol=2e-3)
            if not (parts.parallel and layer == len(parts.layers) - 1):
                carried = carried_writes(parts, layer, written)
                wanted = reference.carried(expected).float()
                torch.testing.assert_close(carried, wanted, rtol=1e-3, atol=1e-3)


# Of ALiBi's distances, which the model adds, the reading by weights says nothing.
@pytest.mark.parametrize("name", [name for name in ONE_OF_EACH if name != "bloom"])
def test_how_a_head_looks_from_one_token_to_another(name: str) -> None:
    reference, parts = reference_of(name), model_of(name).parts
    for layer in LAYERS:
        x = inputs(name, layer, "effective")
        for distance in (1, 2):
            back = torch.zeros(len(x), dtype=torch.long)
            q = projected(parts, layer, Q, x.float(), HEADS, back + distance)
            k = projected(parts, layer, K, x.float(), HEADS, back)
            same = projected(parts, layer, K, x.float(), HEADS, back + distance)
            ours = scores(parts, layer, q, k)
            itself = scores(parts, layer, q, same).diagonal(0, 1, 2)
            for i, head in enumerate(HEADS):
                for query, key in ((0, 1), (2, 5), (4, 3)):
                    found = float(ours[i, query, key] - itself[i, query])
                    expected = reference.looks(layer, head, x[query], x[key], distance)
                    assert found == pytest.approx(expected, abs=2e-3, rel=1e-3)


@cases
def test_shares_of_words(name: str) -> None:
    """Ranks among the logits of each word, counted one by one."""
    reference, model = reference_of(name), model_of(name)
    steps = tuple(pairwise(WORDS))
    ordinals = Ordinals(WORDS, steps, "")
    layer = 1
    x = inputs(name, layer, "effective")
    above, below = own_ranks(model.parts, layer, WORDS, "effective")
    followed = successor_scores(model.parts, layer, ordinals, "effective")
    for head in HEADS:
        logits = reference.logits(reference.writes(layer, head, x))
        successors, copies = 0, 0
        for i, word in enumerate(WORDS):
            higher = int((logits[i] > logits[i, word]).sum())
            lower = int((logits[i] < logits[i, word]).sum())
            for found, expected in ((above[head, i], higher), (below[head, i], lower)):
                assert int(found) == expected or min(int(found), expected) >= 10
            best = WORDS[int(logits[i, list(WORDS)].argmax())]
            successors += i + 1 < len(WORDS) and best == WORDS[i + 1]
            copies += i + 1 < len(WORDS) and best == word
        assert float(followed["successor"][head]) == pytest.approx(successors / len(steps))
        assert float(followed["ordinal_copy"][head]) == pytest.approx(copies / len(steps))


@cases
def test_the_unembedding_as_a_query(name: str) -> None:
    reference, model = reference_of(name), model_of(name)
    layer, words = 1, WORDS[:4]
    x = reference.embedded(torch.tensor(words), True)
    columns = reference.model.get_output_embeddings().weight[list(words)].double()
    found = sought_scores(model.parts, layer, words, "effective")["sought"]
    for head in HEADS:
        hits = 0
        for i, query in enumerate(columns):
            looks = [reference.looks(layer, head, query, key, 1) for key in x]
            hits += int(np.argmax(looks)) == i
        assert float(found[head]) == pytest.approx(hits / len(words))


@cases
def test_patterns_on_repeated_tokens(name: str) -> None:
    model = model_of(name)
    valid = list(range(2, model.info.vocabulary))
    repeated = repeated_tokens(valid, (1,), seed=3, positions=None, sequences=3, length=6)
    rows = repeated.tokens
    assert torch.equal(rows[:, 1:7], rows[:, 7:]) and (rows[:, 0] == 1).all()
    found = run(pattern_scores(model.parts, repeated))
    assert set(found) == set(PATTERNS)
    for layer, pattern in enumerate(reference_of(name).patterns(rows)):
        for head in range(model.graph.n_heads):
            expected = by_hand(pattern[:, head].astype(np.float64), 1, 6)
            for column, value in expected.items():
                assert float(found[column][layer, head]) == pytest.approx(value, abs=1e-4), column


def by_hand(pattern: np.ndarray, prefix: int, length: int) -> dict[str, float]:
    """The columns from patterns [row, query, key], weight by weight."""
    n = pattern.shape[1]
    after = range(prefix, n)

    def mean(back: int) -> float:
        return float(np.mean([pattern[:, q, q - back] for q in after if q - back >= prefix]))

    rows = [pattern[r, q, : q + 1] for r in range(len(pattern)) for q in range(1, n)]
    return {
        "self": mean(0),
        "previous": mean(1),
        "duplicate": mean(length),
        "induction": mean(length - 1),
        "first": float(np.mean([row[0] for row in rows])),
        "entropy": float(np.mean([-sum(w * np.log(w) for w in row if w > 0) for row in rows])),
        "distance": float(
            np.mean([sum(w * (len(row) - 1 - k) for k, w in enumerate(row)) for row in rows])
        ),
    }


EIGEN = [name for name in ONE_OF_EACH if name != "olmoe"]  # whose clipping is no linear map


@pytest.mark.parametrize("name", EIGEN)
def test_eigenvalues_of_the_whole_map(name: str) -> None:
    """Of one head; of one family also in the first layer, and given embeddings alone."""
    model = model_of(name)
    wanted = [(1, "effective")] + [(0, "effective"), (1, "embedding")] * (name == "llama")
    for layer, source in wanted:
        (product,) = (made for layers, made in products(model.parts, source) if layer in layers)
        for chunk in all_chunks(model.parts):
            product.add(chunk)
        ours = eigenvalue_scores(model.parts, layer, product.value())
        effective = source == "effective" and layer > 0
        values = reference_of(name).eigenvalues(layer, 1, effective)
        expected = values.real.sum() / np.abs(values).sum()
        assert float(ours[1]) == pytest.approx(expected, abs=2e-3)


def run(work):  # type: ignore[no-untyped-def]
    """The result of work in pieces."""
    while True:
        try:
            next(work)
        except StopIteration as stop:
            return stop.value
