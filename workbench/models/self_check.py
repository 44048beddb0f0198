"""The proof on loading: the engine's logits beside the model's own, on two prompts.

The prompts are built in. The two prompts share their first tokens, as a task's clean and corrupted
prompts do, so that the engine's short cut for a common prefix is tried as well. Where the model has
a sliding window they are longer than it, if that takes no time.

A model in bfloat16 or float16 is checked in these numbers, and then in float32, of the same
weights: what rounding hides shows there. Where there is no memory for that, the tolerance in its
own numbers is what rounding by chance does to the model itself.

Glossary: docs/glossary.md#check-on-loading.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from workbench.base.failures import is_memory_error
from workbench.base.installed import version_of
from workbench.base.numbers import wide
from workbench.base.transfers import array_of, uploaded
from workbench.errors import WorkbenchError
from workbench.models.device import free_memory
from workbench.models.info import SelfCheck
from workbench.models.wide_numbers import (
    SHORT,
    in_wide_numbers,
    rounded_otherwise,
    wide_bytes,
    widened,
)
from workbench.transformer.families.fit import NOT_AS_KNOWN
from workbench.transformer.forward import unembed
from workbench.transformer.parts import ModelParts
from workbench.transformer.recording import Recording, record

PROMPT = "When Mary and John went to the store, John gave a drink to"

N_SHARED = 4
"""Tokens that the two prompts have in common."""

MAX_TOKENS = 24
"""Long enough for attention to matter at every layer, short enough to take no time."""

BEYOND_WINDOW = 8
"""How much longer than a sliding window the prompts are."""

AFFORDABLE = {"cpu": 3 * 10**10}
AFFORDABLE_ELSEWHERE = 10**13
"""Weights times tokens of a prompt that are worth running for a window: about a second's work."""

# Largest difference allowed, relative to the scale of the logits. In the short formats it is some
# twenty spacings of the numbers near 1: measured, a model's logits move by up to ten of them when
# it is run in that format instead of float32.
TOLERANCES = {
    torch.float64: 1e-10,
    torch.float32: 1e-4,
    torch.float16: 3e-2,
    torch.bfloat16: 1.5e-1,
}

MARGIN, MARGIN_OF_EXPERTS = 1.25, 3.0
"""In short numbers the engine may differ by so much of what rounding by chance does: measured on
every tiny model of the tests, an honest one differs by 0.07 to 0.6 of it, and with experts, of whom
rounding chooses others, by 0.03 to 1.3."""

ROOM = 0.7
"""Share of the free memory that a check in float32 may take."""


PASSES = 2
"""Forward passes that the check takes: the model's own on both prompts together; and the engine's
on the clean prompt, then on the other from its first own token on.
"""


