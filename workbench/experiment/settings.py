"""Settings of an experiment: which model and task, and how both are run; one object.

It is handed down whole. The command line, the setup screen or a script makes it once. Importing
this loads no torch.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack

from tasks.task import Task
from workbench.base.progress import Progress
from workbench.experiment.ablations import ABLATIONS, check_ablation, check_means
from workbench.metrics.catalogue import find_metric
from workbench.prompts.checks import Needs

if TYPE_CHECKING:
    from workbench.models.model import Model

AS_FITS = 0
"""A size of a sample: as many of the pairs as fit `sampling.MOST_BYTES`; all, if they do."""


class RunChoices(TypedDict, total=False):
    """What may be chosen where model and task are loaded already; see `ExperimentSettings`."""

    seed: int
    metric: str | None
    bos: bool | None
    mismatch: Literal["refuse", "drop"]
    drop_bad: bool
    ablation: str
    means: str | None
    sample: int | None


class TaskChoices(RunChoices, total=False):
    """What may be chosen where the model is loaded already; see `ExperimentSettings`."""

    pairs: int | None


class ModelChoices(TaskChoices, total=False):
    """What may be chosen where nothing is loaded yet; see `ExperimentSettings`."""

    device: str | None
    dtype: str | None
    revision: str | None
    device_map: str | None


@dataclass(frozen=True)
class ExperimentSettings:
    """A model, a task, and how both are run, in plain values.

    Attributes:
        model: hub id, folder, `.gguf` file or short name.
        task: name of a built-in task or path of a task file; of a task made in a script its name.
        pairs: how many pairs to generate or take; None: 32 of a built-in task, or the whole file.
        seed: of the task's generator, and of whatever else is random.
        metric: name of a metric; None: the task's own.
        device, dtype, revision, device_map: as `load_model` takes them; None: the defaults.
        bos: whether a BOS token is prepended; None: as the tokenizer does by itself.
        mismatch: 'refuse' or 'drop' pairs whose two prompts differ in token length.
        drop_bad: leave out every pair that cannot be used, whatever the reason.
        ablation: what takes the place of an edge that is not in the circuit.
        means: the task or file over whose clean prompts a mean ablation's means are taken; None:
            over those that are evaluated.
        sample: from how many of the pairs a session answers, while the others follow; `AS_FITS`,
            or None for all.

    Glossary: docs/glossary.md#request.
    """

    model: str
    task: str
    pairs: int | None = None
    seed: int = 0
    metric: str | None = None
    device: str | None = None
    dtype: str | None = None
    revision: str | None = None
    bos: bool | None = None
    mismatch: Literal["refuse", "drop"] = "refuse"
    drop_bad: bool = False
    ablation: str = "patching"
    means: str | None = None
    sample: int | None = None
    device_map: str | None = None

    @classmethod
    def of(
        cls,
        model: Model,
        task: Task | str | os.PathLike[str],
        settings: ExperimentSettings | None = None,
        **choices: Unpack[TaskChoices],
    ) -> ExperimentSettings:
        """The settings given, or else new ones of a model that is loaded, with these choices."""
        if settings is None:
            settings = cls(model.name, task.name if isinstance(task, Task) else os.fspath(task))
        return replace(settings, **choices)

    @property
    def needs_corrupted(self) -> bool:
        """Whether corrupted prompts are made use of. Raises WorkbenchError for no ablation."""
        return ABLATIONS[check_ablation(self.ablation)].needs_corrupted

    def load_task(self, tokenizer: Any, name: str | None = None) -> Task:
        """The task, or another by these settings.

        Raises:
            WorkbenchError: there is no such task, or the file cannot be used with them.
        """
        from workbench.prompts.task_file import resolve_task

        return resolve_task(
            self.task if name is None else name,
            tokenizer,
            pairs=self.pairs,
            seed=self.seed,
            metric=self.metric,
            corrupted=self.needs_corrupted,
            drop_bad=self.drop_bad,
        )

    def check_task(self, name: str | None = None) -> None:
        """Refuse the task, or another, if it can be said before a model is loaded.

        Raises:
            WorkbenchError: as of `load_task`.
        """
        from workbench.prompts.task_file import check_task

        check_task(
            self.task if name is None else name,
            metric=self.metric,
            corrupted=self.needs_corrupted,
            drop_bad=self.drop_bad,
        )

    def needs(self, metric: str, positions: int | None = None) -> Needs:
        """What is asked of a pair.

        Args:
            metric: the one in use.
            positions: as `Model.positions`.

        Raises:
            WorkbenchError: there is no such metric or ablation.
        """
        kind = find_metric(metric)
        return Needs(
            corrupted=self.needs_corrupted,
            answers=kind.answers,
            wrong_answers=kind.wrong_answers,
            positions=positions,
        )

    def for_means(self) -> ExperimentSettings:
        """Those of the prompts over which means are taken: their clean prompts are all we need."""
        return replace(self, task=self.means or self.task, metric="kl", drop_bad=True)

    def checked(self) -> ExperimentSettings:
        """These settings, if all that can be said before anything is loaded speaks for them.

        Raises:
            WorkbenchError: no such model, task or ablation, a file that cannot be used, or means
                where the ablation takes none.
        """
        from workbench.models.source import find_model

        find_model(self.model)
        self.check_task()
        check_means(self.means, check_ablation(self.ablation))
        if self.means is not None:
            self.for_means().check_task()
        return self

    def load_model(self, progress: Progress | None = None) -> Model:
        """The model. This imports torch; errors as of `load_model`."""
        from workbench.models.model import load_model

        return load_model(
            self.model,
            device=self.device,
            dtype=self.dtype,
            revision=self.revision,
            device_map=self.device_map,
            progress=progress,
        )
