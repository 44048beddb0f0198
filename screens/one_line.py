"""Words that came from a file (roles, names, notes, paths) as one harmless line."""

from __future__ import annotations

from screens.tokens import show_token


def one_line(text: str, width: int = 200) -> str:
    """Text with single spaces between words and every character visible: no markup, no controls."""
    return " ".join(show_token(word, width) for word in text.split(" ") if word.strip())
