"""Training the pocket model from nothing."""

from __future__ import annotations

import random
import time
from dataclasses import asdict, dataclass
from typing import Any

import torch

from workbench.base.progress import Progress, silent
from workbench.bundled_models.learning_rate import learning_rate
from workbench.bundled_models.pocket.grammar import documents
from workbench.bundled_models.pocket.vocabulary import BEGIN, tokens

REPORTED = 50
"""Steps between two reports of progress."""


@dataclass(frozen=True)
class Recipe:
    """All that decides the weights, but for the machine's rounding.

    Attributes:
        layers, heads, d_model: the shape of a GPT-2.
        length: tokens of a document, and positions of the model.
        batch: documents of a step.
        steps: how many.
        peak, last: learning rates; it rises over the first `warm` steps and falls as a cosine.
        decay: weight decay of matrices.
        seed: of weights and documents.
    """

    layers: int = 4
    heads: int = 4
    d_model: int = 128
    length: int = 64
    batch: int = 64
    steps: int = 3000
    peak: float = 2e-3
    last: float = 2e-5
    warm: int = 200
    decay: float = 0.1
    seed: int = 0

    def rate(self, step: int) -> float:
        """The learning rate of a step, counted from 0."""
        return learning_rate(step, peak=self.peak, last=self.last, warm=self.warm, steps=self.steps)

    def as_dict(self) -> dict[str, Any]:
        """The recipe in plain values."""
        return asdict(self)


def new_model(recipe: Recipe) -> Any:
    """A GPT-2 with random weights, of the recipe's shape and for the pocket's tokens."""
    from transformers import GPT2Config, GPT2LMHeadModel

    begin = tokens().index(BEGIN)
    torch.manual_seed(recipe.seed)
    return GPT2LMHeadModel(
        GPT2Config(
            vocab_size=len(tokens()),
            n_positions=recipe.length,
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
    """A trained model in evaluation mode.

    Args:
        recipe: what to do.
        progress: told the loss and the fraction done.
    """
    say = progress or silent
    model = new_model(recipe).train()
    stream = documents(random.Random(recipe.seed), recipe.length)
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
    began = time.monotonic()
    for step in range(recipe.steps):
        for group in optimizer.param_groups:
            group["lr"] = recipe.rate(step)
        drawn = [next(stream) for _ in range(recipe.batch)]
        ids = torch.tensor([document.ids for document in drawn])
        weights = torch.tensor([document.weights for document in drawn])[:, 1:]
        loss = weighted_loss(model(ids).logits, ids, weights)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if (step + 1) % REPORTED == 0:
            left = (time.monotonic() - began) * (recipe.steps / (step + 1) - 1) / 60
            say(f"Training, loss {loss.item():.2f}, {left:.0f} min left", (step + 1) / recipe.steps)
    return model.eval()


def weighted_loss(logits: torch.Tensor, ids: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy of the next token, by weight.

    Args:
        logits: [document, position, token].
        ids: [document, position].
        weights: [document, position - 1] of every token but the first.
    """
    losses = torch.nn.functional.cross_entropy(
        logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten(), reduction="none"
    )
    return (losses * weights.flatten()).sum() / weights.sum()
