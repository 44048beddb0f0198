"""Asking a pocket model the tasks in combinations of words that training never made.

Glossary: docs/glossary.md#examination.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tasks import Task, Tokenizer, make_task
from workbench.base.progress import Progress, silent
from workbench.bundled_models.pocket.split import COMBINATIONS, held_out

if TYPE_CHECKING:
    from workbench.models.model import Model

DRAWN = 3000
"""Pairs that are drawn of a task, of which about one in five is held out and asked."""
SEED = 1

REQUIRED: dict[str, tuple[float, float]] = {
    "greater-than": (0.8, 0.95),
    "subject-verb-agreement": (0.8, 0.95),
    "ioi": (3.0, 0.95),
    "induction": (3.0, 0.95),
}
"""The least mean metric and the least accuracy of a model that is to be shipped."""


@dataclass(frozen=True)
class Result:
    """What a model does on the held-out pairs of one task.

    Attributes:
        task: its name.
        pairs: how many were asked.
        metric: the metric's name.
        clean, corrupted: its mean on clean and on corrupted prompts.
        accuracy: share of clean prompts on which the best answer beats the best wrong one.
    """

    task: str
    pairs: int
    metric: str
    clean: float
    corrupted: float
    accuracy: float

    @property
    def passed(self) -> bool:
        """Whether it is as good as `REQUIRED` says."""
        metric, accuracy = REQUIRED[self.task]
        return self.clean >= metric and self.accuracy >= accuracy


def held_out_task(name: str, tokenizer: Tokenizer, drawn: int = DRAWN) -> Task:
    """A built-in task with the held-out ones of `drawn` pairs."""
    task = make_task(name, tokenizer, drawn, SEED)
    combination = COMBINATIONS[name]
    pairs = tuple(pair for pair in task.pairs if held_out(name, *combination(pair)))
    return replace(task, pairs=pairs)


def examine(model: Model, drawn: int = DRAWN, progress: Progress | None = None) -> list[Result]:
    """The results of all tasks.

    Args:
        model: from `load_model`.
        drawn: pairs to draw of each task.
        progress: told which task is asked.
    """
    say = progress or silent
    results = []
    for number, name in enumerate(COMBINATIONS):
        say(f"Examining {name}", number / len(COMBINATIONS))
        results.append(_examine(model, held_out_task(name, model.tokenizer, drawn)))
    return results


def _examine(model: Model, task: Task) -> Result:
    from workbench.circuits.circuit import Circuit
    from workbench.engine.score import evaluate

    score: Any = evaluate(model, task, Circuit.full(model.graph))
    return Result(
        task.name, score.pairs, score.metric, score.clean, score.corrupted, score.clean_accuracy
    )


def as_table(results: list[Result]) -> str:
    """The results as a Markdown table."""
    rows = [
        "| task | held-out pairs | metric | clean | corrupted | accuracy |",
        "| --- | ---: | --- | ---: | ---: | ---: |",
    ]
    for r in results:
        rows.append(
            f"| `{r.task}` | {r.pairs} | `{r.metric}` | {r.clean:.3f} | {r.corrupted:.3f} "
            f"| {r.accuracy:.3f} |"
        )
    return "\n".join(rows)
