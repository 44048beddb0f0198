"""Beginning: how a session is started, built or resumed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from tasks import TASKS
from workbench.base.folders import new_journal_path
from workbench.base.home import meant_path
from workbench.base.progress import Progress, silent
from workbench.base.text import counted
from workbench.errors import WorkbenchError
from workbench.experiment.ability import Ability
from workbench.experiment.ablations import PATCHING
from workbench.experiment.kept_abilities import keep_abilities, known_ability
from workbench.experiment.settings import (
    AS_FITS,
    ExperimentSettings,
    ModelChoices,
    RunChoices,
    TaskChoices,
)
from workbench.models.bundled_circuits import truth
from workbench.models.source import SHORT_NAMES, find_model
from workbench.session.commands import Command
from workbench.session.header import Header, at_start, header
from workbench.session.history import History
from workbench.session.journal import Journal, Reading
from workbench.session.open import Opened, open_engine
from workbench.session.pair_runs import task_of
from workbench.session.pair_set import sampled
from workbench.session.sampling import with_sample
from workbench.session.session import Session
from workbench.session.sharing import shared_model
from workbench.session.state import State
from workbench.session.state_tree import Measured
from workbench.session.threshold_rule import DEFAULT_RULE, ThresholdRule

if TYPE_CHECKING:
    from tasks.task import Task
    from workbench.formats.chosen import FileSelection
    from workbench.models.model import Model


def start_session(
    model_name: str,
    task_name: str,
    *,
    journal: Path | None = None,
    circuit: Path | None = None,
    progress: Progress | None = None,
    **choices: Unpack[ModelChoices],
) -> Session:
    """Load a model and a task and begin, as `begin_session`.

    Args:
        choices: settings by their names, see `ExperimentSettings`; without `pairs` there are 32,
            of a file too.
    """
    choices.setdefault("pairs", 32)
    settings = ExperimentSettings(model_name, task_name, **choices)
    return begin_session(settings, journal=journal, circuit=circuit, progress=progress)


def begin_session(
    settings: ExperimentSettings,
    *,
    journal: Path | None = None,
    circuit: Path | None = None,
    selection: FileSelection | None = None,
    threshold: ThresholdRule = DEFAULT_RULE,
    progress: Progress | None = None,
    beside: Iterable[Session] = (),
) -> Session:
    """Load the model and the task that the settings name, and begin.

    Args:
        journal: where to keep it; None: a new file in the user's state folder.
        circuit: a circuit file to begin with.
        selection: how a circuit is selected from the scores in that file; None: as it is.
        threshold: how the first threshold is chosen.
        progress: told what is being done and the fraction done.
        beside: sessions open in this process: the model of one of them is taken and not loaded
            again, if the settings choose the same.

    Raises:
        WorkbenchError: for anything that does not load, fit or exist.
    """
    _refuse_existing(journal)
    say = progress or silent
    settings = replace(
        settings, model=_lasting_name(settings.model), means=_lasting_task(settings.means)
    )
    model = shared_model(settings, beside) or settings.load_model(say)
    task = settings.load_task(model.tokenizer)
    session = _begin(settings, model, task, journal, _with(circuit, selection), say, threshold)
    _keep_ability(session)
    return session


def _keep_ability(session: Session) -> None:
    """Keep what the model does of a built-in task, unless more pairs were asked before."""
    settings, info = session.settings, session.task
    by_default = (settings.metric, settings.ablation, settings.bos) == (None, PATCHING, None)
    if not by_default or settings.task not in TASKS:
        return
    known = known_ability(settings.model, settings.task)
    if known is None or known.pairs <= info.n_pairs:
        scores = info.model_metric, info.corrupted_metric, info.model_accuracy
        found = Ability(settings.task, info.metric, info.n_pairs, *scores)
        keep_abilities(settings.model, [found])


def build_session(
    model: Model,
    task: Task,
    *,
    journal: Path | None = None,
    circuit: Path | None = None,
    progress: Progress | None = None,
    **choices: Unpack[RunChoices],
) -> Session:
    """Begin with a model and a task that are loaded already; otherwise as `start_session`."""
    _refuse_existing(journal)
    info = model.info
    settings = ExperimentSettings(info.name, task.name, dtype=info.dtype, **choices)
    if settings.metric is not None:
        task = replace(task, metric=settings.metric)
    return _begin(settings, model, task, journal, _with(circuit), progress or silent)


def another_session(
    session: Session,
    task: Task | str | None = None,
    *,
    journal: Path | None = None,
    circuit: Path | None = None,
    progress: Progress | None = None,
    **choices: Unpack[TaskChoices],
) -> Session:
    """Begin beside a session that is open, on the same model: its weights are loaded once.

    Args:
        session: its settings hold wherever nothing else is said.
        task: another task, or the name or file of one; None: the same task.
        choices: what is to be different: `metric`, `pairs`, `seed`, `ablation`, ...
        journal, circuit, progress: as of `begin_session`.

    Raises:
        WorkbenchError: as `begin_session`; and where pairs or a seed are asked for of a task that
            has no name to make it anew by.
    """
    _refuse_existing(journal)
    model = session.loaded_model
    settings = replace(session.settings, **choices)
    settings = replace(settings, means=_lasting_task(settings.means))
    if isinstance(task, str) or (task is None and {"pairs", "seed"} & choices.keys()):
        name = task if isinstance(task, str) else settings.task
        settings = replace(settings, task=name)
        task = settings.load_task(model.tokenizer, name)
    else:
        task = session.task_with_all_pairs if task is None else task
        task = task if settings.metric is None else replace(task, metric=settings.metric)
        settings = replace(settings, task=task.name)
    return _begin(settings, model, task, journal, _with(circuit), progress or silent)


def _with(
    circuit: Path | None, selection: FileSelection | None = None
) -> tuple[Path, FileSelection | None] | None:
    return None if circuit is None else (circuit, selection)


def _begin(
    settings: ExperimentSettings,
    model: Model,
    task: Task,
    journal_path: Path | None,
    circuit: tuple[Path, FileSelection | None] | None,
    say: Progress,
    rule: ThresholdRule = DEFAULT_RULE,
) -> Session:
    if circuit is not None:
        from workbench.formats.chosen import load_chosen

        # A file that is no use should not cost the wait below.
        load_chosen(circuit[0], model.graph, circuit[1])
    if settings.sample == AS_FITS:
        settings = with_sample(settings, model, task)
    at = task_of(task, sampled(task.pairs, settings.sample, settings.seed))
    opened = open_engine(model, at, settings, say, task)
    path = journal_path or new_journal_path(settings.model, task.name)
    return begin(opened, path, circuit, rule)


def begin(
    opened: Opened,
    path: Path,
    circuit: tuple[Path, FileSelection | None] | None = None,
    rule: ThresholdRule = DEFAULT_RULE,
) -> Session:
    """A new session on an engine that is ready, with a journal at `path`."""
    difference = opened.info.model_metric - opened.info.corrupted_metric
    threshold = rule.threshold(difference, opened.eap)
    line = header(opened, threshold)
    journal = Journal.create(path, line)
    try:
        start = at_start(line["created"], opened.info.model_metric, opened.info.corrupted_metric)
        settings = opened.settings
        pairs = sampled(opened.task.pairs, settings.sample, settings.seed)
        history = History(State.start(opened.engine.model.graph, threshold, pairs), start)
        message = "Expand the logits to begin."
        if truth(opened.settings.model, opened.info.name) is not None:
            message += " The true circuit comes along."
        session = Session(opened, journal, history, message=message)
        if circuit is not None:
            session.load(*circuit)
        return session
    except BaseException:
        journal.close()
        path.unlink(missing_ok=True)  # nothing was done in it
        raise


def resume_session(
    journal: Path,
    *,
    device: str | None = None,
    model: Model | None = None,
    progress: Progress | None = None,
    beside: Iterable[Session] = (),
    take_over: bool = False,
) -> Session:
    """Load what a journal names and go on where it ends.

    Args:
        device: another device than the one asked for then.
        model: the same model, if it is loaded already.
        beside: sessions open in this process, whose model is taken if it is the same.
        take_over: end the process that holds the session, if one does; see `holder.take_over`.

    Raises:
        HeldElsewhere: another session holds the journal.
        WorkbenchError: if the journal is broken, or as for `start_session`.
    """
    say = progress or silent
    if take_over:
        from workbench.session.holder import take_over as end_holder

        say("Ending the process that holds the session", None)
        end_holder(journal)
    kept, reading = Journal.open(journal)
    try:
        began = Header.from_json(reading.header)
        history = replayed(began, reading, journal)
        settings = began.settings
        if model is None:
            asked = replace(settings, device=device or settings.device)
            model = shared_model(asked, beside) or asked.load_model(say)
        if model.graph != began.graph:
            raise WorkbenchError(
                f"The model {settings.model} has another shape now than when this session began."
            )
        at = task_of(began.task, history.state.pairs, history.state.metric)
        done = history.state.interventions
        opened = open_engine(model, at, settings, say, began.task, done)
        return Session(
            opened,
            kept,
            history,
            change=reading.entries[-1].get("change") if reading.entries else None,
            message=_welcome(began, opened, reading, history),
        )
    except BaseException:
        kept.close()
        raise


def replayed(began: Header, reading: Reading, path: Path) -> History:
    """The history that a journal's entries make. Raises WorkbenchError with a line's number."""
    settings = began.settings
    pairs = sampled(began.task.pairs, settings.sample, settings.seed)
    start = State.start(began.graph, began.threshold, pairs)
    history = History(start, began.start)
    for number, entry in enumerate(reading.entries, start=1):
        try:
            if entry.get("n") != number:
                raise WorkbenchError(
                    f"It should be entry {number}, so lines are missing or doubled."
                )
            command = Command.from_json(entry.get("step"))
            history.replay(command, Measured.from_entry(entry))
        except WorkbenchError as error:
            raise WorkbenchError(
                f"Line {number + 1} of the journal {path} cannot be replayed: {error}"
            ) from None
    return history


def _welcome(began: Header, opened: Opened, reading: Reading, history: History) -> str:
    sentences = [f"Resumed after {counted(len(reading.entries), 'command')}."]
    if reading.torn:
        sentences.append("The last line was cut off and is left out.")
    differs = began.differs(opened.info, history.measured(history.present))
    return " ".join([*sentences, *filter(None, [differs])])


def _refuse_existing(journal: Path | None) -> None:
    """Before anything takes long."""
    if journal is not None and journal.exists():
        raise WorkbenchError(
            f"There is a file {journal} already; resume it or name another journal."
        )


def _lasting_name(model_name: str) -> str:
    """A name that means the same from any folder: what lies locally by its whole path."""
    source = find_model(model_name)
    if source.path is None or model_name in SHORT_NAMES:
        return model_name
    return str(meant_path(model_name).resolve())


def _lasting_task(name: str | None) -> str | None:
    """The same of a task: a file by its whole path."""
    if name is None or not meant_path(name).is_file():
        return name
    return str(meant_path(name).resolve())
