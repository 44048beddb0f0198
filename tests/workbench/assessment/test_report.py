"""The report: a golden file, well-formed pages, pictures that are always the same."""

from __future__ import annotations

import os
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.house.test_house import HEAVY, loaded_by
from tests.support.cases import assessment_values as values
from tests.support.paths import GOLDEN
from workbench import Assessment, WorkbenchError, write_report
from workbench.assessment.catalogue import PARTS
from workbench.assessment.report.document import (
    Bullets,
    Figure,
    Heading,
    Paragraph,
    Table,
    to_html,
    to_markdown,
)
from workbench.assessment.report.headlines import estimate, headline, share
from workbench.assessment.report.page import report
from workbench.assessment.report.plots import plots_of, with_own_names
from workbench.assessment.results.faithfulness import Estimate

pytestmark = pytest.mark.dependencies

PAGE = GOLDEN / "assessment.md"
VOID = {"meta", "br", "hr", "img"}


class Page(HTMLParser):
    """Checks that tags are closed in turn, and keeps what the page holds."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        self._attributes(attrs)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._attributes(attrs)

    def _attributes(self, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            assert not name.startswith("on"), f"{name} would run something"
            if name == "id":
                self.ids.append(str(value))
            if name in ("href", "xlink:href", "src"):
                self.links.append(str(value))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def page() -> str:
    return to_html(report(values.an_assessment()))


def test_the_markdown_is_the_golden_file() -> None:
    """Written anew with PAGE=write; look at the difference before it is kept."""
    made = to_markdown(report(values.an_assessment()), "report_files")
    if os.environ.get("PAGE") == "write":
        PAGE.write_text(made, encoding="utf-8")
    assert made == PAGE.read_text(encoding="utf-8")


def test_the_page_is_well_formed_and_needs_and_runs_nothing(page: str) -> None:
    found = Page(page)
    assert not {"script", "iframe", "object", "embed", "link"} & set(found.tags)
    assert len(found.ids) == len(set(found.ids))
    assert found.links
    for link in found.links:
        assert link.removeprefix("#") in found.ids
    for name in re.findall(r"url\(#([^)]*)\)", page):
        assert name in found.ids
    assert "@import" not in page
    assert not re.findall(r"url\((?!#)", page)


def test_names_and_tokens_are_text_in_the_page(page: str) -> None:
    shown = values.HOSTILE.replace("\n", "\\n")
    assert Page(page).text.count(shown) >= 4
    assert "<script" not in page


def test_everything_is_said(page: str) -> None:
    text = " ".join(Page(page).text.split())
    for name, part in PARTS.items():
        assert part.title in text, name
        assert part.definition in text, name
    for words in (
        "EAP follows a slope.",
        "workbench assess tiny ioi one.json --report r.html",
        "an OR of paths hides it from noising",
        "an AND hides it from denoising",
        "2.6.0",
        "2026-01-02T03:04:05+00:00",
        "1 left out, which could not be used",
        "In 12 of them there is no faithfulness",
        "The model hardly does this task.",
    ):
        assert words in text, words


@pytest.mark.parametrize("name", [n for n in values.PARTS if n != "hypotheses"])
def test_pictures_are_well_formed_and_always_the_same(name: str) -> None:
    drawn = plots_of(name, values.PARTS[name]())
    assert drawn
    again = plots_of(name, values.PARTS[name]())
    assert drawn == again
    for _, svg, caption in drawn:
        root = ET.fromstring(svg)
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert caption
        words = "".join(root.itertext())
        assert "$" not in words


def test_a_picture_shows_what_it_is_of() -> None:
    """As many marks as there are values, and the names of the edges."""

    def marks(svg: str) -> int:
        return svg.count("<use ")

    full = values.directions()
    fewer = replace(full, edges=(), nodes=full.nodes[:1])
    before, after = (plots_of("directions", one)[0][1] for one in (full, fewer))
    assert marks(before) > marks(after)
    bars = plots_of("minimality", values.minimality())[0][1]
    assert "a0.h1-&gt;m1" in bars
    assert "m1-&gt;a1.h0&lt;v&gt;" in bars
    sizes = [svg for _, svg, _ in plots_of("chance", values.chance())]
    assert len(sizes) == 2
    assert "this circuit" in sizes[0]


def test_the_users_own_style_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    import matplotlib as mpl

    plain = plots_of("curve", values.curves())
    with mpl.rc_context({"axes.facecolor": "black", "font.size": 30, "svg.fonttype": "path"}):
        assert plots_of("curve", values.curves()) == plain
        assert mpl.rcParams["font.size"] == 30


def test_results_without_numbers_are_reported_too() -> None:
    """No span, one prompt, no edges: nothing divides by nothing."""
    none = Estimate(None)
    full = values.faithfulness()
    results = {
        "faithfulness": replace(
            full, faithfulness=none, prompts=full.prompts[:1], kl=Estimate(0.5)
        ),
        "directions": replace(
            values.directions(), nodes=(), edges=(), sufficiency=None, necessity=None
        ),
        "minimality": replace(values.minimality(), edges=(), nodes=(), faithfulness=None),
        "completeness": replace(values.completeness(), points=(), kinds=()),
        "chance": replace(
            values.chance(),
            faithfulness=None,
            baselines=tuple(
                replace(b, faithfulness=None, p=None) for b in values.chance().baselines
            ),
        ),
        "stability": replace(values.stability(), resamplings=()),
        "hypotheses": replace(values.hypotheses(), tests=()),
    }
    whole = values.an_assessment()
    made = replace(whole, circuits=(replace(whole.circuits[0], results=results),), compared={})
    text = Page(to_html(report(made))).text
    assert "undefined" in text
    assert "nan" not in text.lower().split()


def test_numbers_as_words() -> None:
    assert share(None) == "undefined"
    assert share(-0.00001) == "0.000"
    assert estimate(Estimate(0.5)) == "0.500"
    assert estimate(Estimate(0.5, 0.25, -0.00001)) == "0.500 [0.250, 0.000]"
    for name, make in (values.PARTS | {"overlap": values.overlap}).items():
        sentence = headline(name, make())
        assert sentence.endswith(".")
        assert "None" not in sentence


def test_markdown_takes_no_text_for_markup() -> None:
    text = "1. [a](b) *c* _d_ `e` <f> |g| ~h~ $i$ # j & k\\"
    made = to_markdown(
        [
            Heading(text, 2),
            Paragraph(text),
            Bullets((text,)),
            Table(("x", "y"), ((" two  spaces ", text),), code=frozenset({0, 1})),
            Figure("f", "<svg/>", text),
        ],
        "folder",
    )
    plain = re.sub(r"<code>.*?</code>", "", made)
    escaped = r"\[a\](b) \*c\* \_d\_ \`e\` \<f\> \|g\| \~h\~ \$i\$ \# j \& k\\"
    assert plain.count(escaped) == 4
    assert r"1\. " in plain.splitlines()[2]
    cells = re.findall(r"<code>(.*?)</code>", made)
    assert cells[0] == " two  spaces "
    assert not set("[]*_`<>|~$\\") & set(cells[1])
    assert made.endswith("(folder/f.svg)\n")


def test_ids_of_a_picture_are_its_own() -> None:
    svg = '<svg><path id="p1"/><use xlink:href="#p1"/><g clip-path="url(#p1)"/></svg>'
    assert with_own_names(svg, "a") == (
        '<svg><path id="a-p1"/><use xlink:href="#a-p1"/><g clip-path="url(#a-p1)"/></svg>'
    )


def test_files(tmp_path: Path) -> None:
    made = values.an_assessment()
    (page,) = write_report(made, tmp_path / "r.HTML")
    assert page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    text, *pictures = write_report(made, tmp_path / "r.md")
    assert len(pictures) == len(set(pictures)) == 9
    referred = re.findall(r"\]\(([^)]*\.svg)\)", text.read_text(encoding="utf-8"))
    assert [tmp_path / name for name in referred] == pictures
    for picture in pictures:
        ET.parse(picture)
    before = {path: path.read_bytes() for path in (page, text, *pictures)}
    write_report(made, tmp_path / "r.html")
    write_report(made, tmp_path / "r.md")
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.parametrize("name", ["r.pdf", "r", "missing/r.md"])
def test_a_path_where_no_report_can_be_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(WorkbenchError):
        write_report(values.an_assessment(), tmp_path / name)
    (tmp_path / "taken_files").write_text("a file")
    with pytest.raises(WorkbenchError, match="could not be made"):
        write_report(values.an_assessment(), tmp_path / "taken.md")


def test_reading_results_waits_for_nothing() -> None:
    pictures = {"scipy", "matplotlib", "textual"}
    assert not loaded_by("import workbench.assessment.report.page") & {*HEAVY, *pictures}
    plain = "import workbench.cli.assess, workbench.assessment.results.assessment"
    assert not loaded_by(plain) & {*HEAVY, *pictures, "numpy"}


def test_the_assessment_is_public() -> None:
    assert isinstance(values.an_assessment(), Assessment)
