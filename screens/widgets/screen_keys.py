"""The actions that close the table of a screen which was opened from the bench."""

from __future__ import annotations

from screens.base.actions import Action


def closing(group: str) -> tuple[Action, ...]:
    """Back, help and quit, under a screen's heading."""
    return (
        Action("leave", "escape", "esc", "back", "Back to the bench.", group),
        Action("help", "question_mark,f1", "?", "help", "Explain this screen.", group),
        Action("app.quit", "q", "q", "quit", "Leave; the session is saved always.", group, "Quit"),
    )
