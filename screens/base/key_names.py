"""Names of keys: Textual's, and how people write them."""

from __future__ import annotations

import unicodedata
from difflib import get_close_matches

from textual.binding import Binding
from textual.keys import Keys, format_key

SIGNS = {
    "up": "↑",
    "down": "↓",
    "left": "←",
    "right": "→",
    "enter": "⏎",
    "space": "space",
    "escape": "esc",
    "backspace": "⌫",
    "delete": "del",
    "tab": "tab",
    "pageup": "PgUp",
    "pagedown": "PgDn",
    "home": "Home",
    "end": "End",
}
MODIFIERS = {"ctrl": "^", "shift": "⇧", "alt": "alt-", "super": "super-"}

ALIASES = {
    "esc": "escape",
    "return": "enter",
    "del": "delete",
    "pgup": "pageup",
    "pgdn": "pagedown",
    "ins": "insert",
    **{sign: key for key, sign in SIGNS.items() if not sign.isascii()},
}
"""How people may write some keys, beside Textual's names and single characters."""

KNOWN = frozenset(key.value.rpartition("+")[2] for key in Keys) - {"<any>", "<ignore>"}


def written(key: str) -> str:
    """A key by Textual's name as people write it: 'ctrl+b' is ^b, 'full_stop' is a point."""
    *modifiers, plain = key.split("+") if key != "+" else [key]
    if plain[:1] == "f" and plain[1:].isdecimal():
        plain = plain.upper()
    sign = SIGNS.get(plain) or (plain if len(plain) == 1 else format_key(plain))
    return "".join(MODIFIERS.get(m, f"{m}-") for m in modifiers) + sign


def read_key(text: str) -> str:
    """Textual's name of a key as people write it: `e`, `?`, `F2`, `^n`, `ctrl+n`, `PgDn`.

    Raises:
        ValueError: with the rest of a sentence that begins with the key, as there is none such.
    """
    if text == " ":
        return "space"
    given = text.strip()
    for sign, modifier in (("^", "ctrl"), ("⇧", "shift")):
        if given.startswith(sign) and len(given) > 1:
            given = f"{modifier}+{given[1:]}"
    *modifiers, plain = given.split("+") if given.strip("+") else [given]
    modifiers = [modifier.lower() for modifier in modifiers]
    if unknown := set(modifiers) - {"ctrl", "shift"}:
        if unknown & {"alt", "meta"}:
            raise ValueError("goes with alt, which terminals send as escape and the letter.")
        raise ValueError("is no key.")
    if plain in ALIASES:
        name = ALIASES[plain]
    elif len(plain) == 1:
        if modifiers == ["shift"]:  # which is what terminals send
            modifiers, plain = [], plain.upper()
        elif modifiers:
            plain = plain.lower()
        name = "comma" if plain == "," else _named(plain)
    else:
        name = ALIASES.get(plain.lower(), plain.lower())
        if name not in KNOWN and not _is_character(name):
            near = get_close_matches(name, [*KNOWN, *ALIASES], n=1, cutoff=0.6)
            raise ValueError(f"is no key.{f' Did you mean {near[0]!r}?' if near else ''}")
    return "+".join([*sorted(set(modifiers)), name])


def _named(character: str) -> str:
    """Textual's name of the key with this character."""
    return next(iter(Binding.make_bindings([Binding(character, "none")]))).key


def _is_character(name: str) -> bool:
    """Whether it is the name of a character, such as full_stop."""
    try:
        unicodedata.lookup(name.replace("_", " "))
    except KeyError:
        return False
    return True
