"""A circuit scored at each checkpoint: each model on its own two runs, one at a time."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias, Unpack

from tasks.task import Task
from workbench.base.failures import first_line, is_memory_error
from workbench.base.progress import Progress, silent
from workbench.base.work import Stop
from workbench.checkpoints.results import AtCheckpoint
from workbench.checkpoints.sequence import Checkpoint, Given, read_checkpoints
from workbench.circuits.circuit import Circuit
from workbench.errors import Cancelled, WorkbenchError
from workbench.experiment.faithfulness import faithfulness
from workbench.experiment.prepare import NO_MEMORY
from workbench.experiment.settings import ExperimentSettings, TaskChoices

if TYPE_CHECKING:
    from workbench.circuits.graph import Graph
    from workbench.experiment.experiment import Experiment
    from workbench.experiment.interventions import Intervention
    from workbench.experiment.pieces import Pieces
    from workbench.formats.chosen import FileSelection
    from workbench.models.model import Model
    from workbench.prompts.batch import Batch

Runs: TypeAlias = "Experiment | Pieces"
Tokens: TypeAlias = tuple[object, ...]

ROOM = 2**30
"""Bytes of weights and runs that are kept from one circuit to the next; what is beyond is loaded
anew each time."""


@dataclass(frozen=True)
class Likeness:
    """What all checkpoints of a sequence have in common with the first that was read.

    Attributes:
        name: of that one.
        graph: its shape.
        tokens: how it reads the task's prompts.
    """

    name: str
    graph: Graph
    tokens: Tokens

    @classmethod
    def of(cls, name: str, batch: Batch, graph: Graph) -> Likeness:
        """That of a model on a batch."""
        groups = (
            (group.indices, group.clean.tolist(), group.corrupted.tolist(), group.answers)
            for group in batch.groups
        )
        return cls(name, graph, tuple(groups))

    def check(self, other: Likeness) -> None:
        """Refuse another.

        Raises:
            WorkbenchError: it is of another shape, or reads the prompts as other tokens.
        """
        ours, theirs = self.graph, other.graph
        if ours != theirs:
            raise WorkbenchError(
                f"{other.name} has {theirs.n_layers} layers of {theirs.n_heads} heads and "
                f"{self.name} {ours.n_layers} of {ours.n_heads}: they are not of one training."
            )
        if self.tokens != other.tokens:
            raise WorkbenchError(
                f"The tokenizer of {other.name} makes other tokens of the prompts than that of "
                f"{self.name}: they are not of one training."
            )


class CheckpointRuns:
    """The runs of a task at each checkpoint; as many as there is room for are kept.

    Attributes:
        checkpoints: the sequence.
        loaded: how many times a model was loaded.
    """

    def __init__(
        self,
        checkpoints: Sequence[Checkpoint],
        task: Task | str | os.PathLike[str],
        settings: ExperimentSettings,
        *,
        interventions: Iterable[Intervention | str] = (),
        like: Likeness | None = None,
        room: int = ROOM,
    ) -> None:
        """For a task that is run by `settings`, whose model is none of these.

        Args:
            interventions: what is done to each model in all runs, or their lines of text.
            like: what each has to be like; None: the first that can be read.
            room: bytes that may be kept.
        """
        self.checkpoints = tuple(checkpoints)
        self.loaded = 0
        self._task, self._settings = task, settings
        self._done = tuple(interventions)
        self._like = like
        self._room = room
        self._kept: dict[Checkpoint, Runs] = {}

    def at(
        self,
        checkpoint: Checkpoint,
        circuit: Circuit | None,
        progress: Progress | None = None,
    ) -> AtCheckpoint:
        """What one checkpoint does, and the circuit of it.

        Args:
            circuit: None: what the whole model does alone.

        Returns:
            Numbers, or the reason why there are none.
        """
        say = progress or silent
        try:
            with warnings.catch_warnings():
                # That a checkpoint hardly does the task is what the numbers are to show.
                warnings.simplefilter("ignore")
                return self._scored(checkpoint, self._runs(checkpoint, say), circuit, say)
        except WorkbenchError as error:
            reason = str(error)
        except Cancelled:
            raise
        except Exception as error:
            reason = f"The computation failed ({type(error).__name__}: {first_line(error)})."
            reason = NO_MEMORY if is_memory_error(error) else reason
        return AtCheckpoint(checkpoint, reason=reason)

    def forget(self) -> None:
        """Let go of all that is kept."""
        self._kept.clear()

    def _runs(self, checkpoint: Checkpoint, say: Progress) -> Runs:
        if checkpoint in self._kept:
            return self._kept[checkpoint]
        from workbench.experiment.prepare import prepare_some
        from workbench.experiment.room import needed_bytes

        settings = replace(
            self._settings, model=checkpoint.model, revision=checkpoint.revision, sample=None
        )
        model = settings.load_model(say)
        self.loaded += 1
        runs = prepare_some(model, self._task, settings, say, self._done)
        found = Likeness.of(checkpoint.name, runs.batch, model.graph)
        if self._like is None:
            self._like = found
        self._like.check(found)
        takes = model.info.weight_bytes + needed_bytes(model.parts, runs.batch, runs.ablation)
        if takes <= self._room:
            self._room -= int(takes)
            self._kept[checkpoint] = runs
        return runs

    def _scored(
        self, checkpoint: Checkpoint, runs: Runs, circuit: Circuit | None, say: Progress
    ) -> AtCheckpoint:
        from workbench.engine.score_pieces import score_some

        _check_shape(checkpoint, runs.model, circuit)
        scored = Circuit.full(runs.model.graph) if circuit is None else circuit
        found = score_some(runs, scored, say).score
        at = AtCheckpoint(
            checkpoint,
            found.metric,
            found.pairs,
            found.clean,
            found.corrupted,
            found.clean_accuracy,
        )
        if circuit is None:
            return at
        return replace(
            at,
            circuit=found.circuit,
            faithfulness=faithfulness(found.circuit, found.clean, found.corrupted),
            accuracy=found.accuracy,
            kl=found.kl,
            edges=found.edges,
        )


def _check_shape(checkpoint: Checkpoint, model: Model, circuit: Circuit | None) -> None:
    if circuit is not None and circuit.graph != model.graph:
        theirs, ours = circuit.graph, model.graph
        raise WorkbenchError(
            f"{checkpoint.name} has {ours.n_layers} layers of {ours.n_heads} heads and the "
            f"circuit's model {theirs.n_layers} of {theirs.n_heads}."
        )


def over_checkpoints(
    checkpoints: Given,
    task: Task | str | os.PathLike[str],
    circuit: Circuit | str | os.PathLike[str] | None = None,
    *,
    under: ExperimentSettings | None = None,
    told: Callable[[AtCheckpoint], None] | None = None,
    progress: Progress | None = None,
    cancel: Stop | None = None,
    **choices: Unpack[TaskChoices],
) -> list[AtCheckpoint]:
    """What each checkpoint does of a task, and what a circuit scores at each.

    One model is in memory at a time. A checkpoint that cannot be read has a reason in place of
    numbers, and the others go on.

    Args:
        checkpoints: as `read_checkpoints` takes them, or its result.
        task: name, file or task.
        circuit: of a model of this shape, or its file; None: the models alone.
        under: how the task is run; None: by the defaults. Its model is of no use.
        told: called after each checkpoint.
        progress: told what is being done and the fraction of checkpoints done.
        cancel: stops it between two checkpoints; those done by then are returned.
        choices: settings by their names.

    Returns:
        One for each checkpoint, in the order of the sequence.

    Raises:
        WorkbenchError: there is no such sequence or circuit.
    """
    from workbench.experiment.interventions import interventions_of

    sequence = read_checkpoints(checkpoints)
    name = task.name if isinstance(task, Task) else os.fspath(task)
    settings = replace(under or ExperimentSettings("", name), **choices)
    if circuit is not None and not isinstance(circuit, Circuit):
        circuit = circuit_for(circuit, sequence, settings)
    done = () if circuit is None else interventions_of(circuit)
    runs = CheckpointRuns(sequence, task, settings, interventions=done, room=0)
    return list(_each(runs, circuit, told, progress or silent, cancel))


def circuit_for(
    path: str | os.PathLike[str],
    checkpoints: Sequence[Checkpoint],
    settings: ExperimentSettings,
    selection: FileSelection | None = None,
) -> Circuit:
    """The circuit of a file, which may need a model: then the first that can be read.

    Raises:
        WorkbenchError: as of `load_chosen`, or no checkpoint can be read.
    """
    from workbench.formats import NeedsGraph
    from workbench.formats.chosen import load_chosen

    try:
        return load_chosen(path, None, selection)
    except NeedsGraph:
        reason = WorkbenchError("There are no checkpoints.")
    for checkpoint in checkpoints:
        try:
            model = replace(
                settings, model=checkpoint.model, revision=checkpoint.revision
            ).load_model()
        except WorkbenchError as error:
            reason = error
            continue
        return load_chosen(path, model.graph, selection)
    raise reason


def _each(
    runs: CheckpointRuns,
    circuit: Circuit | None,
    told: Callable[[AtCheckpoint], None] | None,
    say: Progress,
    cancel: Stop | None,
) -> Iterator[AtCheckpoint]:
    for i, checkpoint in enumerate(runs.checkpoints):
        if cancel is not None and cancel.is_set():
            return
        fraction = i / len(runs.checkpoints)
        words = f"Evaluating {checkpoint.name}"
        say(words, fraction)
        found = runs.at(checkpoint, circuit, lambda _message, _fraction: None)
        if told is not None:
            told(found)
        yield found
