"""`workbench jobs`: jobs are listed, followed, stopped, gone on with and removed.

And `--detach`, with which a command becomes a job. Importing this loads no torch.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli import console, output
from workbench.cli.options import Json

if TYPE_CHECKING:
    from workbench.jobs.folder import JobFolder
    from workbench.jobs.listing import Job

app = typer.Typer(help="List the jobs: what goes on without the terminal it began in.")

Detach = Annotated[
    bool,
    typer.Option("--detach", help="Let it go on by itself, as a job: see workbench jobs."),
]
JobName = Annotated[
    str, typer.Argument(metavar="JOB", help="Its name, or the beginning or the end of it.")
]


@app.callback(invoke_without_command=True)
def listed(context: typer.Context, as_json: Json = False) -> None:
    """List the jobs, the latest first; follow, stop, go on with or remove one."""
    if context.invoked_subcommand is None:
        _list(as_json)


@app.command("list")
def list_(as_json: Json = False) -> None:
    """List the jobs, the latest first, the damaged ones too."""
    _list(as_json)


@app.command()
def show(job: JobName, as_json: Json = False) -> None:
    """Show how a job stands, what it printed, and its log."""
    from workbench.jobs.folder import find_folder
    from workbench.jobs.listing import job_of

    folder = find_folder(job)
    found = job_of(folder)
    if as_json:
        output.as_json(found.to_json() | {"output": _text(folder.output), "log": _text(folder.log)})
        return
    output.line(_line(found))
    if found.session:
        output.line(f"session  {found.session}")
    if found.message:
        output.line(f"doing    {found.message}")
    for name, path in (("printed", folder.output), ("log", folder.log)):
        if text := _text(path):
            output.line(f"{name}:")
            for one in text.splitlines():
                output.line(f"  {one}")


@app.command()
def follow(job: JobName, as_json: Json = False) -> int:
    """Follow a job until it ends; Ctrl-C ends the following alone.

    Its exit code is 0 if the job is done.
    """
    from workbench.jobs.folder import find_folder
    from workbench.jobs.listing import follow as looks
    from workbench.jobs.listing import job_of

    folder = find_folder(job)
    now = job_of(folder)
    try:
        with console.ProgressLine() as progress:
            for now in looks(folder):
                if now.message:
                    progress(now.message, now.fraction)
    except KeyboardInterrupt:
        console.say(f"workbench: no longer followed; {now.id} goes on.")
        return console.EXIT_INTERRUPTED
    if as_json:
        output.as_json(now.to_json() | {"output": _text(folder.output)})
    else:
        output.line(_line(now))
        for one in _text(folder.output).splitlines():
            output.line(one)
    return 0 if now.state == "done" else console.EXIT_DEFECT


@app.command()
def stop(job: JobName) -> None:
    """Stop a job; what is finished is kept, and it can go on."""
    _do(job, "stop")


@app.command()
def resume(job: JobName) -> None:
    """Go on with a job that was stopped or killed, or try one that failed again."""
    _do(job, "resume")


@app.command()
def remove(job: JobName) -> None:
    """Remove a job that is not running, with its result; a session keeps what it took from it."""
    from workbench.jobs.folder import find_folder
    from workbench.jobs.process import remove as remove_job

    folder = find_folder(job)
    remove_job(folder)
    output.line(f"{folder.id}  removed")


def detached(model: str, task: str) -> int:
    """Begin the command that is being run as a job, and say so."""
    from workbench.jobs.detach import detach_command

    given = [one for one in console.given() if one != "--detach"]
    job = detach_command(given, model=model, task=task, kind=given[0] if given else "command")
    output.line(f"{job.id}  started; workbench jobs follow {job.id[-4:]}")
    return 0


def _do(name: str, what: str) -> None:
    from workbench.jobs import process
    from workbench.jobs.folder import find_folder

    act: Callable[[JobFolder], Job] = getattr(process, what)
    output.line(_line(act(find_folder(name))))


def _list(as_json: bool) -> None:
    from workbench.jobs.listing import list_jobs

    found = list_jobs()
    if as_json:
        output.as_json([job.to_json() for job in found])
        return
    for job in found:
        output.line(_line(job))
    if not found:
        console.say("There are no jobs.")


def _line(job: Job) -> str:
    parts = [job.id, job.words, job.what, job.model, job.task, job.sentence]
    return "  ".join(filter(None, parts))


def _text(path: Path) -> str:
    """The end of what a job printed."""
    try:
        with path.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - MOST))
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""


MOST = 1_000_000
"""Bytes of what a job printed that are shown."""
