"""Opening a session: from a model and a task to an engine, and to and from the header of its
journal.

Importing this module loads no torch.
"""

from __future__ import annotations

import importlib.metadata
import platform
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tasks.pair import Pair
from tasks.task import Task
from workbench.engine import Engine, told
from workbench.errors import WorkbenchError
from workbench.graph import Graph
from workbench.progress import Progress
from workbench.state import string, strings
from workbench.views import TaskInfo

if TYPE_CHECKING:
    from workbench.evaluator import Evaluation
    from workbench.model import Model

PACKAGES = ("circuit-workbench", "torch", "transformers", "transformer-lens", "numpy")
"""Whose versions are written down with every result."""

THRESHOLD_SHARE = 0.02
"""The first threshold, as a share of what corrupting the prompts does to the metric."""

LOW_ACCURACY = 0.6
"""Below it the model is warned of: guessing between an answer and a wrong one gives 0.5."""

SMALL_SHARE = 0.1
"""A difference between clean and corrupted metric below this share of the larger is called
small.
"""

NEGLIGIBLE = 1e-4
"""A share of what corrupting does to the metric below which an estimate is rounding."""

NO_ESTIMATES = (
    "EAP estimates are zero for this metric, which has no slope at the clean run: "
    "compute exact effects."
)


@dataclass(frozen=True)
class Settings:
    """How a session was asked to begin: with the task, all that is needed to begin it again.

    Attributes:
        model: what `load_model` takes: a name, or the whole path of what lies locally.
        revision, dtype, device: as asked for; None for the default.
        bos, mismatch, ablation: as `Session.start` takes them.
        seed: of whatever is random in the session.
        means: the task or file over whose prompts means are taken; None for the task's own.
    """

    model: str
    revision: str | None = None
    dtype: str | None = None
    device: str | None = None
    bos: bool | None = None
    mismatch: Literal["refuse", "drop"] = "refuse"
    ablation: str = "patching"
    seed: int = 0
    means: str | None = None


@dataclass(frozen=True)
class Opened:
    """An engine that is ready, and what to say of it."""

    engine: Engine
    settings: Settings
    task: Task
    info: TaskInfo
    eap: Any


def open_engine(model: Model, task: Task, settings: Settings, say: Progress) -> Opened:
    """Tokenise the task, record both runs and estimate the effects of all edges.

    Raises:
        WorkbenchError: for prompts or answers that the tokenizer does not suit, an unknown metric
            or ablation, or too little memory.
    """
    from workbench.batch import make_batch
    from workbench.evaluator import Workspace
    from workbench.means import means_batch
    from workbench.metrics import DEFINITIONS

    say("Reading the prompts", None)
    with told():
        batch = make_batch(
            task,
            model.tokenizer,
            prepend_bos=settings.bos,
            device=model.device,
            mismatch=settings.mismatch,
        )
        workspace = Workspace(
            model,
            batch,
            metric=task.metric,
            ablation=settings.ablation,
            means=means_batch(
                settings.means, model, settings.ablation, bos=settings.bos, seed=settings.seed
            ),
            progress=lambda fraction: say("Running the prompts", fraction),
        )
    engine = Engine(model, batch, workspace)
    eap = engine.eap(lambda fraction: say("Estimating the effects of all edges", fraction))
    clean, corrupted = workspace.clean, workspace.corrupted
    with told():
        measurable = workspace.faithfulness(clean.metric) is not None
        warnings = task_warnings(task.metric, clean, corrupted, measurable=measurable)
    if batch.unknown:
        warnings = (batch.unknown, *warnings)
    warnings = (*model.info.notes, *warnings)
    if workspace.unmatched:
        warnings = (
            *warnings,
            f"{workspace.unmatched:,} tokens have no data at their position in {settings.means}: "
            "the positional mean stands in for them.",
        )
    # Where the slope is zero, rounding leaves estimates that are next to nothing.
    sloped = bool(np.abs(eap).max() > NEGLIGIBLE * abs(clean.metric - corrupted.metric))
    info = TaskInfo(
        name=task.name,
        description=task.description,
        metric=task.metric,
        metric_definition=DEFINITIONS[task.metric],
        n_pairs=batch.n_pairs,
        seed=task.seed,
        ablation=settings.ablation,
        bos=batch.prepend_bos,
        notes=task.notes if sloped else (*task.notes, NO_ESTIMATES),
        warnings=warnings,
        answer_labels=task.answer_space,
        dropped=batch.dropped,
        model_metric=clean.metric,
        corrupted_metric=corrupted.metric,
        model_accuracy=clean.accuracy,
        corrupted_accuracy=corrupted.accuracy,
    )
    return Opened(engine, settings, task, info, eap)


