"""Beginning: how a session is started, built or resumed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.bundled_circuits import truth
from workbench.commands import Command
from workbench.errors import WorkbenchError
from workbench.header import Header, first_threshold, header
from workbench.history import History
from workbench.journal import Journal, Reading
from workbench.modelsource import SHORT_NAMES, find_model
from workbench.opening import Opened, open_engine
from workbench.progress import Progress, silent
from workbench.request import Settings
from workbench.session import Session
from workbench.state import State
from workbench.statefolder import new_journal_path

if TYPE_CHECKING:
    from tasks.task import Task
    from workbench.model import Model


def start(
    settings: Settings,
    task_name: str,
    pairs: int | None,
    metric: str | None,
    journal: Path | None,
    circuit: Path | None,
    progress: Progress | None,
) -> Session:
    """See `Session.start`."""
    from workbench.model import load_model
    from workbench.taskfile import resolve_task

    _refuse_existing(journal)
    say = progress or silent
    settings = replace(
        settings, model=_lasting_name(settings.model), means=_lasting_task(settings.means)
    )
    model = load_model(
        settings.model,
        device=settings.device,
        dtype=settings.dtype,
        revision=settings.revision,
        progress=say,
    )
    task = resolve_task(task_name, model.tokenizer, pairs=pairs, seed=settings.seed, metric=metric)
    return _begin(settings, model, task, journal, circuit, say)


def build(
    settings: Settings,
    model: Model,
    task: Task,
    metric: str | None,
    journal: Path | None,
    circuit: Path | None,
    progress: Progress | None,
) -> Session:
    """See `Session.build`."""
    _refuse_existing(journal)
    if metric is not None:
        task = replace(task, metric=metric)
    return _begin(settings, model, task, journal, circuit, progress or silent)


def _begin(
    settings: Settings,
    model: Model,
    task: Task,
    journal_path: Path | None,
    circuit_path: Path | None,
    say: Progress,
) -> Session:
    if circuit_path is not None:
        from workbench.formats import load_circuit

        load_circuit(
            circuit_path, model.graph
        )  # a file that is no use should not cost the wait below
    opened = open_engine(model, task, settings, say)
    path = journal_path or new_journal_path(settings.model, task.name)
    return begin(opened, path, circuit_path)


def begin(opened: Opened, path: Path, circuit_path: Path | None = None) -> Session:
    """A new session on an engine that is ready, with a journal at `path`."""
    threshold = first_threshold(opened.info)
    journal = Journal.create(path, header(opened, threshold))
    try:
        history = History(State.start(opened.engine.model.graph, threshold))
        message = "Everything is open: this is the whole model. Expand the logits to begin."
        if truth(opened.settings.model, opened.info.name) is not None:
            message = "Everything is open: expand the logits. The true circuit comes along."
        session = Session(opened, journal, history, message=message)
        if circuit_path is not None:
            session.load(circuit_path)
        return session
    except BaseException:
        journal.close()
        path.unlink(missing_ok=True)  # nothing was done in it
        raise


def resume(
    path: Path, *, device: str | None, model: Model | None, progress: Progress | None
) -> Session:
    """See `Session.resume`."""
    say = progress or silent
    journal, reading = Journal.open(path)
    try:
        began = Header.from_json(reading.header)
        history = replayed(began, reading, path)
        settings = began.settings
        if model is None:
            from workbench.model import load_model

            model = load_model(
                settings.model,
                device=device or settings.device,
                dtype=settings.dtype,
                revision=settings.revision,
                progress=say,
            )
        if model.graph != began.graph:
            raise WorkbenchError(
                f"The model {settings.model} has another shape now than when this session began."
            )
        opened = open_engine(model, began.task, settings, say)
        return Session(
            opened,
            journal,
            history,
            n_entries=len(reading.entries),
            change=reading.entries[-1].get("change") if reading.entries else None,
            message=_welcome(began, opened, reading),
        )
    except BaseException:
        journal.close()
        raise


def replayed(began: Header, reading: Reading, path: Path) -> History:
    """The history that a journal's entries make. Raises WorkbenchError with a line's number."""
    history = History(State.start(began.graph, began.threshold))
    for number, entry in enumerate(reading.entries, start=1):
        try:
            if entry.get("n") != number:
                raise WorkbenchError(
                    f"It should be entry {number}, so lines are missing or doubled."
                )
            command = Command.from_json(entry.get("step"))
            history.record(command, history.effect(command)[1])
        except WorkbenchError as error:
            raise WorkbenchError(
                f"Line {number + 1} of the journal {path} cannot be replayed: {error}"
            ) from None
    return history


def _welcome(began: Header, opened: Opened, reading: Reading) -> str:
    sentences = [f"Resumed after {len(reading.entries):,} commands."]
    if reading.torn:
        sentences.append("The last line was cut off and is left out.")
    return " ".join([*sentences, *filter(None, [began.differs(opened.info)])])


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
    return str(Path(model_name).expanduser().resolve())


def _lasting_task(name: str | None) -> str | None:
    """The same of a task: a file by its whole path."""
    if name is None or not Path(name).expanduser().is_file():
        return name
    return str(Path(name).expanduser().resolve())
