"""The model `sums`: a small transformer that adds two numbers, and how it is made again.

Numbers from 0 to 99 are one token each, prompts are "12+34=" behind a beginning, and sums are
below 100: the task `mental-math`. It is there for what happens between tokens (`workbench.flow`):
the last token has to get both numbers from where they stand. One problem in ten was never seen in
training.
"""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from workbench.base.progress import Progress, silent
from workbench.bundled_models.learning_rate import learning_rate
from workbench.bundled_models.pocket.vocabulary import BEGIN, UNKNOWN, word_level
from workbench.errors import WorkbenchError
from workbench.models.bundled import write_digests

NUMBERS = 100
VOCABULARY = (*map(str, range(NUMBERS)), "+", "=", BEGIN, UNKNOWN)
POSITIONS = 8
ONE_IN = 10
REPORTED = 100
"""Steps between two reports of progress."""


@dataclass(frozen=True)
class Recipe:
    """All that decides the weights, but for the machine's rounding.

    Attributes:
        layers, heads, d_model: the shape of a GPT-2.
        batch: problems of a step, drawn with putting back.
        steps: how many.
        peak, last: learning rates; it rises over the first `warm` steps and falls as a cosine.
        decay: weight decay of matrices.
        seed: of weights and problems.
    """

    layers: int = 4
    heads: int = 4
    d_model: int = 64
    batch: int = 512
    steps: int = 8000
    peak: float = 2e-3
    last: float = 2e-5
    warm: int = 100
    decay: float = 1.0
    seed: int = 0

    def rate(self, step: int) -> float:
        """The learning rate of a step, counted from 0."""
        return learning_rate(step, peak=self.peak, last=self.last, warm=self.warm, steps=self.steps)


def held_out(first: int, second: int) -> bool:
    """Whether training never sees this problem, by a hash of it."""
    text = f"sums|{first}|{second}".encode()
    return hashlib.blake2b(text, digest_size=8).digest()[0] % ONE_IN == 0


def problems(*, held: bool) -> list[tuple[int, int]]:
    """All problems whose sum is a token, those held out or the others."""
    return [
        (first, second)
        for first in range(NUMBERS)
        for second in range(NUMBERS - first)
        if held_out(first, second) == held
    ]


def prompts(asked: Tensor) -> Tensor:
    """The tokens [problem, 5] of problems [problem, 2]."""
    plus, equals, begin = (VOCABULARY.index(text) for text in ("+", "=", BEGIN))
    parts = (begin, asked[:, 0], plus, asked[:, 1], equals)
    columns = [torch.full((len(asked),), part) if isinstance(part, int) else part for part in parts]
    return torch.stack(columns, dim=1)


def new_model(recipe: Recipe) -> Any:
    """A GPT-2 with random weights, of the recipe's shape."""
    from transformers import GPT2Config, GPT2LMHeadModel

    begin = VOCABULARY.index(BEGIN)
    torch.manual_seed(recipe.seed)
    return GPT2LMHeadModel(
        GPT2Config(
            vocab_size=len(VOCABULARY),
            n_positions=POSITIONS,
            n_embd=recipe.d_model,
            n_layer=recipe.layers,
            n_head=recipe.heads,
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
            bos_token_id=begin,
            eos_token_id=begin,
        )
    )


def train(recipe: Recipe, progress: Progress | None = None) -> Any:
    """A trained model in evaluation mode; only the last token's answer counts in the loss.

    Args:
        recipe: what to do.
        progress: told the loss and the fraction done.
    """
    say = progress or silent
    model = new_model(recipe).train()
    known = torch.tensor(problems(held=False))
    matrices = [weight for weight in model.parameters() if weight.ndim > 1]
    rest = [weight for weight in model.parameters() if weight.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [
            {"params": matrices, "weight_decay": recipe.decay},
            {"params": rest, "weight_decay": 0.0},
        ],
        lr=recipe.peak,
        betas=(0.9, 0.98),
    )
    for step in range(recipe.steps):
        for group in optimizer.param_groups:
            group["lr"] = recipe.rate(step)
        asked = known[torch.randint(len(known), (recipe.batch,))]
        loss = torch.nn.functional.cross_entropy(answers(model, asked), asked.sum(1))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if (step + 1) % REPORTED == 0:
            say(f"Training, loss {loss.item():.3f}", (step + 1) / recipe.steps)
    return model.eval()


def answers(model: Any, asked: Tensor) -> Tensor:
    """The logits [problem, token] after the equals sign of problems [problem, 2]."""
    hidden = model.transformer(prompts(asked)).last_hidden_state[:, -1]
    logits: Tensor = model.lm_head(hidden)
    return logits


def accuracy(model: Any, *, held: bool) -> float:
    """The share of problems whose sum is the likeliest of all tokens."""
    asked = torch.tensor(problems(held=held))
    with torch.no_grad():
        right = answers(model, asked).argmax(-1) == asked.sum(1)
    return float(right.float().mean())


CARD = """\
# The model `sums`

A GPT-2 of {layers} layers with {heads} heads each and d_model {d_model}, {parameters:,} weights,
that adds two numbers: "12+34=" is followed by "46". Numbers from 0 to 99 are one token each, and
sums are below 100, as in the task `mental-math`. It comes with Circuit Workbench, to try what
happens between tokens, and knows nothing else.

It was trained from random weights by `workbench/bundled_models/sums.py`: AdamW, {steps:,} steps of
{batch} problems, learning rate up to {peak:g}, weight decay {decay:g}, seed {seed}; the weights are
kept as float16. `python -m workbench.bundled_models.sums FOLDER` does it again, in some minutes;
another machine rounds differently, so the weights come out alike, not the same.

One problem in {one_in} was held out by a hash and never seen in training. Right are

- {seen:.1%} of the problems that it saw,
- {unseen:.1%} of those that it never saw.

Licence: MIT, as the workbench.
"""


def write(folder: Path, model: Any, recipe: Recipe) -> None:
    """Write model, tokenizer, card and digests into a folder, the weights as float16."""
    folder.mkdir(parents=True, exist_ok=True)
    model.half().save_pretrained(folder)
    word_level(VOCABULARY, POSITIONS, begin=BEGIN, unknown=UNKNOWN).save_pretrained(folder)
    model.float()  # as it is loaded: rounded, and computed in float32
    card = CARD.format(
        **vars(recipe),
        parameters=sum(weight.numel() for weight in model.parameters()),
        one_in=ONE_IN,
        seen=accuracy(model, held=False),
        unseen=accuracy(model, held=True),
    )
    (folder / "README.md").write_text(card, encoding="utf-8")
    write_digests(folder)


def main(arguments: list[str]) -> None:
    """Train the model into the folder that is named."""
    if len(arguments) != 1:
        raise SystemExit("Name a new folder: python -m workbench.bundled_models.sums FOLDER")
    folder = Path(arguments[0])
    if folder.exists() and any(folder.iterdir()):
        raise WorkbenchError(f"There is something in {folder}: name a new folder.")
    recipe = Recipe()
    write(folder, train(recipe, lambda said, _: print(said, file=sys.stderr)), recipe)


if __name__ == "__main__":
    main(sys.argv[1:])
