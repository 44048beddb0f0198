"""Texts name keys by what they do, so that they name those of the user's own keymap."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from screens.base.actions import key_of, keyed, use_keys
from screens.preferences.keymap import actions_by_id
from tests.support.paths import ROOT
from workbench.tutorial.steps import STEPS

FOLDERS = ("screens", "workbench/tutorial")
TABLES = {"Action", "Meaning", "Binding"}
"""What tells which keys there are; of an action all but its sentence."""
NAMED = re.compile(r"\{key:([a-z_]+\.[a-z_]+)\}")
LITERAL = re.compile(
    r"(?<![\w’'“:\"\-×^.{/|%])([b-zB-HJ-Z](?![\w.’'+\-(:=/|])"
    r"|space(?= (?:picks|drops|keeps|marks|turns|switches|hides))|\{ \})"
    r"(?=[\s,;:.)?]|$)"
)
"""A letter that stands alone, as a key does in a sentence."""
NO_KEYS = {"q", "k", "v", "p", "m", "n", "K", "N", "B"}
"""Letters that are inputs of a head, probabilities, metrics, numbers, and a second circuit."""
OTHERS = ("screens/help/meanings.py", "screens/base/key_names.py")
"""What is about keys by their names."""


def literals(path: Path) -> Iterator[tuple[int, str]]:
    """The texts of a file that somebody may read, with their lines."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    passed: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            passed.add(id(node.value))  # what is said of the code
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in TABLES:
            passed |= {id(part) for argument in node.args[:4] for part in ast.walk(argument)}
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in passed
        ):
            yield node.lineno, node.value


def sources() -> list[Path]:
    found = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
    return [path for path in found if not str(path).endswith(OTHERS)]


def test_no_text_names_a_key_itself() -> None:
    told = [
        f"{path.relative_to(ROOT)}:{line}: {key!r} in {text[:60]!r}"
        for path in sources()
        for line, text in literals(path)
        if len(text.split()) > 2 and "%Y" not in text and "%(" not in text
        for key in LITERAL.findall(text)
        if key not in NO_KEYS
    ]
    assert told == []


def test_every_named_key_is_of_an_action() -> None:
    named = {name for path in sources() for name in NAMED.findall(path.read_text(encoding="utf-8"))}
    assert len(named) > 40
    assert named - set(actions_by_id()) == set()


@pytest.fixture
def own_keys() -> Iterator[None]:
    use_keys({"bench.keep_above": ("ctrl+k", "z")})
    yield
    use_keys({})


def test_the_users_own_key_is_named(own_keys: None) -> None:
    assert key_of("bench.keep_above") == "^k"
    assert keyed("{key:bench.keep_above} and {key:bench.undo}") == "^k and u"
    assert keyed("{key:no.action} stays") == "{key:no.action} stays"


def test_the_tutorial_names_keys_by_actions() -> None:
    assert any(NAMED.search(step.text) for step in STEPS)
    assert not any(NAMED.search(keyed(step.text)) for step in STEPS)
