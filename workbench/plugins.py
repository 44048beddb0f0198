"""Plug-ins: entries of a catalogue that other packages or a user's own file bring.

A package announces an entry as an entry point of the catalogue's group, such as
`circuit_workbench.methods`; the names are then listed without importing it, and its code runs when
its entry is first asked for. Whoever packages nothing names a value in a file, `FILE.py:NAME`, as
an option or in the configuration file; a file of the latter runs when a catalogue is asked for more
than what is built in. Nothing runs because it lies somewhere: a package was installed, or a file
was named, by the user.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import re
import sys
import threading
from collections.abc import ItemsView, Iterable, Iterator, MutableMapping, ValuesView
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from workbench.base.home import meant_path
from workbench.base.text import printable, shown_path
from workbench.errors import WorkbenchError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint, EntryPoints

Entry = TypeVar("Entry")

PREFIX = "circuit_workbench."
"""What the name of every group of entry points begins with."""

HERE = "circuit-workbench"
"""The package of the built-in entries."""

IN_FILE = re.compile(r"(?P<file>.+\.py):(?P<name>[A-Za-z_]\w*)")
"""An entry in a file of the user's own."""

_LOADING = threading.RLock()

_NAMED: list[str] = []
"""What `use_files` was given last."""


def use_files(named: Iterable[str]) -> None:
    """Let every catalogue have what these `FILE.py:NAME` are, as far as it is of its kind.

    For catalogues that were not asked for more than their built-in entries yet.
    """
    _NAMED[:] = named


class Catalogue(MutableMapping[str, Entry], Generic[Entry]):
    """Entries of one kind by their names: the built-in ones, then those of other packages.

    Its keys are the names that are announced. An entry of another package is imported when it is
    looked up; if that fails, the user is warned once and it is left out from then on. Assigning to
    a name puts an entry in its place, for a script's own use.
    """

    def __init__(
        self, group: str, noun: str, entry_type: type[Entry], built_in: Iterable[Entry]
    ) -> None:
        """The catalogue with its built-in entries.

        Args:
            group: of entry points, without `circuit_workbench.`.
            noun: what an entry is called in a message.
            entry_type: of which every entry has to be; it has an attribute `name`.
        """
        self.group = PREFIX + group
        self.noun = noun
        self._type = entry_type
        self._entries: dict[str, Entry] = {_name(entry): entry for entry in built_in}
        self._sources = dict.fromkeys(self._entries, HERE)
        self._announced: dict[str, EntryPoint] | None = None

    def __getitem__(self, name: str) -> Entry:
        if name in self._entries:
            return self._entries[name]
        with _LOADING:
            # This may bring entries from files, too.
            point = self._others().get(name)
            if point is not None and name not in self._entries:
                self._load(point)
        return self._entries[name]

    def __setitem__(self, name: str, entry: Entry) -> None:
        self._entries[name] = entry
        self._sources.setdefault(name, "this script")

    def __delitem__(self, name: str) -> None:
        del self._entries[name]
        self._sources.pop(name, None)

    def __iter__(self) -> Iterator[str]:
        announced = self._others()
        yield from list(self._entries)
        yield from [name for name in announced if name not in self._entries]

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __contains__(self, name: object) -> bool:
        return name in self._entries or name in self._others() or name in self._entries

    def values(self) -> ValuesView[Entry]:
        """All entries that can be imported."""
        return _Values(self)

    def items(self) -> ItemsView[str, Entry]:
        """All entries that can be imported, with their names."""
        return _Items(self)

    def source(self, name: str) -> str:
        """The package or the file that an entry comes from."""
        if name in self._sources:
            return self._sources[name]
        return _package(self._others()[name])

    def is_foreign(self, name: str) -> bool:
        """Whether an entry comes from elsewhere than this package."""
        return self.source(name) != HERE

    def find(self, name: str) -> Entry:
        """The entry of this name, or in a file, `FILE.py:NAME`.

        Raises:
            WorkbenchError: there is none.
        """
        found = self.get(name) or self.from_file(name)
        if found is None:
            raise WorkbenchError(
                f"There is no {self.noun} {name[:60]!r}; choose one of: {', '.join(self)}."
            )
        return found

    def from_file(self, text: str) -> Entry | None:
        """The entry that `FILE.py:NAME` names, which is in the catalogue from then on.

        Returns:
            None if the text is none such.

        Raises:
            WorkbenchError: there is no such file or value, it is of another kind, it fails, or its
                name is taken.
        """
        if IN_FILE.fullmatch(text.strip()) is None:
            return None
        with _LOADING:
            self._others()
            shown, entry = value_in_file(text)
            if not isinstance(entry, self._type):
                what = (
                    "there is nothing of that name" if entry is None else "that is something else"
                )
                raise WorkbenchError(
                    f"{shown} has to be a {self.noun}, a {self._type.__name__}: {what}."
                )
            return self._take(entry, shown)

    def holds(self, value: object) -> bool:
        """Whether a value is of the kind that the catalogue has."""
        return isinstance(value, self._type)

    def _take(self, entry: Entry, shown: str) -> Entry:
        """Put in what stands in a file; `shown` is `FILE.py:NAME` as people read it."""
        name = _name(entry)
        if (name in self._entries or name in (self._announced or {})) and (
            self._entries.get(name) is not entry
        ):
            raise WorkbenchError(
                f"{shown} is called {name!r}, and {self.source(name)} has a {self.noun} of "
                "that name: give it another."
            )
        self._entries[name] = entry
        self._sources[name] = shown.rpartition(":")[0]
        return entry

    def _others(self) -> dict[str, EntryPoint]:
        """What other packages announce, in order of packages and names; nothing is imported."""
        if self._announced is None:
            with _LOADING:
                announced: dict[str, EntryPoint] = {}
                points = _entry_points().select(group=self.group)
                for point in sorted(points, key=lambda p: (_package(p).lower(), p.name)):
                    taken = None
                    if point.name in self._entries:
                        taken = self._sources[point.name]
                    elif point.name in announced:
                        taken = _package(announced[point.name])
                    if taken is None:
                        announced[point.name] = point
                    else:
                        _warn(
                            f"the {self.noun} {point.name!r} of {_package(point)} is left out: "
                            f"{taken} has one of that name."
                        )
                self._announced = announced
                self._take_files()
        return self._announced

    def _take_files(self) -> None:
        """Put in what the user's files have of this kind; one that fails is told and left out."""
        for text in _NAMED:
            try:
                shown, entry = value_in_file(text)
                if isinstance(entry, self._type):
                    self._take(entry, shown)
                elif entry is None:
                    raise WorkbenchError(f"there is nothing of that name in {shown}.")
            except WorkbenchError as error:
                _warn_once(f"the plug-in {shown_path(text)} is left out: {error}")

    def _load(self, point: EntryPoint) -> None:
        """Import an entry, or warn and forget that it was announced."""
        name, package = point.name, _package(point)
        try:
            entry = point.load()
            if not isinstance(entry, self._type):
                raise TypeError(f"{point.value} is no {self._type.__name__}")
            if _name(entry) != name:
                raise ValueError(f"it calls itself {_name(entry)!r}")
        except (Exception, SystemExit) as error:
            assert self._announced is not None
            self._announced = {n: p for n, p in self._announced.items() if n != name}
            _warn(f"the {self.noun} {name!r} of {package} is left out: {_said(error)}.")
        else:
            self._entries[name] = entry
            self._sources[name] = package