def task_warnings(
    metric: str, clean: Evaluation, corrupted: Evaluation, *, measurable: bool
) -> tuple[str, ...]:
    """What speaks against looking for a circuit of this model on this task.

    Args:
        measurable: the two runs' metrics differ enough for a faithfulness to be given.

    Returns:
        Sentences with numbers.
    """
    warnings = []
    n_pairs = len(clean.per_pair)
    if clean.accuracy < LOW_ACCURACY:
        warnings.append(
            f"The model hardly does this task: it is right on {round(clean.accuracy * n_pairs)} of "
            f"{n_pairs} pairs ({clean.accuracy:.0%}), and guessing gives 50%."
        )
    both = (
        f"{metric} {clean.metric:.3g} on the clean prompts, {corrupted.metric:.3g} on the corrupted"
    )
    gain = clean.metric - corrupted.metric
    if metric == "kl":  # a distance: small is good
        gain = -gain
    elif clean.metric <= 0:
        warnings.append(f"The model prefers the wrong answers: {both}.")
    if not measurable:
        warnings.append(
            f"Corrupting the prompts changes nothing, so there is no faithfulness: {both}."
        )
    elif gain < 0:
        warnings.append(f"The corrupted prompts do better than the clean ones: {both}.")
    elif gain < SMALL_SHARE * max(abs(clean.metric), abs(corrupted.metric)):
        warnings.append(
            "Corrupting the prompts changes little, so the faithfulness, a share of it, is noisy: "
            f"{both}."
        )
    return tuple(warnings)


def first_threshold(info: TaskInfo) -> float:
    """A share of what corrupting does to the metric, to two digits, in units of the metric."""
    difference = abs(info.model_metric - info.corrupted_metric)
    return float(f"{THRESHOLD_SHARE * (difference or 1):.1e}")


def versions() -> dict[str, str]:
    """Of Python and those of the packages that are installed and numbers depend on."""
    found = {name: version for name in PACKAGES if (version := _version(name)) is not None}
    return {"python": platform.python_version(), **found}


@cache
def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def header(opened: Opened, threshold: float) -> dict[str, Any]:
    """The first line of the journal: plain values."""
    graph, info = opened.engine.model.graph, opened.info
    return {
        "created": now(),
        "settings": asdict(opened.settings),
        "graph": asdict(graph),
        "task": asdict(opened.task),
        "metric": info.metric,
        "bos": info.bos,
        "threshold": threshold,
        "model_metric": info.model_metric,
        "corrupted_metric": info.corrupted_metric,
        "versions": versions(),
    }


@dataclass(frozen=True)
class Header:
    """What `header` wrote, read back."""

    settings: Settings
    graph: Graph
    task: Task
    threshold: float
    model_metric: float
    corrupted_metric: float

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Header:
        """Raises WorkbenchError if something in it is missing or of the wrong kind."""
        try:
            return cls(
                Settings(**value["settings"]),
                Graph(**value["graph"]),
                _task(value["task"]),
                float(value["threshold"]),
                float(value["model_metric"]),
                float(value["corrupted_metric"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise WorkbenchError(
                f"The journal's first line lacks what a session begins with: {error}."
            ) from None

    def differs(self, info: TaskInfo) -> str:
        """A sentence if the model's metric is not what it was, else nothing."""
        was = self.model_metric - self.corrupted_metric
        is_now = info.model_metric - info.corrupted_metric
        if abs(was - is_now) <= 1e-3 * max(abs(was), abs(is_now)):
            return ""
        return (
            f"The model's metric was {self.model_metric:.4g} and is {info.model_metric:.4g} now: "
            "its weights, or the software, are not the same."
        )


def _task(value: dict[str, Any]) -> Task:
    pairs = tuple(
        Pair(
            string(pair["clean"]),
            string(pair["corrupted"]),
            strings(pair["answers"]),
            strings(pair["wrong_answers"]),
        )
        for pair in value["pairs"]
    )
    fields = {**value, "pairs": pairs}
    fields |= {name: strings(value[name]) for name in ("answer_space", "notes")}
    return Task(**fields)
