r"""Prompts and answers as they stand in a field of one line, and back again.

A line break is written `\n`, a tab `\t`, a backslash twice. In answers a space is `·`, so that a
missing one is seen, and `|` parts them; a backslash before either means the sign itself.
"""

from __future__ import annotations

SPACE, BAR = "·", "|"
_WRITTEN = {"\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
_READ = {"n": "\n", "t": "\t", "r": "\r"}


def prompt_field(text: str) -> str:
    """A prompt as it is typed."""
    return "".join(_WRITTEN.get(char, char) for char in text)


def prompt_of(field: str) -> str:
    """The prompt that is typed so."""
    return "".join(char for char, _ in _units(field))


def answers_field(texts: tuple[str, ...]) -> str:
    """Answers as they are typed."""
    own = {**_WRITTEN, " ": SPACE, SPACE: f"\\{SPACE}", BAR: f"\\{BAR}"}
    return BAR.join("".join(own.get(char, char) for char in text) for text in texts)


def answers_of(field: str) -> tuple[str, ...]:
    """The answers that are typed so; nothing between two bars is none."""
    answers = [""]
    for char, escaped in _units(field):
        if char == BAR and not escaped:
            answers.append("")
        else:
            answers[-1] += " " if char == SPACE and not escaped else char
    return tuple(answer for answer in answers if answer)


def last_begun(field: str) -> tuple[str, str]:
    """What stands before the answer that is being typed, as it stands there, and that answer."""
    at = 0
    for i, char in enumerate(field):
        backslashes = len(field[:i]) - len(field[:i].rstrip("\\"))
        if char == BAR and backslashes % 2 == 0:
            at = i + 1
    return field[:at], "".join(answers_of(field[at:]))


def _units(field: str) -> list[tuple[str, bool]]:
    """Each character, and whether a backslash stood before it."""
    units, chars = [], iter(field)
    for char in chars:
        if char == "\\":
            after = next(chars, "\\")
            units.append((_READ.get(after, after), True))
        else:
            units.append((char, False))
    return units
