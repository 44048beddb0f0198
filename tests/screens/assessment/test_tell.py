"""A plug-in's part on the screen, which knows no more of it than its report says."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest

from screens.app import WorkbenchApp
from screens.assessment.tell import ANSWERED, describe, lines_of, summary
from tests.screens.assessment.test_assessment import answered, opened, said
from tests.support.tiny_sessions import tiny_session, until
from workbench.assessment.catalogue import PARTS, Part
from workbench.assessment.report.document import (
    Block,
    Bullets,
    Figure,
    Heading,
    Paragraph,
    Table,
)
from workbench.circuits.circuit import Circuit
from workbench.circuits.graph import Graph
from workbench.formats import save_circuit

HOSTILE = "a [red]long[/red]\n\x1b[31m name\twith words " * 3
WIDE = "漢字 " * 30
BLOCKS: tuple[Block, ...] = (
    Heading("Per head", 4),
    Paragraph(f"Of {HOSTILE}"),
    Bullets(("one", HOSTILE)),
    Table(("head", "number", ""), (("a0.h1", "12", HOSTILE), ("m1", "3", WIDE)), frozenset({1})),
    Table(("n",), tuple((str(n),) for n in range(300))),
    Table(("nothing",), ()),
    Figure("heads", "<svg/>", "All heads."),
)


@dataclass(frozen=True)
class Found:
    edges: int

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def assess(experiment: Any, circuit: Any, settings: Any) -> Generator[float, None, Found]:
    yield 0.5
    return Found(circuit.n_edges)


def headline(found: Found) -> str:
    return f"There are {found.edges} of them."


def sections(found: Found) -> Iterator[Block]:
    yield from BLOCKS


PART = Part(
    name="edges",
    title="Edges, counted",
    question="How many edges are there?",
    definition="A count.",
    assess=f"{__name__}:assess",
    headline=f"{__name__}:headline",
    sections=f"{__name__}:sections",
)


@pytest.fixture(autouse=True)
def part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PARTS, "edges", PART)


async def test_it_is_asked_and_answered(tmp_path: Path) -> None:
    session = tiny_session(tmp_path)
    save_circuit(Circuit.from_edges(Graph(3, 2), ["m2->logits", "input->m2"]), tmp_path / "c.json")
    session.load(tmp_path / "c.json")
    app = WorkbenchApp(session=session)
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await opened(pilot)
        assert [row.part.name for row in screen.parts.rows][-1] == "edges"
        await pilot.press("end", "enter")
        await until(pilot, lambda: answered(screen, "edges"))
        assert screen.parts.rows[-1].answer == ANSWERED
        for text in ("How many edges are there?", "There are 2 of them.", "Per head", "A count."):
            assert text in said(screen)
        assert screen._plot is not None and not screen._plot.display
    written = session.assessor.write_report(tmp_path / "r.md")[0].read_text(encoding="utf-8")
    assert "There are 2 of them." in written and "Per head" in written


@pytest.mark.parametrize("width", [40, 76, 140])
def test_every_line_fits_and_is_plain(width: int) -> None:
    above, below = describe("edges", Found(3), width)
    assert above.plain == "There are 3 of them." and summary("edges", Found(3)) == ANSWERED
    for line in below.split("\n"):
        assert line.cell_len <= width and "\x1b" not in line.plain


def test_a_table_in_columns() -> None:
    lines = [line.plain for line in lines_of(BLOCKS[3], 30)]
    assert lines[0].split() == ["head", "number"] and lines[2].split()[:2] == ["m1", "3"]
    assert lines[1].index("2") == lines[2].index("3") == lines[0].index("r")
    long = [line.plain for line in lines_of(BLOCKS[4], 80)]
    assert len(long) == 202 and long[-1] == "The first 200 of 300 rows; the report has more."
    assert [line.plain for line in lines_of(BLOCKS[5], 30)] == ["nothing"]
