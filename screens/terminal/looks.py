"""Look: how a cell is drawn, and the shortest control sequence from one look to the next."""

from __future__ import annotations

from functools import lru_cache

MOST_LOOKS = 8192
"""Looks that are remembered; a link may make any number of them."""

OFF = {
    "1": "22",
    "2": "22",
    "3": "23",
    "4": "24",
    "5": "25",
    "6": "25",
    "7": "27",
    "8": "28",
    "9": "29",
}
"""Of the codes that can be taken back singly, the code that does it everywhere."""

ENDS = {
    "22": ("1", "2"),
    "23": ("3",),
    "24": ("4", "21"),
    "25": ("5", "6"),
    "27": ("7",),
    "28": ("8",),
    "29": ("9",),
    "54": ("51", "52"),
    "55": ("53",),
}
"""What a code that takes something back ends."""

ON_BLANKS = frozenset(("4", "7", "9", "21", "51", "52", "53"))
"""Attributes that are seen on a blank: lines, frames, and ink and ground exchanged."""


class Look:
    """How a cell is drawn. Two looks are the same exactly if they are one object.

    Attributes:
        attributes: codes of "select graphic rendition" that are on, such as "1" for bold, sorted.
        ink, ground: the codes of both colours, such as "38;2;255;0;0"; empty: the terminal's own.
        link: parameters and address of a hyperlink, `id=1;https://...`; empty: none.
        blank: the look of a blank that cannot be told from a blank of this look.
    """

    __slots__ = ("attributes", "blank", "ground", "ink", "link")

    def __init__(self, attributes: tuple[str, ...], ink: str, ground: str, link: str) -> None:
        self.attributes = attributes
        self.ink = ink
        self.ground = ground
        self.link = link
        plain = all(a in OFF and a not in ON_BLANKS for a in attributes)
        alone = not attributes and not ink
        self.blank: Look = self if alone or not plain else look((), "", ground, link)

    def __repr__(self) -> str:
        return f"Look({';'.join(self.codes())!r}, link={self.link!r})"

    def codes(self) -> list[str]:
        return [*self.attributes, *filter(None, (self.ink, self.ground))]


@lru_cache(maxsize=MOST_LOOKS)
def look(attributes: tuple[str, ...], ink: str, ground: str, link: str) -> Look:
    """The one look with these attributes."""
    return Look(attributes, ink, ground, link)


PLAIN = look((), "", "", "")


@lru_cache(maxsize=MOST_LOOKS)
def drawn(now: Look, codes: str) -> Look:
    """The look after `CSI codes m`."""
    attributes, ink, ground = set(now.attributes), now.ink, now.ground
    left = codes.split(";")
    while left:
        code = left.pop(0)
        if code in ("", "0"):
            attributes, ink, ground = set(), "", ""
            continue
        if code in ("38", "48", "58"):  # a colour of many: an index, or red, green and blue
            n = {"5": 2, "2": 4}.get(left[0] if left else "", 0)
            code = ";".join([code, *left[:n]])
            del left[:n]
        number = code.split(";")[0].split(":")[0]
        if number in ENDS:
            ended = ENDS[number]
            attributes = {a for a in attributes if a.split(":")[0] not in ended}
        elif number == "59":
            attributes = {a for a in attributes if not a.startswith("58")}
        elif number == "39":
            ink = ""
        elif number == "49":
            ground = ""
        elif number == "38" or _is_colour(number, "3", "9"):
            ink = code
        elif number == "48" or _is_colour(number, "4", "10"):
            ground = code
        else:
            attributes.add(code)
    return look(tuple(sorted(attributes)), ink, ground, now.link)


def _is_colour(number: str, *tens: str) -> bool:
    return number[:-1] in tens and number[-1] in "01234567"


def linked(now: Look, link: str) -> Look:
    """The same look with this link; empty: none."""
    return look(now.attributes, now.ink, now.ground, link)


@lru_cache(maxsize=MOST_LOOKS)
def change(old: Look, new: Look) -> str:
    """The shortest control sequences after which a terminal that drew `old` draws `new`."""
    link = "" if old.link == new.link else f"\x1b]8;{new.link or ';'}\x1b\\"
    anew = ";".join(new.codes())
    sequence = f"\x1b[0;{anew}m" if anew else "\x1b[m"
    steps = _steps(old, new)
    if steps is not None:
        stepwise = f"\x1b[{';'.join(steps)}m" if steps else ""
        if len(stepwise) <= len(sequence):
            sequence = stepwise
    return link + sequence


def _steps(old: Look, new: Look) -> list[str] | None:
    """Codes that turn one look into the other without a reset; None: it takes one."""
    had, has = set(old.attributes), set(new.attributes)
    codes: list[str] = []
    for attribute in sorted(had - has):
        if attribute not in OFF:
            return None
        end = OFF[attribute]
        if end not in codes:
            codes.append(end)
            had -= set(ENDS[end])
    codes += sorted(has - had)
    if old.ink != new.ink:
        codes.append(new.ink or "39")
    if old.ground != new.ground:
        codes.append(new.ground or "49")
    return codes
