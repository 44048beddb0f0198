"""The card beside a pocket model's weights: what it is, how it was made, what it can do."""

from __future__ import annotations

from pathlib import Path

from workbench.bundled_models.pocket.examination import Result, as_table
from workbench.bundled_models.pocket.grammar import DECIDED, FREE, KINDS
from workbench.bundled_models.pocket.lens import DOCUMENTS
from workbench.bundled_models.pocket.recipe import Recipe
from workbench.bundled_models.pocket.split import ONE_IN
from workbench.bundled_models.pocket.vocabulary import tokens

FILE = "README.md"

TEXT = """\
# The pocket model

A GPT-2 of {layers} layers with {heads} heads each and d_model {d_model}, {parameters:,} weights,
a vocabulary of {n_tokens} whole words and two-digit numbers, and prompts of up to {length}
tokens. It comes with Circuit Workbench, so that everything there can be tried at once and
offline. It was trained from random weights, and its circuits are what training found: nobody put
them in.

## What it was trained on

Sentences made by a program (`workbench/bundled_models/pocket/grammar.py`), {steps:,} steps of
{batch} documents of {length} tokens, no document twice:

{kinds}

A word that nothing before it decides counts {free:g} in the loss, one that the sentence decides
{decided:g}.

## How

AdamW, learning rate up to {peak:g}, rising over {warm} steps and falling as a cosine, weight
decay {decay:g}, seed {seed}. `workbench pocket train FOLDER` does it again, in well under an hour
on two cores; another machine rounds differently, so the weights come out alike, not the same.

## What it can do

One combination of words in {one_in} was held out by a hash of its words
(`workbench/bundled_models/pocket/split.py`) and never seen in training: an event with a start
year, a subject with the noun after it, two names in one sentence, a word followed by another in a
list. On those combinations alone:

{table}

`workbench pocket examine` measures this again.

## Its Jacobian lens

`jacobian_lens.safetensors` reads what a residual or a component's write becomes by the last layer:
the mean slope over {lens_documents} other documents of the same sentences, all positions but the
first and the last.

## What it is not

A language model of anything else. It knows {n_tokens} tokens and four kinds of sentences; other
words are read as unknown, and what it makes of other sentences means nothing. Its circuits show
how a small transformer does these tasks, not how a large one does.

Licence: MIT, as the workbench.
"""


def write_card(folder: Path, recipe: Recipe, parameters: int, results: list[Result]) -> None:
    """Write the card into the model's folder.

    Args:
        parameters: how many weights the model has.
        results: of its examination.
    """
    whole = sum(share for _, share in KINDS)
    kinds = "\n".join(f"- {share / whole:.0%} {_first_line(make.__doc__)}" for make, share in KINDS)
    text = TEXT.format(
        **recipe.as_dict(),
        parameters=parameters,
        n_tokens=len(tokens()),
        kinds=kinds,
        free=FREE,
        decided=DECIDED,
        one_in=ONE_IN,
        table=as_table(results),
        lens_documents=DOCUMENTS,
    )
    (folder / FILE).write_text(text, encoding="utf-8")


def _first_line(docstring: str | None) -> str:
    line = (docstring or "").splitlines()[0]
    return line[0].lower() + line[1:]
