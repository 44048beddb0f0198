"""The pocket model's tokens: whole words with a space before them, and two-digit numbers.

A year is two tokens, as in GPT-2: " 1741" is " 17" and "41".  No torch.
"""

from __future__ import annotations

from typing import Any

from tasks import words

BEGIN = "<|begin|>"
"""Stands before every document and pads nothing: prompts of a batch have one length."""
UNKNOWN = "<|unknown|>"
PIECES = r" ?[A-Za-z]+| ?[0-9][0-9]|[.,:]|\s|."
"""How a text is cut: a word or two digits with the space before them, a mark, anything else."""

PUNCTUATION = (".", ",", ":")
STARTERS = ("The", *words.OPENINGS, "From", "In", "List")
"""Words that begin a sentence: without a space too, where they begin a document."""
FUNCTION_WORDS = (
    "the", "a", "to", "and", "from", "year", "lasted", "began", "ended", "until", "in", "went",
)  # fmt: skip
ADJECTIVES = (
    "old", "new", "red", "green", "small", "large", "clean", "heavy", "quiet", "strange",
    "early", "late", "here", "there", "alone", "ready",
)  # fmt: skip
CENTURIES = tuple(f"{century}" for century in range(10, 20))
ENDINGS = tuple(f"{year:02d}" for year in range(100))


def nouns() -> tuple[str, ...]:
    """Every noun and name that a list may be made of, singular and plural."""
    pairs = (*words.THINGS, *words.PLACES, *words.PEOPLE)
    inflected = [form for forms in pairs for form in forms]
    rest = (*words.EVENTS, *words.NAMES, *words.DESTINATIONS, *words.OBJECTS)
    return tuple(dict.fromkeys([*inflected, *rest]))


def tokens() -> tuple[str, ...]:
    """The text of every token, in the order of their ids."""
    spoken = [
        *STARTERS,
        *FUNCTION_WORDS,
        *nouns(),
        *words.THING_PREPOSITIONS,
        *words.PEOPLE_PREPOSITIONS,
        *(form for forms in words.VERBS for form in forms),
        *words.GIVING,
        *ADJECTIVES,
        *CENTURIES,
    ]
    spaced = [f" {word}" for word in spoken]
    return tuple(dict.fromkeys([UNKNOWN, BEGIN, *PUNCTUATION, *STARTERS, *ENDINGS, *spaced]))


def make_tokenizer(n_positions: int) -> Any:
    """The tokenizer of transformers' format; by itself it puts `BEGIN` before a text.

    Args:
        n_positions: the longest text that the model reads, in tokens.
    """
    return word_level(tokens(), n_positions, begin=BEGIN, unknown=UNKNOWN)


def word_level(vocabulary: tuple[str, ...], n_positions: int, *, begin: str, unknown: str) -> Any:
    """A tokenizer of whole words, spaces included, which writes back every text it knows."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    ids = {token: number for number, token in enumerate(vocabulary)}
    made = Tokenizer(models.WordLevel(ids, unk_token=unknown))
    made.pre_tokenizer = pre_tokenizers.Split(Regex(PIECES), "isolated")
    made.decoder = decoders.Fuse()
    made.post_processor = processors.TemplateProcessing(
        single=f"{begin} $A", pair=f"{begin} $A $B", special_tokens=[(begin, ids[begin])]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        bos_token=begin,
        eos_token=begin,
        unk_token=unknown,
        model_max_length=n_positions,
        clean_up_tokenization_spaces=False,
    )
