"""Catalogues with entries of other packages, on packages made up for the test."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.plugin_packages import clear_plugins, make_package
from workbench.errors import WorkbenchError
from workbench.plugins import Catalogue, resolve


@dataclass(frozen=True)
class Thing:
    """An entry."""

    name: str
    number: int = 0


SOURCE = f"from {__name__} import Thing\n"

Package = Callable[..., None]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Package]:
    """Makes a package with one module and its entry points."""
    monkeypatch.syspath_prepend(tmp_path)
    clear_plugins()

    def make(name: str, code: str, **things: str) -> None:
        points = {"things": {key.replace("_", "-"): value for key, value in things.items()}}
        make_package(tmp_path, name, SOURCE + code, points)

    yield make
    clear_plugins()


def things() -> Catalogue[Thing]:
    return Catalogue("things", "thing", Thing, [Thing("first"), Thing("second")])


def test_names_are_listed_without_importing(package: Package) -> None:
    package("plug_a", "raise SystemExit", third="plug_a:THIRD")
    catalogue = things()
    assert list(catalogue) == ["first", "second", "third"]
    assert "third" in catalogue and len(catalogue) == 3
    assert catalogue.source("third") == "plug-a" and catalogue.is_foreign("third")
    assert "plug_a" not in sys.modules


def test_an_entry_is_imported_when_asked_for(package: Package) -> None:
    package("plug_b", "THIRD = Thing('third', 3)", third="plug_b:THIRD")
    catalogue = things()
    assert catalogue["third"].number == 3
    assert [thing.name for thing in catalogue.values()] == ["first", "second", "third"]
    assert dict(catalogue.items()) == {name: catalogue[name] for name in catalogue}
    assert not catalogue.is_foreign("first")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("THIRD = 3", "TypeError: plug_c:THIRD is no Thing"),
        ("THIRD = Thing('fourth')", "ValueError: it calls itself 'fourth'"),
        ("", "AttributeError"),
        ("raise SystemExit(1)", "SystemExit: 1"),
    ],
)
def test_what_fails_is_one_warning_and_left_out(
    package: Package, capfd: pytest.CaptureFixture[str], code: str, said: str
) -> None:
    sys.modules.pop("plug_c", None)
    package("plug_c", code, third="plug_c:THIRD")
    catalogue = things()
    for _ in range(2):
        assert [thing.name for thing in catalogue.values()] == ["first", "second"]
        assert catalogue.get("third") is None
    assert list(catalogue) == ["first", "second"] and "third" not in catalogue
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith("workbench: warning: the thing 'third' of plug-c is left out: " + said)
    sys.modules.pop("plug_c", None)


def test_a_name_that_is_taken_is_refused_with_both_packages_named(
    package: Package, capfd: pytest.CaptureFixture[str]
) -> None:
    package(
        "plug_d", "ONE = Thing('first', 9); X = Thing('x', 1)", first="plug_d:ONE", x="plug_d:X"
    )
    package("plug_e", "X = Thing('x', 2)", x="plug_e:X")
    catalogue = things()
    assert list(catalogue) == ["first", "second", "x"]
    assert catalogue["first"].number == 0 and catalogue["x"].number == 1
    assert capfd.readouterr().err.splitlines() == [
        "workbench: warning: the thing 'first' of plug-d is left out: circuit-workbench has one of "
        "that name.",
        "workbench: warning: the thing 'x' of plug-e is left out: plug-d has one of that name.",
    ]


def test_an_entry_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "my things.py"
    path.write_text(SOURCE + "def seven():\n    return 7\nA = Thing('a', 1)\nB = 2\n")
    catalogue = things()
    assert catalogue.from_file("first") is None
    assert catalogue.from_file(f"{path}:A") == Thing("a", 1)
    assert catalogue.from_file(f"{path}:A") is catalogue["a"], "it may be named again"
    assert list(catalogue) == ["first", "second", "a"]
    assert catalogue.source("a") == str(path)
    module = next(name for name in sys.modules if name.startswith("workbench_file_my_things"))
    assert resolve(f"{module}:seven")() == 7


@pytest.mark.parametrize(
    ("code", "name", "said"),
    [
        ("A = Thing('first')", "A", "circuit-workbench has a thing of that name"),
        ("A = 1", "A", "has to be a thing, a Thing: that is something else"),
        ("", "A", "there is nothing of that name"),
        ("1 / 0", "A", "fails: ZeroDivisionError: division by zero"),
        (None, "A", "There is no file"),
    ],
)
def test_what_is_wrong_with_a_file(tmp_path: Path, code: str | None, name: str, said: str) -> None:
    path = tmp_path / "lab.py"
    if code is not None:
        path.write_text(SOURCE + code)
    with pytest.raises(WorkbenchError, match=said):
        things().from_file(f"{path}:{name}")


def test_what_cannot_be_resolved() -> None:
    assert resolve("os.path:join")("a", "b")
    for where in ("no_such_module:f", "os:no_such_name", "os", ":f"):
        with pytest.raises(WorkbenchError, match="cannot be loaded"):
            resolve(where)


def test_no_metadata_is_read_for_what_is_built_in() -> None:
    code = (
        "import sys; from workbench.discovery.catalogue import find_method; find_method('eap');"
        "assert not {'importlib.metadata', 'torch', 'textual'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
