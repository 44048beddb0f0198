"""The report of an assessment: one page with definitions, figures, pictures and versions.

`report.html` holds everything in itself and runs nothing. `report.md` has its pictures as SVG files
in the folder `report_files` beside it, as pandoc and GitHub want them.

Glossary: docs/glossary.md#report.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from workbench.assessment.catalogue import PARTS
from workbench.assessment.report.document import (
    Block,
    Figure,
    Heading,
    Paragraph,
    Table,
    to_html,
    to_markdown,
)
from workbench.assessment.report.headlines import estimate, share
from workbench.assessment.report.sections import bullets, section
from workbench.assessment.results.assessment import Assessment, CircuitAssessment
from workbench.base.home import meant_path, without_home
from workbench.base.text import shown_path
from workbench.base.write_file import check_target, write_bytes
from workbench.errors import WorkbenchError
from workbench.experiment.ablations import ABLATIONS

STOPPED = "The assessment was stopped before its end; the parts that are missing were not done."
MARKDOWN, HTML = (".md", ".markdown"), (".html", ".htm")


def check_report(path: str | os.PathLike[str]) -> None:
    """Refuse a report's path before hours of computing.

    Raises:
        WorkbenchError: it says neither Markdown nor HTML, or no file can come to be there.
    """
    if Path(path).suffix.lower() not in (*MARKDOWN, *HTML):
        raise WorkbenchError(
            f"A report is Markdown or HTML: give {shown_path(path)} a name that ends in .md or "
            ".html."
        )
    check_target(path)


def write_report(assessment: Assessment, path: str | os.PathLike[str]) -> tuple[Path, ...]:
    """Write the report in the format that the path's ending says.

    Returns:
        All files written, the page first.

    Raises:
        WorkbenchError: of neither ending, or a file could not be written.
    """
    check_report(path)
    return write_page(report(assessment), path)


def write_page(blocks: Sequence[Block], path: str | os.PathLike[str]) -> tuple[Path, ...]:
    """Write a page, as HTML or as Markdown with its pictures in a folder beside it.

    Returns:
        All files written, the page first.

    Raises:
        WorkbenchError: a file could not be written.
    """
    page = meant_path(path)
    if page.suffix.lower() in HTML:
        write_bytes(page, to_html(blocks).encode("utf-8"))
        return (page,)
    folder = page.with_name(f"{page.stem}_files")
    figures = [block for block in blocks if isinstance(block, Figure)]
    written = [page]
    try:
        if figures:
            folder.mkdir(exist_ok=True)
    except OSError as error:
        raise WorkbenchError(
            f"The folder {shown_path(folder)} for the pictures could not be made: {error.strerror}."
        ) from None
    for figure in figures:
        target = folder / f"{figure.name}.svg"
        svg = without_home(figure.svg)
        write_bytes(target, f'<?xml version="1.0" encoding="utf-8"?>\n{svg}\n'.encode())
        written.append(target)
    write_bytes(page, to_markdown(blocks, folder.name).encode("utf-8"))
    return tuple(written)


def report(assessment: Assessment) -> list[Block]:
    """The whole page."""
    return list(_report(assessment))


def _report(assessment: Assessment) -> Iterator[Block]:
    origin = assessment.origin
    names = ", ".join(circuit.name for circuit in assessment.circuits)
    yield Heading(f"Assessment of {names}", 1)
    yield Paragraph(
        f"A circuit of {origin['model']['name']} on the task {origin['task']['name']}: "
        "how far it can be trusted."
        if len(assessment.circuits) == 1
        else f"Circuits of {origin['model']['name']} on the task {origin['task']['name']}: "
        "how far they can be trusted, and how they compare."
    )
    yield from _summary(assessment)
    stopped = () if assessment.complete else (STOPPED,)
    yield from bullets((*stopped, *assessment.remarks))
    yield from _setting(assessment)
    for number, circuit in enumerate(assessment.circuits, start=1):
        yield Heading(circuit.name, 2)
        for name in PARTS:
            if name in circuit.results:
                yield from section(name, circuit.results[name], f"c{number}")
            elif name in circuit.failed:
                yield from _not_done(name, circuit.failed[name])
    if assessment.compared or assessment.failed:
        yield Heading("The circuits together", 2)
        for name, result in assessment.compared.items():
            yield from section(name, result, "all")
        for name, why in assessment.failed.items():
            yield from _not_done(name, why)
    yield from _making(assessment)


def _not_done(name: str, why: str) -> Iterator[Block]:
    yield Heading(PARTS[name].title, 3)
    yield Paragraph(f"Not assessed: {why}")


def _summary(assessment: Assessment) -> Iterator[Block]:
    """One row a circuit: the numbers that a reader looks for first."""
    yield Table(
        (
            "circuit",
            "edges",
            "of all",
            "nodes",
            "faithfulness",
            "KL",
            "accuracy",
            "CMD",
            "CMD to 5 %",
        ),
        tuple(_summary_row(circuit, assessment.n_edges) for circuit in assessment.circuits),
        right=frozenset(range(1, 9)),
    )


def _summary_row(circuit: CircuitAssessment, n_edges: int) -> tuple[str, ...]:
    row = [
        circuit.name,
        f"{circuit.edges:,}",
        f"{circuit.edges / n_edges:.2%}",
        f"{circuit.nodes:,}",
    ]
    faithfulness = circuit.results.get("faithfulness")
    row += (
        ["", "", ""]
        if faithfulness is None
        else [
            estimate(faithfulness.faithfulness),
            share(faithfulness.kl.value),
            share(faithfulness.accuracy.value),
        ]
    )
    curves = circuit.results.get("curve")
    absolute = next((c for c in curves.curves if c.absolute), None) if curves is not None else None
    row += ["", ""] if absolute is None else [share(absolute.linear.cmd), share(absolute.small.cmd)]
    return tuple(row)


def _setting(assessment: Assessment) -> Iterator[Block]:
    """What was measured, on what."""
    origin = assessment.origin
    model, task, metric = origin["model"], origin["task"], origin["metric"]
    ablation = origin["ablation"]
    kind = ablation if isinstance(ablation, str) else ablation["name"]
    over = "" if isinstance(ablation, str) else f", means over {ablation['means_from']['task']}"
    dropped = f", {task['dropped']} left out, which could not be used" if task["dropped"] else ""
    yield Heading("What was measured", 2)
    yield Table(
        ("", ""),
        (
            ("model", f"{model['name']} ({model['family']}, {model['dtype']}, {model['device']})"),
            ("task", f"{task['name']} ({task['source']}), {task['pairs']} pairs{dropped}"),
            ("metric", f"{metric['name']}: {metric['definition']}"),
            ("of the model", f"{assessment.model_metric:.4g}"),
            ("of the corrupted run", f"{assessment.corrupted_metric:.4g}"),
            ("ablation", f"{kind}: {ABLATIONS[kind].words}{over}"),
            ("BOS before the prompts", "yes" if model["bos"] else "no"),
        ),
    )


def _making(assessment: Assessment) -> Iterator[Block]:
    """All that it takes to make the report again."""
    yield Heading("How this was made", 2)
    if assessment.command:
        yield Table(("command",), ((assessment.command,),), code=frozenset({0}))
    settings = assessment.settings.to_json()
    yield Table(("setting", "value"), tuple((name, str(v)) for name, v in settings.items()))
    task = assessment.origin["task"]
    facts = [
        ("made", assessment.created),
        ("seed of the task", "none" if task["seed"] is None else str(task["seed"])),
        ("SHA-256 of its pairs", task["pairs_sha256"]),
        *assessment.origin["versions"].items(),
    ]
    yield Table(("what", "value"), tuple(facts))
    seconds = [
        (circuit.name, PARTS[name].title, f"{taken:.1f}")
        for circuit in assessment.circuits
        for name, taken in circuit.seconds.items()
    ]
    yield Table(("circuit", "part", "seconds"), tuple(seconds), right=frozenset({2}))
