"""Neurons of the model whose weights are written down, and of those that come along.

In `known` each neuron of m2 that does anything belongs to one word: it turns what was copied of
that word, above the threshold in its bias, into the word's logit.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch

from workbench import (
    Experiment,
    ExperimentSettings,
    WorkbenchError,
    load_circuit,
    neuron_firings,
    neuron_inputs,
    neuron_tokens,
    neurons_of,
    neurons_promoting,
    prepare,
    sufficient_neurons,
)
from workbench.bundled_models.known import LEAST, WORDS
from workbench.models.bundled_circuits import truth
from workbench.prompts.encoding import Encoding

PAIRS = 16


@cache
def known() -> Experiment:
    settings = ExperimentSettings("known", "induction", pairs=PAIRS)
    return prepare(settings.load_model(), "induction", settings)


def words_of(pair: int) -> tuple[int, int]:
    """The neurons of the word that follows on the clean prompt, and on the corrupted one."""
    answer = known().batch.task.pairs[pair]
    return WORDS.index(answer.answers[0].strip()), WORDS.index(follower(answer.corrupted).strip())


def follower(prompt: str) -> str:
    """The word that stood behind the last one when it came before; itself if it came once."""
    words = prompt.split()
    place = words.index(words[-1])
    return words[place + 1] if place < len(words) - 1 else words[-1]


@pytest.mark.parametrize("pair", range(4))
def test_of_one_prompt_the_neurons_that_carry_the_threshold_are_the_two_words(pair: int) -> None:
    listed = neurons_of(known(), "m2", pair=pair, exact=None)
    exact = np.array([row.exact for row in listed.rows])
    clean, corrupted = words_of(pair)
    assert {int(n) for n in np.flatnonzero(np.abs(exact) > 1e-4)} == {clean, corrupted}
    assert listed.rows[clean].clean > 0.5 and listed.rows[clean].corrupted == 0
    assert listed.rows[corrupted].corrupted > 0.5 and listed.rows[corrupted].clean == 0
    assert [row.neuron for row in listed.sorted_by("effect")[:2]] == [clean, corrupted]


def test_a_words_neuron_reads_what_both_ways_copied_above_the_threshold_and_promotes_it() -> None:
    experiment = known()
    clean, _ = words_of(0)
    name = f"m2.n{clean}"
    read = neuron_inputs(experiment, name, pair=0)
    shares = {feed.node: feed.gate for feed in read.feeds}
    assert {feed.node for feed in read.feeds[:3]} >= {"a1.h0", "a1.h2"}
    assert shares["position embedding and biases"] == pytest.approx(-LEAST, abs=1e-3)
    assert sum(shares.values()) == pytest.approx(read.gate, abs=1e-4)
    (tokens,) = neuron_tokens(experiment.parts, experiment.batch.encoding, [name])
    assert tokens.promoted[0].token == f" {WORDS[clean]}" and tokens.kind == "prediction"
    encoding = Encoding(experiment.model.tokenizer)
    found = neurons_promoting(experiment.parts, encoding, [tokens.promoted[0].id], 3)
    assert found[0].name == name and found[0].rank == 1
    assert found[0].deviations > 3 * found[1].deviations
    fired = neuron_firings(experiment, name, 2)
    best = fired.largest[0]
    pair = experiment.batch.task.pairs[best.pair]
    assert WORDS.index(pair.answers[0].strip()) == clean
    assert best.position == len(best.tokens) - 1 and best.value == pytest.approx(fired.most)


def test_the_words_neurons_suffice_in_the_true_circuit() -> None:
    experiment = known()
    path = truth("known", "induction")
    assert path is not None
    circuit = load_circuit(path)
    found = sufficient_neurons(experiment, circuit, "m2")
    answers = {words_of(pair)[0] for pair in range(PAIRS)}
    others = {words_of(pair)[1] for pair in range(PAIRS)}
    assert answers >= set(found.neurons) - others and len(found.neurons) <= len(answers | others)
    circuit.neurons["m2"] = found.neurons
    assert found.faithfulness >= 0.99 * found.whole


def test_tokens_are_the_rows_through_the_final_norm_and_unembedding() -> None:
    settings = ExperimentSettings("pocket", "ioi", pairs=4)
    experiment = prepare(settings.load_model(), "ioi", settings)
    hf = experiment.model.hf
    (found,) = neuron_tokens(experiment.parts, experiment.batch.encoding, ["m3.n7"], k=4)
    block = hf.transformer.h[3].mlp
    row = block.c_proj.weight[7]
    row = (row - row.mean()) * hf.transformer.ln_f.weight
    logits = hf.lm_head.weight @ row
    logits = logits - logits.mean()
    for side, largest in ((found.promoted, True), (found.suppressed, False)):
        top = logits.topk(4, largest=largest)
        assert [token.id for token in side] == top.indices.tolist()
        torch.testing.assert_close(torch.tensor([t.value for t in side]), top.values)
    raw = block.c_proj.weight[7]
    cosines = torch.nn.functional.cosine_similarity(raw[None], hf.lm_head.weight)
    standard = (cosines - cosines.mean()) / cosines.std(correction=0)
    assert found.kurtosis == pytest.approx(float((standard**4).mean()), rel=1e-3)
    assert found.skew == pytest.approx(float((standard**3).mean()), abs=1e-3)
    # The search: deviations of the whole vocabulary's logits, worked out one neuron at a time.
    encoding = experiment.batch.encoding
    best = neurons_promoting(experiment.parts, encoding, [found.promoted[0].id], 5)
    for one in best:
        layer, n = int(one.name[1]), int(one.name.partition(".n")[2])
        weight = hf.transformer.h[layer].mlp.c_proj.weight[n]
        of_all = hf.lm_head.weight @ ((weight - weight.mean()) * hf.transformer.ln_f.weight)
        deviation = (of_all - of_all.mean()) / of_all.std(correction=0)
        assert one.deviations == pytest.approx(float(deviation[found.promoted[0].id]), rel=1e-3)
        assert one.rank == 1 + int((of_all > of_all[found.promoted[0].id]).sum())
    with pytest.raises(WorkbenchError, match="Name a token"):
        neurons_promoting(experiment.parts, encoding, [])
