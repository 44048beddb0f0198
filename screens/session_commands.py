"""What is done from any screen: going to a session, naming or taking it over; sweeps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from textual.app import App

from screens.base.tokens import one_line
from screens.navigation import EntitleSession, GoToSession, ResumeSession
from screens.open_sessions import OpenSessions
from screens.widgets.ask_title import ask_title
from workbench.base.text import counted
from workbench.errors import WorkbenchError
from workbench.session.about import write_about
from workbench.session.holder import HeldElsewhere

Command = tuple[str, str, Callable[[], Any]]


def session_commands(app: App[Any], sessions: OpenSessions) -> Iterator[Command]:
    """For the palette: the name of the session that is shown, and the way to each other one."""
    current = sessions.current
    if current is not None:
        sentence = "Give this session a title and tags, by which it is listed and resumed."
        session = current.session
        ask = partial(ask_title, app, session.path, session.about)
        yield "Title and tags of this session", sentence, ask
    for bench in sessions.benches:
        if bench is not current:
            name = one_line(bench.session.path.stem)
            commands = counted(len(bench.session.commands()), "command")
            sentence = f"Go to this session, which is open: {name}, {commands}."
            go = partial(app.post_message, GoToSession(bench.session.path))
            yield f"Session: {bench.name_of_session}", sentence, go
    sentence = "Show how a sweep of a TOML file stands, whoever runs it, on whatever machine."
    yield "Watch a sweep", sentence, partial(ask_sweep, app)
    sentence = "Show the jobs that go on by themselves: stop one, go on with one, remove one. (F5)"
    yield "Jobs", sentence, partial(app.run_action, "jobs")


def ask_sweep(app: App[Any]) -> None:
    """Ask for the file of a sweep, then show how the sweep stands."""
    from screens.sweep.screen import SweepScreen
    from screens.widgets.ask_path import AskPath
    from workbench.sweeps.cells import read_sweep

    def go(path: str | None) -> None:
        if path is not None:
            app.push_screen(SweepScreen(read_sweep(path)))

    hint = "The sweep's TOML file; docs/sweeps.md says what stands in it."
    app.push_screen(AskPath("Watch a sweep", hint=hint, check=read_sweep), go)


def entitle_session(app: App[Any], sessions: OpenSessions, event: EntitleSession) -> None:
    """Give a session the title and tags that were asked for."""
    bench = sessions.find(event.path)
    try:
        if bench is None:
            write_about(event.path, event.about)
        else:
            bench.session.entitle(event.about)
            bench.show_title()
    except WorkbenchError as error:
        app.notify(str(error), severity="error", timeout=10, markup=False)


def offer_to_take_over(app: App[Any], error: HeldElsewhere) -> None:
    """Ask whether the process that holds a session should be ended, if that can be done."""
    from screens.widgets.dialogs import Confirm

    holder = error.holder
    if holder is None or holder.is_this_process or holder.process() is None:
        return

    def go(yes: bool | None) -> None:
        if yes:
            app.post_message(ResumeSession(error.path, take_over=True))

    question = (
        f"{one_line(error.path.stem)} is open in {holder.words}. Take it over? That process is "
        "ended, with whatever it computes; every command in it is on the disk."
    )
    app.push_screen(Confirm(question, "Take it over"), go)
