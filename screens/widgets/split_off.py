"""Splitting pairs off: written as a task file, and opened as another session."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from textual.app import App
from textual.widget import Widget

from screens.base.tokens import one_line
from screens.base.worker import Worker, error_sentence
from screens.navigation import OpenBeside
from tasks.pair import Pair
from workbench.base.home import meant_path
from workbench.base.text import counted

if TYPE_CHECKING:
    from textual.screen import Screen

    from workbench.experiment.settings import ExperimentSettings
    from workbench.session.session import Session


def split_off(
    widget: Widget | Screen[None],
    worker: Worker,
    session: Session,
    pairs: Sequence[Pair],
    suffix: str,
) -> None:
    """Ask where some pairs are to be written as a task file, and open them as a session.

    Args:
        widget: who asks.
        worker: writes the file.
        suffix: for the name that is proposed.
    """
    from screens.widgets.ask_path import AskPath
    from workbench.base.write_file import check_target

    app: App[object] = widget.app

    def written(settings: ExperimentSettings) -> None:
        said = f"Written: {settings.task}. {counted(len(pairs), 'pair')}, opened as a session."
        app.notify(one_line(said), markup=False, timeout=8)
        app.post_message(OpenBeside(session, settings))

    def failed(error: BaseException) -> None:
        app.notify(error_sentence(error), severity="error", markup=False, timeout=10)

    def go(typed: str | None) -> None:
        if typed is not None:
            path = meant_path(typed)
            worker.put(lambda: session.by_pair.split_off(path, pairs), written, failed)

    hint = (
        f"{counted(len(pairs), 'pair')}, as .jsonl, .csv or .tsv; they are opened as another "
        "session on the same model. A file of that name is replaced."
    )
    name = f"{one_line(Path(session.task.name).stem)}-{suffix}.jsonl"
    app.push_screen(
        AskPath(
            "Split off as the task file",
            name,
            hint=hint,
            check=check_target,
        ),
        go,
    )
