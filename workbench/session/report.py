"""A session as a page: title, numbers, circuit, groups, notes, and what led there.

It is made from the journal alone, so that no model has to be loaded and a session can go on
elsewhere meanwhile. Importing this loads no torch.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from workbench.assessment.report.document import (
    Block,
    Bullets,
    Figure,
    Heading,
    Paragraph,
    Table,
)
from workbench.assessment.report.page import check_report, write_page
from workbench.base.text import counted
from workbench.circuits.circuit import Circuit
from workbench.pictures.draw import picture_of
from workbench.pictures.figure import BLUE, axes
from workbench.pictures.settings import DrawingSettings
from workbench.session.about import read_about
from workbench.session.recorded import RecordedSession
from workbench.session.state_rows import StateRow

MOST_EDGES = 400
"""Edges that are listed; an exported circuit has all of them."""
MOST_STATES = 400
"""States that are listed, the latest ones."""


def write_session_report(
    journal: Path, path: str | os.PathLike[str], circuit: Circuit | None = None
) -> tuple[Path, ...]:
    """Write the report of a session, as Markdown with its pictures beside it, or as HTML.

    Args:
        journal: of the session, which may be open elsewhere.
        path: where; its ending says the format.
        circuit: the present one with the scores that the picture shows; None: as the journal has
            it, without scores.

    Returns:
        All files written, the page first.

    Raises:
        WorkbenchError: the journal cannot be read, or the page not be written.
    """
    check_report(path)
    return write_page(list(_report(RecordedSession.read(journal), circuit)), path)


def _report(recorded: RecordedSession, scored: Circuit | None) -> Iterator[Block]:
    rows = recorded.rows()
    present = next(row for row in rows if row.is_current)
    circuit = recorded.circuit(present.n)
    about = read_about(recorded.path)
    settings, task = recorded.header.settings, recorded.header.task
    yield Heading(about.title or f"{settings.model} on {task.name}", 1)
    if about.tags:
        yield Paragraph(" ".join(f"#{tag}" for tag in about.tags))
    if note := circuit.notes.get(""):
        yield Paragraph(note)
    yield Table(("", ""), tuple(_facts(recorded, circuit, present)))
    yield Heading("The circuit", 2)
    drawn = circuit if scored is None else scored
    yield Figure("circuit", _circuit_svg(drawn), _caption(drawn))
    yield from _groups(circuit)
    yield from _notes(circuit)
    yield from _edges(circuit)
    yield from _states(rows)


def _facts(
    recorded: RecordedSession, circuit: Circuit, present: StateRow
) -> Iterator[tuple[str, str]]:
    settings, task = recorded.header.settings, recorded.task(present.n)
    clean, corrupted = recorded.header.metrics(recorded.history.measured(present.n))
    yield "model", settings.model
    yield "task", f"{task.name}, {counted(len(task.pairs), 'pair')} of prompts"
    if task is not recorded.header.task:
        yield "pairs", task.notes[-1]
    metric = str(recorded.fields.get("metric", task.metric))
    yield metric, f"model {clean:.4g}, corrupted run {corrupted:.4g}"
    yield "ablation", settings.ablation
    yield "edges kept", f"{circuit.n_edges:,} of {circuit.graph.n_edges:,}"
    if circuit.at:
        yield "edges at some roles", f"{len(circuit.at.kept):,}, at {circuit.at.n_parts:,} roles"
    yield "open inputs", str(len(circuit.open)) if circuit.open else "none: it is closed"
    yield "faithfulness", _number(present.faithfulness)
    yield "last change", present.when
    yield "journal", recorded.path.name


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4f}"


def _circuit_svg(circuit: Circuit) -> str:
    text = picture_of(circuit, "svg", DrawingSettings()).decode("utf-8")
    return text[text.index("<svg") :].strip()


def _caption(circuit: Circuit) -> str:
    known = "lines as wide as the best known effect" if circuit.scores is not None else "no scores"
    return f"The circuit by layers, the logits on top; {known}."


def _groups(circuit: Circuit) -> Iterator[Block]:
    if circuit.groups:
        yield Heading("Groups", 2)
        rows = ((group.name, group.role, " ".join(group.nodes)) for group in circuit.groups)
        yield Table(("group", "role", "nodes"), tuple(rows))


def _notes(circuit: Circuit) -> Iterator[Block]:
    notes = [(target, text) for target, text in circuit.notes.items() if target]
    if notes:
        yield Heading("Notes", 2)
        yield Bullets(tuple(f"{target}: {text}" for target, text in notes))


def _edges(circuit: Circuit) -> Iterator[Block]:
    edges = circuit.parts()
    if edges:
        yield Heading("Edges", 2)
        more = len(edges) - MOST_EDGES
        yield Paragraph(
            " ".join(edges[:MOST_EDGES]) + (f" … and {more:,} more" if more > 0 else "")
        )


def _states(rows: Sequence[StateRow]) -> Iterator[Block]:
    line = [row for row in rows if row.on_current_path]
    yield Heading("The way there", 2)
    known = [(at, row) for at, row in enumerate(line) if row.faithfulness is not None]
    if len(known) > 1:
        caption = "Faithfulness after each step that led to the present state."
        yield Figure("steps", _steps_svg(known), caption)
    aside = len(rows) - len(line)
    if aside:
        yield Paragraph(f"{counted(aside, 'state')} on other branches: `workbench history`.")
    table = tuple(
        (
            *(str(row.n), row.name, row.did, f"{row.edges:,}", _number(row.faithfulness)),
            "" if row.change is None else f"{row.change:+.4f}",
        )
        for row in line[-MOST_STATES:]
    )
    columns = ("state", "name", "what was done", "edges", "faithfulness", "change")
    yield Table(columns, table, right=frozenset({0, 3, 4, 5}))


def _steps_svg(known: Sequence[tuple[int, StateRow]]) -> str:
    with axes(6.4, 2.4) as (ax, done):
        xs = [at for at, _ in known]
        ax.plot(xs, [row.faithfulness for _, row in known], drawstyle="steps-post", color=BLUE)
        for at, row in known:
            if row.name:
                ax.annotate(row.name, (at, row.faithfulness), fontsize=7, rotation=30)
        ax.set_xlabel("step")
        ax.set_ylabel("faithfulness")
        ax.xaxis.get_major_locator().set_params(integer=True)
    return str(done())
