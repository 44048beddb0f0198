"""A session on a checkpoint of a training: its circuit at the others, the way there.

Each checkpoint is a model of its own, with a session and a journal of its own. What goes from one
to the other is the circuit, which a command of the other session loads. Importing this module loads
no torch.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias
from weakref import WeakKeyDictionary, proxy

from workbench.base.failures import failures_as_sentences
from workbench.base.progress import Progress
from workbench.base.work import Stop
from workbench.checkpoints.results import AtCheckpoint
from workbench.checkpoints.sequence import Checkpoint, Given, place_of, read_checkpoints
from workbench.circuits.parts import on_prompts
from workbench.errors import Cancelled, WorkbenchError
from workbench.experiment.settings import ExperimentSettings
from workbench.session.priority_lock import lock_of
from workbench.session.start import begin_session, resume_session
from workbench.session.threshold_rule import DEFAULT_RULE, ThresholdRule

if TYPE_CHECKING:
    from workbench.checkpoints.scores import CheckpointRuns
    from workbench.circuits.circuit import Circuit
    from workbench.session.session import Session

What: TypeAlias = tuple[str, str, tuple[str, ...], int]
"""Pairs, metric, interventions, and the circuit's revision."""


@dataclass
class Training:
    """The checkpoints that the sessions of an app go along.

    Attributes:
        checkpoints: the sequence.
        journals: of the sessions that were opened on some of them.
    """

    checkpoints: tuple[Checkpoint, ...]
    journals: dict[Checkpoint, Path] = field(default_factory=dict)

    def named(self, settings: ExperimentSettings) -> Checkpoint | None:
        """The checkpoint that settings choose; None if it is none of them."""
        wanted = place_of(settings.model, settings.revision)
        for one in self.checkpoints:
            if place_of(one.model, one.revision) == wanted:
                return one
        return None


class SessionTraining:
    """What the circuit of a session scores at each checkpoint. From any thread."""

    def __init__(self, session: Session, training: Training, present: Checkpoint) -> None:
        """For a session on one of the checkpoints."""
        self.training, self.present = training, present
        self._session: Session = proxy(session)  # which is what it is looked up by
        self._runs: tuple[tuple[object, ...], CheckpointRuns] | None = None

    @property
    def checkpoints(self) -> tuple[Checkpoint, ...]:
        """The sequence."""
        return self.training.checkpoints

    def neighbour(self, by: int) -> Checkpoint | None:
        """The checkpoint so many further on; None beyond the ends."""
        at = self.checkpoints.index(self.present) + by
        return self.checkpoints[at] if 0 <= at < len(self.checkpoints) else None

    def run(
        self,
        told: Callable[[AtCheckpoint], object] | None = None,
        cancel: Stop | None = None,
    ) -> tuple[AtCheckpoint, ...]:
        """Score the present circuit at each checkpoint, on the pairs in use, the nearest first.

        It holds no turn of the session: no command waits for it.

        Args:
            told: called after each.

        Returns:
            One for each checkpoint, in the order of the sequence.

        Raises:
            Cancelled: `cancel` was set, or the circuit or the pairs changed meanwhile.
        """
        session, what = self._session, self.what()
        with failures_as_sentences():
            circuit, runs = self._prepared(what)
        lock = lock_of(session.loaded_model)
        found: dict[Checkpoint, AtCheckpoint] = {}
        for checkpoint in self._nearest_first():
            with lock.background():  # commands go first; the turn itself is not wanted
                pass
            if (cancel is not None and cancel.is_set()) or self.what() != what:
                raise Cancelled
            here = checkpoint == self.present
            found[checkpoint] = self._here(what) if here else runs.at(checkpoint, circuit)
            if told is not None:
                told(found[checkpoint])
        return tuple(found[one] for one in self.checkpoints)

    def what(self) -> What:
        """What is scored now: pairs, metric, interventions, and the circuit's revision."""
        session = self._session
        done = tuple(one.text for one in session.interventions.present)
        return session.pairs_digest, session.task.metric, done, session.status().revision

    def _prepared(self, what: What) -> tuple[Circuit, CheckpointRuns]:
        """The circuit as it is on the pairs in use, and their runs at the other checkpoints."""
        from workbench.checkpoints.scores import CheckpointRuns, Likeness
        from workbench.experiment.prepare import task_batch

        session = self._session
        task = session.task_with_pairs
        settings = replace(session.settings, metric=what[1])
        batch = task_batch(session.loaded_model, task, settings)
        if self._runs is None or self._runs[0] != what[:3]:
            like = Likeness.of(self.present.name, batch, session.graph)
            runs = CheckpointRuns(
                self.checkpoints, task, settings, interventions=what[2], like=like
            )
            self._runs = what[:3], runs
        return on_prompts(session.circuit, batch.roles.names), self._runs[1]

    def _nearest_first(self) -> list[Checkpoint]:
        at = self.checkpoints.index(self.present)
        return [
            one
            for _, one in sorted(enumerate(self.checkpoints), key=lambda pair: abs(pair[0] - at))
        ]

    def _here(self, what: What) -> AtCheckpoint:
        """What the session says of itself."""
        status, task = self._session.status(), self._session.task
        if status.revision != what[3]:
            raise Cancelled
        accuracy, kl = status.agreement.read() if status.agreement.known else (None, None)
        return AtCheckpoint(
            self.present,
            task.metric,
            task.n_pairs,
            status.model_metric,
            status.corrupted_metric,
            task.model_accuracy,
            status.circuit_metric,
            status.faithfulness,
            accuracy,
            kl,
            status.edges,
        )


