"""How a docstring begins, and its link to the glossary; ruff's rules are held by `test_house`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tests.house.test_house import DOCUMENTED, ROOMS
from tests.support.paths import ROOT

MAX_FIRST_LINE = 88
ENDS = (".", "?", ":")

GLOSSARY = "docs/glossary.md"
FIELD = "Terms of the field"
"""The table at the end; its terms are not ours to define."""
LINK = re.compile(re.escape(GLOSSARY) + r"#([\w-]+)")
CLOSING = re.compile(r"\n\nGlossary: (.+)\Z", re.DOTALL)


def docstrings() -> Iterator[tuple[str, str]]:
    """Every docstring of the packages, and where it stands."""
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            file = path.relative_to(ROOT).as_posix()
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, DOCUMENTED) and (text := ast.get_docstring(node)):
                    yield f"{file} {getattr(node, 'name', '')}".strip(), text


def test_a_docstring_begins_with_one_line_that_is_whole() -> None:
    """At most 88 characters that end a sentence; more may follow after an empty line."""
    broken = []
    for where, text in docstrings():
        first, *rest = text.splitlines()
        whole = len(first) <= MAX_FIRST_LINE and first.endswith(ENDS)
        if not (whole and not "".join(rest[:1])):
            broken.append(f"{where}: {first}")
    assert not broken


def words() -> dict[str, str]:
    """The anchor of every word of ours in the glossary -> the file or folder that defines it."""
    page = (ROOT / GLOSSARY).read_text(encoding="utf-8")
    entries = re.split(r"^## ", page, flags=re.MULTILINE)[1:]
    defined = {}
    for entry in entries:
        heading = entry.splitlines()[0]
        if heading != FIELD:
            places = re.findall(r"^Defined in `([^`]+)`\.$", entry, flags=re.MULTILINE)
            assert len(places) == 1, heading
            # As GitHub makes them.
            defined[re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")] = places[0]
    return defined


def test_every_word_of_the_glossary_is_linked_from_where_it_is_defined() -> None:
    linked = {
        (anchor, where.split()[0])
        for where, text in docstrings()
        if (closing := CLOSING.search(text))
        for anchor in LINK.findall(closing[1])
    }
    missing = {
        f"{anchor}: {place}"
        for anchor, place in words().items()
        if not any(word == anchor and file.startswith(place) for word, file in linked)
    }
    assert not missing


def test_every_link_to_the_glossary_leads_to_a_heading() -> None:
    known = words()
    lost = [
        f"{path.relative_to(ROOT)}: {anchor}"
        for room in (*ROOMS, "examples")
        for path in sorted((ROOT / room).rglob("*.py"))
        for anchor in LINK.findall(path.read_text(encoding="utf-8"))
        if anchor not in known
    ]
    assert not lost


def test_the_glossarys_own_links_lead_to_headings() -> None:
    page = (ROOT / GLOSSARY).read_text(encoding="utf-8")
    anchors = set(re.findall(r"\]\(#([\w-]+)\)", page))
    assert anchors - {FIELD.lower().replace(" ", "-")} <= set(words())


def test_links_close_a_docstring_in_one_form() -> None:
    """`Glossary: docs/glossary.md#live, docs/glossary.md#plan.`, the last paragraph of it."""
    link = re.escape(GLOSSARY) + r"#[\w-]+"
    form = re.compile(rf"{link}(?:,\s{link})*\.")
    broken = [
        where
        for where, text in docstrings()
        if "Glossary:" in text
        and not ((closing := CLOSING.search(text)) and form.fullmatch(closing[1]))
    ]
    assert not broken