class _Items(ItemsView[str, Entry]):
    def __init__(self, catalogue: Catalogue[Entry]) -> None:
        super().__init__(catalogue)
        self._catalogue = catalogue

    def __iter__(self) -> Iterator[tuple[str, Entry]]:
        for name in list(self._catalogue):
            entry = self._catalogue.get(name)
            if entry is not None:
                yield name, entry


class _Values(ValuesView[Entry]):
    def __init__(self, catalogue: Catalogue[Entry]) -> None:
        super().__init__(catalogue)
        self._catalogue = catalogue

    def __iter__(self) -> Iterator[Entry]:
        for _, entry in self._catalogue.items():
            yield entry


def value_in_file(text: str) -> tuple[str, object]:
    """What `FILE.py:NAME` names, None if nothing; before it the same as people read it.

    Raises:
        WorkbenchError: the text is none such, there is no such file, or it fails.
    """
    named = IN_FILE.fullmatch(text.strip())
    if named is None:
        raise WorkbenchError(f"A plug-in in a file is FILE.py:NAME, not {text[:60]!r}.")
    path = meant_path(named["file"])
    try:
        with _LOADING:
            value = getattr(_module_of(path), named["name"], None)
    except WorkbenchError:
        raise
    except (Exception, SystemExit) as error:
        raise WorkbenchError(f"{shown_path(path)} fails: {_said(error)}.") from error
    return f"{shown_path(path)}:{named['name']}", value


def resolve(where: str) -> Any:
    """The function or value that "package.module:name" names.

    Raises:
        WorkbenchError: there is none, or importing its module fails.
    """
    module, _, name = where.partition(":")
    try:
        return functools.reduce(getattr, name.split("."), importlib.import_module(module))
    except (ImportError, AttributeError, ValueError) as error:
        raise WorkbenchError(f"{where} cannot be loaded: {_said(error)}.") from error


@functools.cache
def _entry_points() -> EntryPoints:
    """Those of all installed packages, read once."""
    from importlib.metadata import EntryPoints, entry_points

    try:
        return cast(EntryPoints, entry_points())
    except Exception as error:  # a broken record of one package spoils the search of all
        _warn(f"plug-ins are left out, since installed packages cannot be listed: {_said(error)}.")
        return EntryPoints()


@functools.cache
def _module_at(path: Path) -> Any:
    """The module in this file, run once; its `__name__` can be imported from then on."""
    from importlib.util import module_from_spec, spec_from_file_location

    digest = hashlib.sha256(str(path).encode()).hexdigest()[:8]
    name = f"workbench_file_{re.sub(r'[^0-9A-Za-z]', '_', path.stem)}_{digest}"
    spec = spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None, "the file's name ends in .py"
    module = module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _module_of(path: Path) -> Any:
    if not path.is_file():
        raise WorkbenchError(f"There is no file {shown_path(path)}.")
    return _module_at(path.resolve())


def _name(entry: object) -> str:
    return cast(str, cast(Any, entry).name)


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else "an unknown package"


def _said(error: BaseException) -> str:
    first = (str(error).strip().splitlines() or [""])[0].rstrip(".")
    return f"{type(error).__name__}{': ' + first if first else ''}"


@functools.cache
def _warn_once(sentence: str) -> None:
    """The same of several catalogues is told once."""
    _warn(sentence)


def _warn(sentence: str) -> None:
    """One line on stderr."""
    if sys.stderr is not None:
        print(printable(f"workbench: warning: {sentence}"), file=sys.stderr, flush=True)
