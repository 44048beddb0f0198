"""The pictures of a part of an assessment, as in its report, to be written to a file."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from workbench.assessment.catalogue import PARTS
from workbench.pictures.figure import Drawing


def part_plots(name: str, result: Any) -> tuple[tuple[str, Callable[[], Drawing]], ...]:
    """A title and what draws it, of each picture that there can be.

    How many there are is known only when they are drawn, which takes a second: of random circuits
    there is one for each kind of them, of all else one.
    """
    if PARTS[name].pictures is None:
        return ()
    kinds = [baseline.kind for baseline in getattr(result, "baselines", ()) if baseline.metrics]
    title = PARTS[name].title
    titles = [f"{title}, {kind}" for kind in kinds] if len(kinds) > 1 else [title]
    return tuple((shown, partial(_draw, name, result, i)) for i, shown in enumerate(titles))


def _draw(name: str, result: Any, number: int) -> Drawing:
    from workbench.assessment.report.plots import plots_of
    from workbench.errors import WorkbenchError

    found = plots_of(name, result)
    if number >= len(found):
        raise WorkbenchError("There is nothing in this that a picture would show.")
    svg = found[number][1]
    return svg if isinstance(svg, Drawing) else Drawing(svg)