_followed: WeakKeyDictionary[Session, SessionTraining] = WeakKeyDictionary()


def follow_training(session: Session, checkpoints: Given | Training) -> SessionTraining | None:
    """Follow a session's circuit over the training that its model is a checkpoint of.

    Args:
        checkpoints: as `read_checkpoints` takes them.

    Returns:
        None if the session's model is none of them.

    Raises:
        WorkbenchError: there is no such sequence.
    """
    training = checkpoints
    if not isinstance(training, Training):
        training = Training(read_checkpoints(training))
    present = training.named(session.settings)
    if present is None:
        return None
    training.journals[present] = session.path
    found = _followed[session] = SessionTraining(session, training, present)
    return found


def training_of(session: Session) -> SessionTraining | None:
    """What follows a session; None of one that is on no training."""
    return _followed.get(session)


def at_checkpoint(
    session: Session,
    checkpoint: Checkpoint,
    *,
    threshold: ThresholdRule = DEFAULT_RULE,
    progress: Progress | None = None,
    beside: Iterable[Session] = (),
) -> Session:
    """The session on another checkpoint, with the circuit of this one.

    It is the one that was on it before, or a new one with its own journal. The circuit is loaded
    there by a command, which undo takes back; the pairs are those that the task was opened with.

    Args:
        session: one that follows a training.
        threshold: of a new session, how the first threshold is chosen.
        beside: sessions open in this process.

    Raises:
        WorkbenchError: the checkpoint cannot be read, or is no model of this shape.
    """
    followed = training_of(session)
    if followed is None:
        raise WorkbenchError("This session is on no checkpoint of a training.")
    training = followed.training
    path = training.journals.get(checkpoint)
    other = next((one for one in beside if one.is_open and one.path == path), None)
    if other is None and path is not None and path.is_file():
        other = resume_session(path, progress=progress, beside=beside)
    elif other is None:
        settings = replace(
            session.settings,
            model=checkpoint.model,
            revision=checkpoint.revision,
            metric=session.task.metric,
        )
        other = begin_session(settings, threshold=threshold, progress=progress, beside=beside)
    try:
        if other.graph != session.graph:
            raise WorkbenchError(
                f"{checkpoint.name} is of another shape than {followed.present.name}."
            )
        follow_training(other, training)
        _carry(session, other, followed.present)
    except BaseException:
        if other not in beside:
            other.close()
        raise
    return other


def _carry(session: Session, other: Session, present: Checkpoint) -> None:
    """Load the circuit of one session in another, groups, notes and what is open with it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "circuit.json"
        session.export(path)
        other.load(path, called=f"the circuit at {present.name}")
