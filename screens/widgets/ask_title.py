"""Asking for a session's title and tags, in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from textual.app import App

from screens.navigation import EntitleSession
from workbench.errors import WorkbenchError
from workbench.session.about import SessionAbout


def ask_title(app: App[Any], path: Path, about: SessionAbout) -> None:
    """Ask for a session's title and tags.

    Args:
        path: its journal.
        about: what they are now.
    """
    from screens.widgets.dialogs import Ask

    def check(text: str) -> str | None:
        try:
            SessionAbout.parse(text)
        except WorkbenchError as error:
            return str(error)
        return None

    def go(text: str | None) -> None:
        if text is not None:
            app.post_message(EntitleSession(path, SessionAbout.parse(text)))

    hint = (
        "Words that begin with # are tags: IOI by hand #paper. `workbench resume TITLE` finds it."
    )
    app.push_screen(Ask("Title and tags of the session", about.words, hint=hint, check=check), go)
