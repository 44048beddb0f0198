"""Starts the app. This is the one module here that knows the screens."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from workbench.base.text import shown_path
from workbench.cli import console
from workbench.errors import WorkbenchError
from workbench.experiment.settings import ExperimentSettings

if TYPE_CHECKING:
    from workbench.checkpoints.sequence import Checkpoint
    from workbench.config.config import Config
    from workbench.config.problem import Problem
    from workbench.formats.chosen import FileSelection
    from workbench.sweeps.cells import Sweep

CANNOT_DRAW = ("dumb", "unknown")
"""Values of TERM with which no app can be shown."""


def show(
    settings: ExperimentSettings | None = None,
    circuit: Path | None = None,
    resuming: Path | None = None,
    tutorial: Literal["go on", "restart"] | None = None,
    selection: FileSelection | None = None,
    sweep: Sweep | None = None,
    checkpoints: tuple[Checkpoint, ...] = (),
) -> int:
    """Run the app until the user leaves it.

    Args:
        settings: what to open; None: ask on screen.
        circuit: a circuit file to begin with.
        resuming: the journal of a session to go on with.
        selection: how a circuit is selected from the scores in that file.
        tutorial: take the tutorial, where it was left or from its start.
        sweep: show how this sweep stands, and nothing else.
        checkpoints: follow the circuit over these, of which the model is one.

    Raises:
        WorkbenchError: there is no terminal to show it in, or one that cannot move its cursor.
    """
    if not console.is_terminal():
        raise WorkbenchError(
            "The app needs a terminal; `workbench --help` lists the commands that need none."
        )
    if os.environ.get("TERM", "") in CANNOT_DRAW:
        raise WorkbenchError(
            "This terminal says that it can only print lines (TERM=dumb); set TERM to what it is, "
            "such as xterm-256color, or use the commands that `workbench --help` lists."
        )
    from workbench.config.config import config
    from workbench.plugins import use_files

    use_files(config().plugins)
    from screens.app import WorkbenchApp

    app = WorkbenchApp(settings, resuming, tutorial=tutorial, circuit=circuit, sweep=sweep)
    app.selection, app.checkpoints = selection, checkpoints
    app.run()
    if app.left is not None and app.left.commands():
        console.say(f"Go on with this session: workbench resume {shown_path(app.left.path.stem)}")
    return app.return_code or 0


def problems_on_screen(settings: Config) -> list[Problem]:
    """What the screens cannot follow of the user's settings: keys, themes."""
    from screens.preferences.check import problems

    return problems(settings)
