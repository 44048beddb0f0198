"""The releases that pyproject.toml admits: bounded on both sides, and documented."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
import tomllib

import pytest

from tests.support.paths import ROOT
from workbench.base import installed

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
BOUNDED = re.compile(r"([\w.-]+)>=[\d.]+,<[\d.]+$")


EXTRAS = {name: kept for name, kept in PROJECT["optional-dependencies"].items() if name != "dev"}
"""What users may install besides."""


def names(lines: list[str] = PROJECT["dependencies"]) -> list[str]:
    return [match[1] for line in lines if (match := BOUNDED.match(line))]


def of_extras() -> list[str]:
    return [line for lines in EXTRAS.values() for line in lines]


def test_every_dependency_is_bounded_on_both_sides() -> None:
    assert len(names()) == len(PROJECT["dependencies"])
    assert len(names(of_extras())) == len(of_extras()) > 0


def test_the_tests_have_every_extra() -> None:
    dev = PROJECT["optional-dependencies"]["dev"]
    assert all(f"circuit-workbench[{extra}]" in dev for extra in EXTRAS)


@pytest.mark.dependencies
def test_what_is_installed_is_admitted() -> None:
    from packaging.requirements import Requirement

    for line in PROJECT["dependencies"]:
        requirement = Requirement(line)
        version = importlib.metadata.version(requirement.name)
        assert requirement.specifier.contains(version), f"{line}: {version} is installed"


def test_the_oldest_set_has_each_once() -> None:
    result = subprocess.run(
        [sys.executable, ROOT / ".ci" / "oldest"], capture_output=True, text=True, check=True
    )
    pinned = [line.split("==") for line in result.stdout.splitlines()]
    assert [name for name, _ in pinned] == names() + names(of_extras())
    assert all(re.fullmatch(r"[\d.]+", version) for _, version in pinned)


def test_the_documents_say_what_each_is_for() -> None:
    page = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    table = page.split("## Every dependency")[1]
    kept, extras = table.split("## Extras")
    assert re.findall(r"^\| ([\w.-]+) \|", kept, flags=re.M)[2:] == names()
    assert re.findall(r"^\| `(\w+)` \| ([\w.-]+) \|", extras, flags=re.M) == [
        (extra, name) for extra, lines in EXTRAS.items() for name in names(lines)
    ]


def test_sentences_name_what_is_installed_and_what_was_tried() -> None:
    assert f"torch {importlib.metadata.version('torch')}" in installed.in_one_line()
    assert installed.version_of("no-such-package") == "not installed"
    if "transformers" in installed.required():  # installed, not only on the path
        assert installed.admitted("transformers").count(".") >= 2
    assert set(installed.all_versions()) >= {"python", "circuit-workbench", "torch"}
