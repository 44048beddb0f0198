"""What all searches begin and end with."""

from __future__ import annotations

from workbench.discovery.findings import Findings
from workbench.discovery.options import Options
from workbench.discovery.search.units import Units
from workbench.errors import WorkbenchError


def number(options: Options, method: str) -> int:
    """How many edges to end with.

    Raises:
        WorkbenchError: it is not said, or less than one.
    """
    if options.edges is None or options.edges < 1:
        raise WorkbenchError(
            f"{method} has to be told with how many edges it is to end: one or more."
        )
    return options.edges


def finish_search(findings: Findings, units: Units) -> None:
    """Prune the dead ends of what a search kept, and say how many units that were."""
    assert findings.kept is not None
    chosen = units.arrays(findings.kept)
    left = units.whole(chosen)
    before, after = int(chosen.sum()), int(left.sum())
    findings.kept = units.kept(left)
    what = "edges" if units.layout is None else "edges at roles"
    findings.remarks.append(
        f"{findings.tried:,} {what} tried, {before:,} kept; {after:,} without dead ends."
    )
    findings.complete = True
