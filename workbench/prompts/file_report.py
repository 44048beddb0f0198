"""A task file pair by pair: which can be used with a tokenizer, and why the others cannot.

Importing and running this loads no torch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks import Pair, Task
from workbench.prompts.checks import Finding, Needs, check_pairs, warned
from workbench.prompts.encoding import Encoding
from workbench.prompts.task_file import TaskFile, read_file


@dataclass(frozen=True)
class FileReport:
    """What was found of a task file.

    Attributes:
        file: as it was read.
        usable: the pairs that can be used.
        refused: where a pair stands that cannot, and each reason; one pair may have several.
        left_out: how many pairs cannot be used, by the first reason of each.
        warnings: sentences on what is odd.
    """

    file: TaskFile
    usable: tuple[Pair, ...]
    refused: tuple[tuple[str, Finding], ...]
    left_out: dict[str, int]
    warnings: tuple[str, ...]

    def task(self) -> Task:
        """A task of the pairs that can be used."""
        return Task(self.file.name, self.usable, self.file.metric, self.file.told)


def report_on(
    path: str | Path,
    tokenizer: Any | None,
    *,
    metric: str | None,
    bos: bool | None,
    needs: Callable[[str], Needs],
) -> FileReport:
    """Read a task file and check every pair of it.

    Args:
        path: of the file, or `hf://datasets/OWNER/NAME/FILE`.
        tokenizer: of the model; None: only what needs none is checked.
        metric: None for the one that the file is meant for.
        bos: whether a BOS is prepended; None: as the tokenizer does by itself.
        needs: what is asked of a pair with a metric.

    Raises:
        WorkbenchError: the file cannot be read at all.
    """
    file = read_file(path, metric=metric, tokenizer=tokenizer, corrupted=needs("kl").corrupted)
    asked = needs(file.metric)
    places = [read.where for read in file.pairs if read.pair is not None]
    by_place: dict[str, list[Finding]] = {
        read.where: [] if read.finding is None else [read.finding] for read in file.pairs
    }
    usable = file.usable
    odd: tuple[str, ...] = ()
    if tokenizer is not None and usable:
        checked = check_pairs(usable, Encoding(tokenizer, bos), asked)
        good = []
        for place, row in zip(places, checked, strict=True):
            by_place[place] += [finding for finding in row.findings if finding.fatal]
            if row.fatal is None:
                good.append(row)
        usable = tuple(row.pair for row in good)
        odd = warned({row.number: row.findings for row in good}, len(good))
    refused = tuple((place, finding) for place, found in by_place.items() for finding in found)
    left_out = Counter(found[0].kind for found in by_place.values() if found)
    return FileReport(file, usable, refused, dict(left_out), (*file.warnings, *odd))
