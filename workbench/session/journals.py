"""The sessions that can be resumed, and the models that they or this machine know."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import UTC, datetime
from pathlib import Path

from workbench.base.folders import sessions_folder
from workbench.base.home import meant_path
from workbench.base.json_values import object_of, string
from workbench.errors import WorkbenchError
from workbench.models.known import KnownModel, downloads, short_names
from workbench.session.about import read_about
from workbench.session.journal import read
from workbench.session.state_tree import Measured
from workbench.session.views import SessionSummary


def list_sessions() -> list[SessionSummary]:
    """The sessions in the state folder, the latest first, damaged ones among them."""
    try:
        paths = sorted(sessions_folder().glob("*.jsonl"))
    except OSError:
        return []
    found = map(summarised, paths)
    return sorted(found, key=lambda summary: (summary.when, summary.path.name), reverse=True)


def summarised(path: Path) -> SessionSummary:
    """A session in one line; of one that cannot be read, why."""
    about = read_about(path)
    try:
        reading = read(path)
        header = reading.header
        last = Measured.from_entry(reading.entries[-1] if reading.entries else {})
        return SessionSummary(
            path=path,
            model=string(object_of(header["settings"])["model"]),
            task=string(object_of(header["task"])["name"]),
            when=last.when or string(header["created"]),
            edges=last.edges,
            n_commands=len(reading.entries),
            faithfulness=last.faithfulness,
            title=about.title,
            tags=about.tags,
        )
    except WorkbenchError as error:
        damage = str(error)
    except (KeyError, TypeError) as error:
        damage = f"The journal's first line lacks what a session begins with: {error}."
    return SessionSummary(path, "", "", _changed(path), 0, 0, None, about.title, about.tags, damage)


def _changed(path: Path) -> str:
    """When a file was changed last, as the journal writes times."""
    try:
        when = path.stat().st_mtime
    except OSError:
        when = 0.0
    return datetime.fromtimestamp(when, UTC).isoformat(timespec="seconds")


def find_session(name: str | None) -> Path:
    """The journal of a session.

    Args:
        name: its path, its title, or the beginning of its file's name; None: the latest that is not
            damaged.

    Raises:
        WorkbenchError: there is none, or several are called so.
    """
    if name is not None and meant_path(name).is_file():
        return meant_path(name)
    sessions = list_sessions()
    if name is None:
        sessions = [session for session in sessions if not session.damage]
    if not sessions:
        raise WorkbenchError(
            "There is no session yet: begin one with `workbench open MODEL --task TASK`."
        )
    if name is None:
        return sessions[0].path
    wanted = name.casefold()
    tests: tuple[Callable[[SessionSummary], bool], ...] = (
        lambda session: session.path.stem == name,
        lambda session: session.title.casefold() == wanted,
        lambda session: session.path.stem.startswith(name),
        lambda session: bool(name) and session.title.casefold().startswith(wanted),
    )
    for test in tests:
        found = [session for session in sessions if test(session)]
        if len(found) == 1:
            return found[0].path
        if found:
            raise WorkbenchError(
                f"{len(found)} sessions begin with {name!r}: `workbench sessions` shows them all."
            )
    raise WorkbenchError(
        f"No session is called {name!r}, or begins so: `workbench sessions` shows them all."
    )


def recent_models(ready: Collection[str] = ()) -> list[KnownModel]:
    """The models of earlier sessions, the latest first, each once.

    Args:
        ready: names of those that are on this machine under no path.
    """
    found: dict[str, KnownModel] = {}
    for session in list_sessions():
        name = session.model
        if name not in found and not session.damage:
            here = name in ready or Path(name).exists()
            note = f"last used {session.when[:10]}" + ("" if here else ", not here any more")
            found[name] = KnownModel(name, "recent", here, note)
    return list(found.values())


def models_to_offer() -> list[KnownModel]:
    """Short names, models of earlier sessions, then downloads from the hub; each name once."""
    downloaded = downloads()
    recent = recent_models({model.name for model in downloaded})
    found: dict[str, KnownModel] = {}
    for model in (*short_names(), *recent, *downloaded):
        found.setdefault(model.name, model)
    return list(found.values())
