"""Starts the app. This is the one module here that knows the screens."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from workbench.cli import console
from workbench.errors import WorkbenchError
from workbench.experiment.settings import ExperimentSettings


def show(
    settings: ExperimentSettings | None = None,
    circuit: Path | None = None,
    resuming: Path | None = None,
    tutorial: Literal["go on", "restart"] | None = None,
) -> int:
    """Run the app until the user leaves it.

    Args:
        settings: what to open; None: ask on screen.
        circuit: a circuit file to begin with.
        resuming: the journal of a session to go on with.
        tutorial: take the tutorial, where it was left or from its start.

    Raises:
        WorkbenchError: there is no terminal to show it in.
    """
    if not console.is_terminal():
        raise WorkbenchError(
            "The app needs a terminal; `workbench --help` lists the commands that need none."
        )
    from screens.app import WorkbenchApp

    app = WorkbenchApp(settings, resuming, tutorial=tutorial, circuit=circuit)
    app.run()
    return app.return_code or 0
