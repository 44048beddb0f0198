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


def names() -> list[str]:
    return [match[1] for line in PROJECT["dependencies"] if (match := BOUNDED.match(line))]


def test_every_dependency_is_bounded_on_both_sides() -> None:
    assert len(names()) == len(PROJECT["dependencies"])


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
    assert [name for name, _ in pinned] == names()
    assert all(re.fullmatch(r"[\d.]+", version) for _, version in pinned)


def test_the_documents_say_what_each_is_for() -> None:
    page = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    table = page.split("## Every dependency")[1]
    assert re.findall(r"^\| ([\w.-]+) \|", table, flags=re.M)[2:] == names()


def test_sentences_name_what_is_installed_and_what_was_tried() -> None:
    assert f"torch {importlib.metadata.version('torch')}" in installed.in_one_line()
    assert installed.version_of("no-such-package") == "not installed"
    if "transformers" in installed.required():  # installed, not only on the path
        assert installed.admitted("transformers").count(".") >= 2
    assert set(installed.all_versions()) >= {"python", "circuit-workbench", "torch"}
