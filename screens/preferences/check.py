"""What of the user's settings the screens cannot follow: keys, colours."""

from __future__ import annotations

from workbench.config.config import Config
from workbench.config.problem import Problem


def problems(settings: Config) -> list[Problem]:
    """One for each key and theme that will not do."""
    return []
