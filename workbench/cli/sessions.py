"""`workbench resume`, and `workbench sessions`: they are listed, named and deleted.

Importing this loads no torch.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.base.text import counted
from workbench.cli import console, output
from workbench.cli.options import Json
from workbench.errors import WorkbenchError

if TYPE_CHECKING:
    from workbench.session.views import SessionSummary

app = typer.Typer(help="List the sessions; name one, or delete one.")

SessionName = Annotated[
    str,
    typer.Argument(metavar="SESSION", help="Its title, the beginning of its name, or its journal."),
]


def resume(
    session: Annotated[
        str | None,
        typer.Argument(
            help="Its title, the beginning of its name, or its journal. [default: the latest]"
        ),
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="List the sessions instead.")] = False,
    take_over: Annotated[
        bool,
        typer.Option(
            "--take-over",
            help="End the process that still holds it, such as one whose terminal hangs.",
        ),
    ] = False,
    as_json: Json = False,
) -> int:
    """Go on with a session where it was, also after a crash or a dropped connection."""
    from workbench.session.journals import find_session, list_sessions

    if list_:
        _show(list_sessions(), as_json)
        return 0
    from workbench.cli.launch import show

    path = find_session(session)
    if take_over:
        from workbench.session.holder import take_over as end_holder

        end_holder(path)
    return show(resuming=path)


@app.callback(invoke_without_command=True)
def listed(context: typer.Context, as_json: Json = False) -> None:
    """List the sessions, the latest first; name one, or delete one."""
    if context.invoked_subcommand is None:
        from workbench.session.journals import list_sessions

        _show(list_sessions(), as_json)


@app.command("list")
def list_(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            help="Parts of titles, #tags, models, tasks or names: those that have all of them. "
            "[default: all sessions]"
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """List the sessions, the latest first, the damaged ones too."""
    from workbench.session.journals import list_sessions

    _show([session for session in list_sessions() if session.has(words or [])], as_json)


@app.command()
def title(
    session: SessionName,
    text: Annotated[
        list[str] | None,
        typer.Argument(help="The title; words that begin with # are tags. [default: none]"),
    ] = None,
) -> None:
    """Give a session a title and tags, in place of those that it had."""
    from workbench.session.about import SessionAbout, write_about
    from workbench.session.journals import find_session

    path = find_session(session)
    about = SessionAbout.parse(" ".join(text or []))
    write_about(path, about)
    output.line(f"{path.stem}  {about.words or 'no title'}")


@app.command()
def report(
    session: SessionName,
    output_: Annotated[
        Path,
        typer.Option("--output", "-o", help="Where to write it: a name that ends in .md or .html."),
    ],
) -> None:
    """Write a session as a page: numbers, circuit, groups, notes, and the way there."""
    from workbench.session.journals import find_session
    from workbench.session.report import write_session_report

    for written in write_session_report(find_session(session), output_):
        output.line(f"Written: {written}")


@app.command()
def delete(
    session: SessionName,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Move a session's journal and results to the trash in the state folder."""
    from workbench.session.journals import find_session, summarised
    from workbench.session.removal import files_of, remove_session

    path = find_session(session)
    if not yes:
        _ask(summarised(path), len(files_of(path)))
    removed = remove_session(path)
    output.line(f"{counted(len(removed.names), 'file')} moved to {removed.folder}")


def _ask(summary: SessionSummary, files: int) -> None:
    if not console.is_terminal():
        raise WorkbenchError("Deleting needs --yes where nobody can be asked.")
    what = f"{summary.name}, {counted(summary.n_commands, 'command')}"
    print(f"Delete the session {what} ({counted(files, 'file')})? [y/N] ", end="", file=sys.stderr)
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise WorkbenchError("Nothing was deleted.")


def _show(sessions: list[SessionSummary], as_json: bool) -> None:
    if as_json:
        output.as_json([session.to_json() for session in sessions])
        return
    for session in sessions:
        output.line(_line(session))
    if not sessions:
        console.say("There are no sessions, or none such.")


def _line(s: SessionSummary) -> str:
    about = " ".join([*filter(None, [s.title]), *(f"#{tag}" for tag in s.tags)])
    parts = [s.path.stem, s.when]
    if s.damage:
        parts.append(f"damaged: {s.damage}")
    else:
        parts += [s.model, s.task, counted(s.edges, "edge"), counted(s.n_commands, "command")]
        if s.faithfulness is not None:
            parts.append(f"faithfulness {s.faithfulness:.3f}")
    return "  ".join([*parts, *filter(None, [about])])
