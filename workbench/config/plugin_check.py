"""Whether the plug-ins that the user's file names can be had: this runs their files."""

from __future__ import annotations

from workbench.config.config import Config
from workbench.config.problem import Problem
from workbench.errors import WorkbenchError
from workbench.plugins import Catalogue, value_in_file


def catalogues() -> tuple[Catalogue, ...]:
    """All that a plug-in may add to."""
    from workbench.assessment.catalogue import PARTS
    from workbench.discovery.catalogue import METHODS
    from workbench.formats.catalogue import FORMATS
    from workbench.metrics.catalogue import METRICS
    from workbench.prompts.task_catalogue import TASKS
    from workbench.readouts.catalogue import READOUTS
    from workbench.transformer.families.catalogue import FAMILIES

    return (TASKS, METHODS, METRICS, READOUTS, FORMATS, PARTS, FAMILIES)


def problems_of_plugins(config: Config) -> list[Problem]:
    """One for each plug-in that would be left out."""
    found = []
    for text in config.plugins:
        try:
            shown, value = value_in_file(text)
            fitting = [catalogue for catalogue in catalogues() if catalogue.holds(value)]
            for catalogue in fitting:
                catalogue.from_file(text)
            if value is None:
                raise WorkbenchError(f"There is nothing of that name in {shown}.")
            if not fitting:
                nouns = ", ".join(catalogue.noun for catalogue in catalogues())
                raise WorkbenchError(f"{shown} is none of these: {nouns}.")
        except WorkbenchError as error:
            found.append(config.problem("plugins", f"a plug-in is left out: {error}"))
    return found
