"""Nasty tokens: whatever they hold, they are shown as one harmless line of known width."""

import re
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.text import Text

from screens.base.tokens import EMPTY, fit, show_token, show_tokens

pytestmark = pytest.mark.dependencies

GUARD = "\u2800"


@pytest.mark.parametrize(
    ("token", "shown"),
    [
        (" Mary", "·Mary"),
        ("  ", "··"),
        ("\n", "⏎"),
        ("\t", "⇥"),
        ("\r\n", "␍⏎"),
        ("", EMPTY),
        ("[bold]x[/bold]", "[bold]x[/bold]"),
        ("[@click=app.quit]x", "[@click=app.quit]x"),
        ("<|im_start|>", "<|im_start|>"),
        ("\x1b[2Jx", "␛[2Jx"),
        ("\x9b31m", "‹9b›31m"),
        ("\x00\x07\x08\x7f", "␀␇␈␡"),
        ("\u202eevil", "‹202e›evil"),
        ("a\u2066b\u2069", "a‹2066›b‹2069›"),
        ("\u200b", "‹200b›"),
        ("\ufeff", "‹feff›"),
        ("\u00a0x", "‹a0›x"),
        ("\u2028", "‹2028›"),
        ("\ud83d", "‹d83d›"),
        ("\ue000", "‹e000›"),
        ("�", "�"),
        ("été", "été"),
        ("e\u0301", "e\u0301"),
        ("\u0301", "◌\u0301"),
        ("日本", "日本"),
        ("👩\u200d💻", "👩‹200d›💻"),
        ("❤\ufe0f", "❤‹fe0f›"),
        ("👍🏽", "👍‹1f3fd›"),
        ("🇩🇪", "‹1f1e9›‹1f1ea›"),
        ("\u3164", "‹3164›"),
        ("a·b", "a‹b7›b"),
        ("‹200b›", "‹2039›200b‹203a›"),
        (" שלום", f"{GUARD}·שלום{GUARD}"),
        ("مرحبا!", f"{GUARD}مرحبا!{GUARD}"),
    ],
)
def test_a_token_is_shown_as(token: str, shown: str) -> None:
    assert show_token(token) == shown


@pytest.mark.parametrize(
    ("token", "shown"),
    [
        (" indirect", "·indi…"),
        ("日本語日本", "日本…"),
        ("aaaa\u202e", "aaaa…"),
        ("abcdef", "abcdef"),
        ("שלום לך", f"{GUARD}שלו…{GUARD}"),
    ],
)
def test_a_long_token_is_cut_with_an_ellipsis_and_never_inside_a_code(
    token: str, shown: str
) -> None:
    assert show_token(token, 6) == shown


def test_a_pile_of_combining_marks_stays_on_its_row() -> None:
    shown = show_token("o" + "\u0336" * 50, 80)
    assert shown.count("\u0336") == 2
    assert "‹336›" in shown


@given(st.text(), st.integers(min_value=3, max_value=40))
@example("\u202e" * 9, 3)
@example("\U0001f1e9\U0001f1ea", 5)
@example("क्षि", 3)
def test_any_text_becomes_one_visible_line_of_at_most_the_width(token: str, width: int) -> None:
    shown = show_token(token, width)
    assert 1 <= cell_len(shown) <= width
    assert len(shown.splitlines()) == 1
    for char in shown:
        assert unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Co", "Zs", "Zl", "Zp")
        assert not 0x1F1E6 <= ord(char) <= 0x1F1FF
    assert Text(shown).plain == shown


@given(st.text(min_size=1, max_size=12))
@example("a\u0301\u0301\u0301\u0301")
@example("\u0301·◌")
def test_nothing_is_lost(token: str) -> None:
    """The shown text can be read back, so no two tokens look the same."""
    assert _read_back(show_token(token, 1000)) == token


def _read_back(shown: str) -> str:
    shown = re.sub(f"^{GUARD}(.*){GUARD}$", r"\1", shown).replace("◌", "")
    signs = {"·": " ", "⏎": "\n", "⇥": "\t", "␡": "\x7f"}

    def piece(match: re.Match[str]) -> str:
        sign = match[0]
        if match[1]:
            return chr(int(match[1], 16))
        return signs.get(sign) or chr(ord(sign) - 0x2400)

    return re.sub("‹([0-9a-f]+)›|[·⏎⇥␡␀-␟]", piece, shown)


@given(st.text(st.characters(categories=["L", "N", "P", "S"])), st.integers(0, 30))
def test_fit_is_exactly_as_wide_as_asked(text: str, width: int) -> None:
    text = show_token(text, 100)
    assert cell_len(fit(text, width)) == width
    assert cell_len(fit(text, width, "right")) == width


def test_fit_keeps_what_it_can() -> None:
    assert fit("m0", 5) == "m0   "
    assert fit("m0", 5, "right") == "   m0"
    assert fit("a10.h11", 5) == "a10.…"
    assert fit("日本", 3) == "日…"
    assert fit("x", 0) == ""


def test_many_tokens() -> None:
    assert show_tokens([" a", ""]) == ["·a", EMPTY]
