"""Rows of cells: what stands where on a screen, and how text of any width is put there."""

from __future__ import annotations

from rich.cells import cell_len

from screens.terminal.looks import Look

JOINER = "\u200d"

SINGLE = {chr(code) for code in range(0x20, 0x7F)}
"""Characters known to fill one cell, and to join none before them; more come as they are met."""


class Row:
    """The cells of one line of the screen, from the left.

    Attributes:
        texts: what stands in each cell; empty in the cells that a wide character also covers.
        looks: how it is drawn; None: nobody knows what stands there.
        wide: whether a character that is not one cell wide ever stood here.
        unsure: whether one did of which terminals do not agree how wide it is.
    """

    __slots__ = ("looks", "texts", "unsure", "wide")

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.looks: list[Look | None] = []
        self.wide = False
        self.unsure = False

    def copy(self) -> Row:
        row = Row()
        row.texts, row.looks = self.texts.copy(), self.looks.copy()
        row.wide, row.unsure = self.wide, self.unsure
        return row

    def settle(self) -> None:
        """Look again whether anything wide or unsure stands here still."""
        if self.wide:
            self.wide = not SINGLE.issuperset(self.texts)
            self.unsure = any(
                text not in SINGLE and not surely_wide(text) for text in self.texts if text
            )

    def crop(self, columns: int) -> None:
        del self.texts[columns:]
        del self.looks[columns:]

    def put(self, x: int, text: str, look: Look) -> int:
        """Write a text from a column on; returns the column after it."""
        if SINGLE.issuperset(text):
            self._place(x, list(text), look)
            return x + len(text)
        clusters = _clusters(text)
        if clusters and clusters[0][1] == 0:  # belongs to the character before it
            first = clusters.pop(0)[0]
            head = self.head(x - 1)
            if head >= 0:
                self.texts[head] += first
                self.wide = self.unsure = True
        for cluster, width, unsure in clusters:
            if width != 1 or unsure:
                self.wide = True
                self.unsure |= unsure
            self._place(x, [cluster, *[""] * (width - 1)], look)
            x += width
        return x

    def _place(self, x: int, texts: list[str], look: Look) -> None:
        end = x + len(texts)
        if end > len(self.texts):
            more = end - len(self.texts)
            self.texts += [""] * more
            self.looks += [None] * more
        if self.wide:
            self._cut(x)
            self._cut(end)
        self.texts[x:end] = texts
        self.looks[x:end] = [look] * len(texts)

    def _cut(self, x: int) -> None:
        """Nothing reaches from before column x to behind it: what did becomes blanks."""
        head = self.head(x)
        if 0 <= head < x:
            for i in range(head, self.end(head)):
                self.texts[i] = " "

    def head(self, x: int) -> int:
        """The column where the character that covers column x begins; -1: outside the row."""
        if x >= len(self.texts):
            return -1
        while x > 0 and not self.texts[x] and self.looks[x] is not None:
            x -= 1
        return x

    def end(self, x: int) -> int:
        """The column after the character that begins at x."""
        x += 1
        while x < len(self.texts) and not self.texts[x] and self.looks[x] is not None:
            x += 1
        return x


def _clusters(text: str) -> list[tuple[str, int, bool]]:
    """A text's characters with what joins them, their cells, and whether these are unsure.

    The first has no cells where it joins what stands before the text.
    """
    found: list[tuple[str, int, bool]] = []
    joined = False
    for character in text:
        width = cell_len(character)
        joins = joined or width == 0 or _modifies(character)
        joined = character == JOINER
        if not joins or (not found and width):
            found.append((character, width, width > 1 and not surely_wide(character)))
            if width == 1:
                SINGLE.add(character)
        elif found:
            cluster = found[-1][0] + character
            found[-1] = (cluster, cell_len(cluster) if found[-1][1] else 0, True)
        else:
            found.append((character, 0, True))
    if sum(width for _, width, _ in found) != cell_len(text):  # as wide as Textual takes it to be
        return [(text, cell_len(text), True)]
    return found


def _modifies(character: str) -> bool:
    """A skin tone, or a letter of a flag: terminals may join it to the character before."""
    return "\U0001f3fb" <= character <= "\U0001f3ff" or "\U0001f1e6" <= character <= "\U0001f1ff"


def surely_wide(character: str) -> bool:
    """Two cells since long before there were emoji: ideographs, kana, hangul and their signs."""
    return len(character) == 1 and (
        "\u2e80" <= character <= "\uffef" or "\U00020000" <= character <= "\U0003fffd"
    )
