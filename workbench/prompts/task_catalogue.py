"""The tasks that are made for a model's tokenizer: built in, and those of plug-ins."""

from __future__ import annotations

from tasks import TASKS as BUILT_IN
from tasks import BuiltIn
from workbench.plugins import Catalogue

TASKS: Catalogue[BuiltIn] = Catalogue("tasks", "task", BuiltIn, BUILT_IN.values())


def find_task(name: str) -> BuiltIn | None:
    """The task of this name ("greater_than" does too) or in a file, `FILE.py:NAME`.

    Returns:
        None if there is none; the name may be the path of a task file.

    Raises:
        WorkbenchError: the file of that name has no such task.
    """
    return TASKS.from_file(name) or TASKS.get(name.strip().lower().replace("_", "-"))
