"""Whatever a user can name or press is documented, by the catalogues and not by memory."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
import typer

import workbench
from tasks import TASKS
from tests.support.paths import ROOT
from tests.support.reference_pages import (
    KEYS,
    OPTIONS,
    SCREENS,
    SETTINGS_PAGE,
    actions,
    commands,
    keys_page,
    options_page,
    settings_page,
)
from tests.support.task_files_page import TASK_FILES, task_files_page
from workbench.assessment.catalogue import PARTS
from workbench.cli.main import app
from workbench.discovery.catalogue import METHODS
from workbench.experiment.ablations import ABLATIONS
from workbench.formats.catalogue import FORMATS
from workbench.metrics.catalogue import METRICS
from workbench.readouts.catalogue import READOUTS
from workbench.transformer.families.catalogue import FAMILIES

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TEXT = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)

CATALOGUES: dict[str, Iterable[str]] = {
    "task": TASKS,
    "method": METHODS,
    "metric": METRICS,
    "ablation": ABLATIONS,
    "family": FAMILIES,
    "part of an assessment": PARTS,
}


def test_every_kind_of_plug_in_is_on_the_page() -> None:
    page = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
    extended = (FAMILIES, FORMATS, METHODS, METRICS, PARTS, READOUTS)
    assert not [kind.group for kind in extended if f"| `{kind.group}` |" not in page]


@pytest.mark.parametrize("kind", CATALOGUES)
def test_every_entry_of_a_catalogue_is_documented(kind: str) -> None:
    missing = [name for name in CATALOGUES[kind] if f"`{name}`" not in TEXT]
    assert not missing


def test_every_public_name_is_documented_and_says_what_it_is() -> None:
    missing = [name for name in workbench.__all__ if f"`{name}`" not in TEXT]
    assert not missing
    for name in workbench.__all__:
        value = getattr(workbench, name)
        assert isinstance(value, dict) or value.__doc__, name


def test_the_page_of_options_is_what_the_commands_say() -> None:
    """If they are meant to change, `python -m tests.support.reference_pages` writes it anew."""
    assert OPTIONS.read_text(encoding="utf-8") == options_page()


def test_the_page_of_keys_is_what_the_screens_say() -> None:
    """If they are meant to change, `python -m tests.support.reference_pages` writes it anew."""
    assert KEYS.read_text(encoding="utf-8") == keys_page()


def test_the_page_of_settings_is_what_the_catalogue_says() -> None:
    """If it is meant to change, `python -m tests.support.reference_pages` writes it anew."""
    assert SETTINGS_PAGE.read_text(encoding="utf-8") == settings_page()
    assert TASK_FILES.read_text(encoding="utf-8") == task_files_page()


def test_every_command_says_what_it_does_and_has_an_example() -> None:
    for name, command in commands(typer.main.get_command(app), ()):
        assert command.help, name
        assert f"workbench {name}" in TEXT.replace(OPTIONS.read_text(encoding="utf-8"), ""), name


def test_every_screen_with_actions_is_on_the_page() -> None:
    """A new screen's keys would escape the page."""
    folders = {path.parent.name for path in (ROOT / "screens").glob("*/keys.py")}
    assert folders == {module.split(".")[1] for module in SCREENS.values()}
    assert all(
        action.help.endswith(".") for module in SCREENS.values() for action in actions(module)
    )
