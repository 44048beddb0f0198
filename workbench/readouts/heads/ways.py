"""What a head's readings start from, by name. No torch."""

from __future__ import annotations

from workbench.errors import WorkbenchError

EFFECTIVE, EMBEDDING = "effective", "embedding"

INPUTS: dict[str, str] = {
    EFFECTIVE: "W_E + MLP_0",
    EMBEDDING: "W_E",
}
"""By name: what a head is given for a token by itself, in short."""

CARRIED = " carried"
"""After an input's name: what the last MLP makes of a head's write alone is added to it."""
CARRIED_WORDS = "what the last MLP makes of it alone added"

PROMPT = "prompt "
"""Before an input's name: the prompt's own tokens are the keys, not the vocabulary's."""

OV_WAYS = (EFFECTIVE, EMBEDDING, EFFECTIVE + CARRIED, EMBEDDING + CARRIED)
QK_WAYS = (EFFECTIVE, EMBEDDING, PROMPT + EFFECTIVE, PROMPT + EMBEDDING)
"""What these readings can be asked for, the usual first."""

DISTANCE = 1
"""How many positions before the query a key stands if nothing is said: right before it."""


def check_input(source: str) -> str:
    """The name back.

    Raises:
        WorkbenchError: it is none of `INPUTS`.
    """
    if source not in INPUTS:
        raise WorkbenchError(
            f"There is no input {source!r} of a head; choose one of: {', '.join(INPUTS)}."
        )
    return source


def input_words(source: str, layer: int) -> str:
    """What a head of this layer is given, for a definition."""
    if source == EMBEDDING or layer == 0:
        return "its token embedding"
    return "its token embedding and what the first MLP makes of that alone"


def way_words(way: str) -> str:
    """A way in a few words, for a heading."""
    source = way.removesuffix(CARRIED).removeprefix(PROMPT)
    words = INPUTS[source]
    if way.endswith(CARRIED):
        words += ", last MLP"
    return f"{words}, prompt" if way.startswith(PROMPT) else words
