"""Tokenizers of the kinds that differ where it matters: byte-level BPE, SentencePiece, whole years.

All are made here, in milliseconds; `tests.support.tiny_models` has the word-level ones.
"""

from __future__ import annotations

from collections.abc import Sequence

from tokenizers import Regex, Tokenizer, decoders, normalizers, pre_tokenizers, trainers
from tokenizers.models import BPE, WordLevel
from transformers import PreTrainedTokenizerFast

BOS = "<|im_start|>"


def byte_level(corpus: Sequence[str]) -> PreTrainedTokenizerFast:
    """Byte-level BPE as in GPT-2; the words of `corpus` are single tokens."""
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=10_000,
        min_frequency=1,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=[BOS],
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=BOS, clean_up_tokenization_spaces=False
    )


def sentence_piece(words: Sequence[str]) -> PreTrainedTokenizerFast:
    """As in Llama 2: a space is put before every text, and a word alone is ` word`.

    Each of `words` is a token with and without a space before it.
    """
    vocabulary = ["<unk>", BOS, "\n", "▁", *words, *(f"▁{word}" for word in words)]
    tokenizer = Tokenizer(
        WordLevel({token: i for i, token in enumerate(vocabulary)}, unk_token="<unk>")
    )
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"▁?[A-Za-z]+|\n|▁|\d"), "isolated")
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=BOS,
        unk_token="<unk>",
        clean_up_tokenization_spaces=False,
    )


def years_whole(tokenizer: PreTrainedTokenizerFast, years: Sequence[str]) -> None:
    """Make each year after a space one token of `tokenizer`, as GPT-2 has ` 1800`."""
    tokenizer.add_tokens([f" {year}" for year in years])
