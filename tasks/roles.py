"""Roles: the names of a prompt's parts, marked where the prompt is put together.

A generator writes `role("S1", "John")` where it would write "John"; `marked_pair` takes the marks
out of the prompts again and keeps where they stood in the clean one.
"""

import re

from tasks.pair import Pair, RoleSpan

# Of Unicode's private use: no prompt has them.
OPEN, AFTER_NAME, CLOSE = "\ue000", "\ue001", "\ue002"
MARK = re.compile(f"{OPEN}([^{AFTER_NAME}]*){AFTER_NAME}([^{CLOSE}]*){CLOSE}")


def role(name: str, text: str) -> str:
    """The text, marked as a role; roles do not lie in one another."""
    return f"{OPEN}{name}{AFTER_NAME}{text}{CLOSE}"


def unmarked(text: str) -> str:
    """The text without its marks."""
    return MARK.sub(lambda found: found[2], text)


def spans_of(text: str) -> tuple[RoleSpan, ...]:
    """Where the marked roles stand, in characters of the text without marks."""
    spans, taken_out = [], 0
    for found in MARK.finditer(text):
        start = found.start() - taken_out
        spans.append(RoleSpan(found[1], start, start + len(found[2])))
        taken_out += len(found[0]) - len(found[2])
    return tuple(spans)


def marked_pair(
    clean: str, corrupted: str, answers: tuple[str, ...], wrong_answers: tuple[str, ...]
) -> Pair:
    """A pair of prompts whose roles are marked; those of the clean one count."""
    return Pair(unmarked(clean), unmarked(corrupted), answers, wrong_answers, spans_of(clean))
