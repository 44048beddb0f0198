"""Tiny models with random weights and a word-level tokenizer, made in milliseconds for tests.

Tasks of the words in `tasks.words` can be made with the tokenizer: it reads a word with the space
before it as one token, a year as two two-digit tokens (`digits="pairs"`), as single digits
(`"single"`) or as three digits and one (`"three"`), and `<|im_start|>`, wherever it is typed, as
the special token.
The weights are large enough that logits, attention and MLPs differ from prompt to prompt.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, decoders, pre_tokenizers, processors
from tokenizers.models import WordLevel
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from tasks import words

BOS = "<|im_start|>"
UNKNOWN = "<unk>"
# How a run of digits is cut: like GPT-2 (17|41), like SmolLM2 (1|7|4|1), like Llama-3 (174|1).
DIGITS = {"pairs": r" ?\d\d|\d", "single": r"\d", "three": r"\d\d\d|\d\d|\d"}
MAX_POSITIONS = 64
GAIN = 2.0  # of the matrices: at 1 a changed token hardly moves the logits of GPT-2


def vocabulary(digits: str = "pairs") -> list[str]:
    """Every token of the built-in tasks, special tokens first."""
    lists = (value for name, value in vars(words).items() if name.isupper())
    flat = [word for value in lists for entry in value for word in _forms(entry)]
    flat += ["The", "the", "lasted", "from", "year", "to", "and", "went", "a", "List"]
    widths = {"pairs": (1, 2), "single": (1,), "three": (1, 2, 3)}[digits]
    numbers = [f"{n:0{width}d}" for width in widths for n in range(10**width)]
    numbers += [f" {n:02d}" for n in range(100)] if digits == "pairs" else []
    typed = [space + word for word in flat for space in ("", " ")]
    punctuation = [",", ".", " ", "\n", "!", "?", ":", "'"]
    return list(dict.fromkeys([UNKNOWN, BOS, *punctuation, *numbers, *typed]))


def _forms(entry: str | tuple[str, ...]) -> tuple[str, ...]:
    return (entry,) if isinstance(entry, str) else entry


def tiny_tokenizer(
    *, digits: str = "pairs", add_bos: bool = False, more: Sequence[str] = ()
) -> PreTrainedTokenizerFast:
    """A word-level tokenizer; `add_bos`: its default prepends `<|im_start|>` to every text.

    `more`: words besides those of `tasks.words`, with and without a space before them.
    """
    words_too = [space + word for word in more for space in ("", " ")]
    ids = {token: i for i, token in enumerate(dict.fromkeys([*vocabulary(digits), *words_too]))}
    tokenizer = Tokenizer(WordLevel(ids, unk_token=UNKNOWN))
    pattern = rf"{DIGITS[digits]}| ?[A-Za-z]+|[^\sA-Za-z\d]|\s"
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(pattern), "isolated")
    tokenizer.decoder = decoders.Fuse()
    if add_bos:
        bos_id = tokenizer.token_to_id(BOS)
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{BOS} $A", pair=f"{BOS} $A $B", special_tokens=[(BOS, bos_id)]
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=BOS,
        eos_token=BOS,
        unk_token=UNKNOWN,
        clean_up_tokenization_spaces=False,
    )


def tiny_gpt2(
    *, layers: int = 2, heads: int = 2, d_head: int = 8, seed: int = 0, **tokenizer: Any
) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    """GPT-2: LayerNorm, learned positions, biases everywhere, tied unembedding."""
    made = tiny_tokenizer(**tokenizer)
    config = GPT2Config(
        vocab_size=len(made),
        n_positions=MAX_POSITIONS,
        n_embd=heads * d_head,
        n_layer=layers,
        n_head=heads,
        bos_token_id=made.bos_token_id,
        eos_token_id=made.eos_token_id,
    )
    return _randomised(GPT2LMHeadModel(config), seed), made


def tiny_llama(
    *,
    layers: int = 2,
    heads: int = 4,
    n_kv_heads: int = 2,
    d_head: int = 8,
    seed: int = 0,
    **tokenizer: Any,
) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    """Llama: RMSNorm, rotary positions, gated MLP, grouped-query attention, no biases."""
    made = tiny_tokenizer(**tokenizer)
    config = LlamaConfig(
        vocab_size=len(made),
        hidden_size=heads * d_head,
        intermediate_size=2 * heads * d_head,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=n_kv_heads,
        max_position_embeddings=MAX_POSITIONS,
        bos_token_id=made.bos_token_id,
        eos_token_id=made.eos_token_id,
    )
    return _randomised(LlamaForCausalLM(config), seed), made


def tiny_neox(
    *,
    layers: int = 2,
    heads: int = 2,
    d_head: int = 8,
    parallel: bool = True,
    seed: int = 0,
    **tokenizer: Any,
) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    """GPT-NeoX: LayerNorm, rotary positions on half of each head, attention beside the MLP."""
    made = tiny_tokenizer(**tokenizer)
    config = GPTNeoXConfig(
        vocab_size=len(made),
        hidden_size=heads * d_head,
        intermediate_size=2 * heads * d_head,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        max_position_embeddings=MAX_POSITIONS,
        use_parallel_residual=parallel,
        rope_parameters={
            "rope_type": "default",
            "rope_theta": 10000.0,
            "partial_rotary_factor": 0.5,
        },
        bos_token_id=made.bos_token_id,
        eos_token_id=made.eos_token_id,
    )
    return _randomised(GPTNeoXForCausalLM(config), seed), made


def _randomised(model: PreTrainedModel, seed: int) -> PreTrainedModel:
    """`model` in eval mode with seeded weights: matrices N(0, GAIN²/d_model), norms near 1."""
    generator = torch.Generator().manual_seed(seed)
    d_model = model.config.hidden_size
    with torch.no_grad():
        for name, parameter in model.named_parameters():  # tied weights come once
            noise = torch.randn(parameter.shape, generator=generator)
            if parameter.dim() > 1:
                parameter.copy_(GAIN * noise / d_model**0.5)
            elif name.endswith("weight"):  # of a norm
                parameter.copy_(1 + 0.2 * noise)
            else:
                parameter.copy_(0.2 * noise)
    return model.eval().requires_grad_(False)