def check_prompts(
    tokenizer: Any, vocabulary: int, longest: int, wanted: int = MAX_TOKENS
) -> Tensor:
    """Two prompts [2, position] with the same first tokens: a sentence, and ids from all over.

    Args:
        tokenizer: encodes the sentence.
        vocabulary: number of tokens the model knows.
        longest: number of positions the model has.
        wanted: how long they may be; beyond `MAX_TOKENS` the sentence is said again and again.
    """
    ids = [i for i in tokenizer(PROMPT)["input_ids"] if i < vocabulary]
    if wanted > MAX_TOKENS and ids:
        ids = ids * (wanted // len(ids) + 1)
    ids = ids[: min(wanted, longest)]
    if len(ids) < 2:
        ids = [1 % vocabulary, 0]
    other = list(ids)
    shared = min(N_SHARED, len(ids) - 1)
    for position in range(shared, len(ids)):
        other[position] = (7919 * position + 13) % vocabulary
    return torch.tensor([ids, other])


def tokens_of(hf_model: Any, parts: ModelParts, tokenizer: Any) -> Tensor:
    """The prompts [2, position] that a model is checked on."""
    longest = int(getattr(hf_model.config, "max_position_embeddings", None) or MAX_TOKENS)
    wanted = max(MAX_TOKENS, _beyond_window(hf_model, parts))
    return uploaded(check_prompts(tokenizer, parts.w_u.shape[1], longest, wanted), parts.device)


def engine_logits(parts: ModelParts, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """The engine's logits of both prompts, the second from its first own token on."""
    with torch.no_grad():
        run = record(parts, tokens[:1], tokens[1:], min(N_SHARED, tokens.shape[1] - 1))
        return unembed(parts, run.whole.final), unembed(parts, run.corrupted.final)


def self_check(
    hf_model: Any, parts: ModelParts, tokenizer: Any, name: str = "this model"
) -> SelfCheck:
    """Compare the engine's logits with the model's own, all positions of two prompts.

    Raises:
        WorkbenchError: they differ by more than float noise; the message names the first layer
            after which the residuals do.
    """
    tokens = tokens_of(hf_model, parts, tokenizer)
    most, short = TOLERANCES.get(parts.dtype, 1e-4), parts.dtype in SHORT
    # Weights that accelerate puts aside are none that could be made float32 for a while.
    if not short or parts.is_spread or wide_bytes(hf_model) > ROOM * free_memory(parts.device):
        allowed = _by_chance(hf_model, parts, tokens, name) if short else most
        return _compared(hf_model, parts, tokens, name, min(most, allowed))
    check = _compared(hf_model, parts, tokens, name, most)
    with in_wide_numbers(hf_model):
        coarse = _rounds_weights(hf_model.config.model_type, parts)
        tolerance = torch.finfo(parts.dtype).eps if coarse else TOLERANCES[torch.float32]
        wide = _compared(hf_model, widened(parts), tokens, name, tolerance)
    return replace(wide, passes=check.passes + wide.passes)


def _rounds_weights(model_type: str, parts: ModelParts) -> bool:
    """Whether the engine's weights or biases are computed out of the model's, in its numbers.

    They are rounded once more then: Gemma 4's, and what distances add to scores in a Falcon. In
    bfloat16 that was 0.004 of the logits' scale at most, when it was measured.
    """
    distances = any(layer.attention.key_bias is not None for layer in parts.layers)
    return model_type == "gemma4_text" or (model_type == "falcon" and distances)


def _by_chance(hf_model: Any, parts: ModelParts, tokens: Tensor, name: str) -> float:
    """How far the logits of an honest engine may be from the model's own in short numbers.

    Measured on the model itself, once as it is and once rounded otherwise.
    """
    with torch.no_grad():
        as_it_is = _own_logits(hf_model, tokens, name)
        with rounded_otherwise(hf_model, parts.dtype):
            otherwise = _own_logits(hf_model, tokens, name)
    honest = _gap_of(parts)(otherwise - as_it_is) / as_it_is.std().item()
    routed = any(layer.routed for layer in parts.layers)
    allowed = (MARGIN_OF_EXPERTS if routed else MARGIN) * honest
    return max(2 * torch.finfo(parts.dtype).eps, allowed)


def _gap_of(parts: ModelParts) -> Callable[[Tensor], float]:
    tied = parts.dtype in SHORT and any(layer.routed for layer in parts.layers)
    return _middle if tied else _largest


def _compared(
    hf_model: Any, parts: ModelParts, tokens: Tensor, name: str, tolerance: float
) -> SelfCheck:
    """The check in the numbers that model and parts have now. Errors as `self_check`."""
    shared = min(N_SHARED, tokens.shape[1] - 1)
    with torch.no_grad():
        expected = _own_logits(hf_model, tokens, name)
        recording = record(parts, tokens[:1], tokens[1:], shared)
        clean = wide(unembed(parts, recording.whole.final))
        corrupted = wide(unembed(parts, recording.corrupted.final))
    gap = _gap_of(parts)
    check = SelfCheck(
        difference=max(gap(clean - expected[:1]), gap(corrupted - expected[1:, shared:])),
        scale=float(array_of(expected.std())),
        tolerance=tolerance,
        prompts=tokens.shape[0],
        tokens=tokens.shape[1],
        passes=PASSES,
        numbers=str(parts.dtype).removeprefix("torch."),
    )
    if not array_of(expected.isfinite().all()):
        raise WorkbenchError(_not_finite(hf_model, name, parts.dtype))
    # A NaN is never within the tolerance.
    if not check.passed:
        where = _first_difference(hf_model, recording, tokens, check)
        raise WorkbenchError(
            f"The engine does not reproduce {name}: the logits differ by {check.relative:.1e} of "
            f"their scale ({check.tolerance:.2g} is allowed), first {where}; the model cannot be "
            "analysed, please report it."
        )
    return check


def _own_logits(hf_model: Any, tokens: Tensor, name: str) -> Tensor:
    """What the model itself says, all positions.

    Raises:
        WorkbenchError: it cannot be run, as with a configuration whose sizes do not fit together.
    """
    try:
        return wide(torch.as_tensor(hf_model(tokens, use_cache=False).logits))
    except NOT_AS_KNOWN as error:
        if is_memory_error(error):
            raise
        lines = str(error).strip().splitlines()
        said = lines[0].rstrip(".")[:200] if lines else type(error).__name__
        raise WorkbenchError(
            f"The own forward pass of {name} fails (transformers {version_of('transformers')}: "
            f"{said}): check its configuration."
        ) from error


def _not_finite(hf_model: Any, name: str, dtype: torch.dtype) -> str:
    """Why a model's own logits are not finite, in a sentence."""
    for key, weight in hf_model.named_parameters():
        if not bool(weight.isfinite().all()):
            return f"The weights of {name} hold NaN or infinity ({key}): fetch or train it anew."
    short = str(dtype).removeprefix("torch.")
    advice = (
        "check its configuration" if dtype == torch.float32 else "try --dtype bfloat16 or float32"
    )
    return f"The logits of {name} itself are not finite in {short}: {advice}."


def _beyond_window(hf_model: Any, parts: ModelParts) -> int:
    """A length beyond every window; 0 if there is none or running it would take long."""
    if parts.window is None:
        return 0
    length = parts.window + BEYOND_WINDOW
    weights = sum(weight.numel() for weight in hf_model.parameters())
    affordable = AFFORDABLE.get(parts.device.type, AFFORDABLE_ELSEWHERE)
    return length if length * weights <= affordable else 0


def _largest(difference: Tensor) -> float:
    """The largest root mean square over the last axis; NaN if there is one."""
    return float(array_of(difference.pow(2).mean(-1).sqrt().max()))


def _middle(difference: Tensor) -> float:
    """The median root mean square over the last axis; NaN if there is one."""
    return float(array_of(difference.pow(2).mean(-1).sqrt().median()))


def _first_difference(hf_model: Any, recording: Recording, tokens: Tensor, check: SelfCheck) -> str:
    """Where the engine's residual leaves the model's: the first layer whose output differs."""
    parts, n_layers = recording.parts, len(recording.parts.layers)
    with torch.no_grad():
        out = hf_model(tokens, use_cache=False, output_hidden_states=True)
    # Before every layer, and after the final norm.
    theirs = out.hidden_states
    runs = ((recording.whole, slice(0, 1), 0), (recording.corrupted, slice(1, 2), recording.start))
    for index in range(n_layers + 1):
        scale = float(array_of(theirs[index].float().std()))
        for run, row, start in runs:
            last = index == n_layers
            ours = parts.norm_final(run.final) if last else run.layers[index].attn_in
            if parts.residual_factors is not None and not last:
                ours = ours * parts.residual_factors[index]
            gap = _largest(wide(ours) - wide(theirs[index][row, start:]))
            if not gap <= check.tolerance * scale:
                return "in the embeddings" if index == 0 else f"in layer {index - 1}"
    return "in the final norm or the unembedding"
