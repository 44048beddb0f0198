"""Training the pocket model from nothing."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
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


class Training:
    """A training under way: the model, its optimizer, and the documents that come next.

    Attributes:
        recipe: what is done.
        model: in training mode.
        step: how many steps are done.
    """

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.model = new_model(recipe).train()
        self.step = 0
        self._rng = random.Random(recipe.seed)
        self._stream = documents(self._rng, recipe.length)
        matrices = [weight for weight in self.model.parameters() if weight.ndim > 1]
        rest = [weight for weight in self.model.parameters() if weight.ndim <= 1]
        self._optimizer = torch.optim.AdamW(
            [
                {"params": matrices, "weight_decay": recipe.decay},
                {"params": rest, "weight_decay": 0.0},
            ],
            lr=recipe.peak,
            betas=(0.9, 0.98),
        )

    def advance(self) -> float:
        """Do one step, and return its loss."""
        for group in self._optimizer.param_groups:
            group["lr"] = self.recipe.rate(self.step)
        drawn = [next(self._stream) for _ in range(self.recipe.batch)]
        ids = torch.tensor([document.ids for document in drawn])
        weights = torch.tensor([document.weights for document in drawn])[:, 1:]
        loss = weighted_loss(self.model(ids).logits, ids, weights)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self._optimizer.step()
        self.step += 1
        return loss.item()

    def state(self) -> dict[str, Any]:
        """All that the next steps follow from."""
        return {
            "step": self.step,
            "model": self.model.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "documents": self._rng.getstate(),
        }

    def go_on(self, state: dict[str, Any]) -> None:
        """Take over what `state` gave: the steps that follow are those that would have been."""
        self.model.load_state_dict(state["model"])
        self._optimizer.load_state_dict(state["optimizer"])
        # A document is drawn whole before it is given, so that nothing else is under way.
        self._rng.setstate(state["documents"])
        self.step = int(state["step"])


def train(
    recipe: Recipe,
    progress: Progress | None = None,
    *,
    training: Training | None = None,
    after: Callable[[Training], None] | None = None,
) -> Any:
    """A trained model in evaluation mode.

    Args:
        recipe: what to do.
        progress: told the loss and the fraction done.
        training: one that was begun, of the same recipe; None: a new one.
        after: called before the first step and after each one; an error of it ends the training.
    """
    say = progress or silent
    training = training or Training(recipe)
    began, first = time.monotonic(), training.step
    if after is not None:
        after(training)
    while training.step < recipe.steps:
        loss = training.advance()
        if training.step % REPORTED == 0:
            a_step = (time.monotonic() - began) / (training.step - first)
            left = a_step * (recipe.steps - training.step) / 60
            done = training.step / recipe.steps
            say(f"Training, loss {loss:.2f}, {left:.0f} min left", done)
        if after is not None:
            after(training)
    return training.model.eval()


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
