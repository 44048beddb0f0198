"""The head finder: every column of every head, in pieces of a fraction of a second."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from workbench.base.transfers import on_host
from workbench.base.work import Work, finish, part
from workbench.errors import WorkbenchError
from workbench.prompts.encoding import Encoding
from workbench.readouts.direct_logit_attribution import direct_logit_attribution
from workbench.readouts.heads.asked import Words, valid_tokens, word_tokens, words_of_model
from workbench.readouts.heads.columns import TOP
from workbench.readouts.heads.copying import (
    own_ranks,
    sought_scores,
    successor_scores,
    word_scores,
)
from workbench.readouts.heads.eigenvalues import all_chunks, eigenvalue_scores, products
from workbench.readouts.heads.ordered_sets import Ordinals, ordinals_of
from workbench.readouts.heads.patterns import Repeated, pattern_scores, repeated_tokens
from workbench.readouts.heads.table import DIRECT, HeadTable
from workbench.readouts.heads.ways import EFFECTIVE, check_input, input_words

if TYPE_CHECKING:
    from workbench.base.work import Stop
    from workbench.experiment.experiment import Experiment
    from workbench.models.model import Model

PATTERNS_END, WORDS_END = 0.45, 0.8
"""Which fraction is done after the patterns, and after the words: about what each takes."""


def find_heads(
    model: Model,
    experiment: Experiment | None = None,
    *,
    source: str = EFFECTIVE,
    seed: int = 0,
    progress: Callable[[float], None] | None = None,
    cancel: Stop | None = None,
) -> HeadTable:
    """Measure all heads: where they look, what they copy, what they write to the answers.

    Args:
        model: whose heads.
        experiment: a task on this model: its answers are the words that copying is measured on,
            and heads' direct attribution is told; None: given names, and no attribution.
        source: what stands for a token, `effective` (W_E and what the first MLP adds) or
            `embedding` (W_E).
        seed: of the random tokens.
        progress: told the fraction done.
        cancel: stops it when set.

    Raises:
        WorkbenchError: there is no such source, or the tokenizer has no tokens to make texts of.
        Cancelled: it was stopped.
    """
    return finish(finding_heads(model, experiment, source=source, seed=seed), progress, cancel)


def finding_heads(
    model: Model,
    experiment: Experiment | None = None,
    *,
    source: str = EFFECTIVE,
    seed: int = 0,
) -> Work[HeadTable]:
    """`find_heads` as work in pieces."""
    check_input(source)
    parts = model.parts
    encoding = Encoding(model.tokenizer) if experiment is None else experiment.batch.encoding
    repeated = repeated_tokens(
        valid_tokens(model, encoding), encoding.prefix, seed=seed, positions=model.positions
    )
    words = words_of_model(model, encoding) if experiment is None else word_tokens(experiment)
    ordinals = ordinals_of(encoding, None if experiment is None else experiment.batch.task)
    yield 0.01
    values = yield from part(pattern_scores(parts, repeated), 0.01, PATTERNS_END)
    values |= yield from part(_words(model, words, ordinals, source), PATTERNS_END, WORDS_END)
    values["eigenvalue"] = yield from part(_eigenvalues(model, source), WORDS_END, 1.0)
    columns = {name: _plain(numbers) for name, numbers in values.items()}
    notes = _notes(repeated, seed, words, ordinals, source)
    if experiment is not None:
        direct, said = _direct(experiment)
        columns |= {} if direct is None else {"direct": direct}
        notes = (*notes, said)
    return HeadTable(len(parts.layers), parts.n_heads, columns, source, seed, notes)


def _words(
    model: Model, words: Words, ordinals: Ordinals | None, source: str
) -> Work[dict[str, Tensor]]:
    """Columns [layer, head] of what heads make of words."""
    parts = model.parts
    found: dict[str, list[Tensor]] = {}
    for layer in range(len(parts.layers)):
        columns = word_scores(*own_ranks(parts, layer, words.ids, source))
        through, _ = own_ranks(parts, layer, words.ids, source, carried=True)
        columns["carried"] = (through < TOP).float().mean(1)
        columns |= sought_scores(parts, layer, words.ids, source)
        if ordinals is not None:
            columns |= successor_scores(parts, layer, ordinals, source)
        for name, values in columns.items():
            found.setdefault(name, []).append(on_host(values))
        yield (layer + 1) / len(parts.layers)
    return {name: torch.stack(values) for name, values in found.items()}


def _eigenvalues(model: Model, source: str) -> Work[Tensor]:
    """[layer, head]."""
    parts = model.parts
    groups, chunks = products(parts, source), all_chunks(parts)
    whole = len(groups) * len(chunks) + len(parts.layers)
    done, found = 0, torch.zeros(len(parts.layers), parts.n_heads, dtype=torch.float64)
    for layers, product in groups:
        for chunk in chunks:
            product.add(chunk)
            done += 1
            yield done / whole
        for layer in layers:
            found[layer] = eigenvalue_scores(parts, layer, product.value())
            done += 1
            yield done / whole
    return found


def _direct(experiment: Experiment) -> tuple[tuple[float | None, ...] | None, str]:
    graph = experiment.model.graph
    try:
        found = direct_logit_attribution(experiment)
    except WorkbenchError as error:
        return None, f"No direct attribution: {error}"
    rows = {row.node: row.value for row in found.rows}
    heads = tuple(rows[node] for node in graph.sources if graph.is_head(node))
    task, pairs = experiment.batch.task.name, experiment.batch.n_pairs
    return heads, f"{DIRECT} the mean over {pairs} clean prompts of {task}."


def _plain(values: Tensor) -> tuple[float | None, ...]:
    numbers = values.flatten().tolist()
    return tuple(None if number != number else float(number) for number in numbers)


def _notes(
    repeated: Repeated, seed: int, words: Words, ordinals: Ordinals | None, source: str
) -> tuple[str, ...]:
    n, length = len(repeated.tokens), repeated.length
    before = f" after {repeated.prefix} token before a text" if repeated.prefix else ""
    return (
        f"Patterns: {n} sequences of {length} random tokens, each twice in a row{before}; seed "
        f"{seed}.",
        f"Weights: a head is given a token as {input_words(source, 1)}; in the first layer, the "
        "embedding alone.",
        words.said,
        "No successor score: the tokenizer has next to none of the ordered sets as single tokens."
        if ordinals is None
        else f"Successor score: {ordinals.said[0].lower()}{ordinals.said[1:]}",
    )
