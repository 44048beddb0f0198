"""What the headless commands write to stderr, and the exit codes they end with.

stdout carries a command's result and nothing else, so that it can be piped.
"""

from __future__ import annotations

import os
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from workbench.base.notices import listening
from workbench.base.progress import Progress
from workbench.base.text import printable, time_left
from workbench.errors import Cancelled, WorkbenchError

if TYPE_CHECKING:
    from rich.progress import TaskID

EXIT_DEFECT = 1
EXIT_USER = 2
EXIT_INTERRUPTED = 130
"""What a shell reports of a program that Ctrl-C ended."""


def say(text: str) -> None:
    """One line on stderr; control characters, from a file's name say, are shown, not sent."""
    with suppress(OSError, ValueError):
        print(printable(text), file=sys.stderr, flush=True)


def is_terminal() -> bool:
    """Whether somebody sits at both ends: the app can be shown, and keys come in."""
    return sys.stdin.isatty() and sys.stdout.isatty()


class MissingOutput(Exception):
    """What a command found could not be written to standard output."""


@contextmanager
def output_errors() -> Iterator[None]:
    """Tell in a sentence why standard output takes nothing; a reader may leave."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        with suppress(OSError):  # what is left in the buffer would fail again at the end
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise MissingOutput(
            f"the result could not be written to standard output: {(error.strerror or '').lower()}."
        ) from None


def run(command: Callable[[], int]) -> int:
    """Run a command; turn every way it can end into an exit code and at most one line.

    Args:
        command: returns its own exit code.
    """
    try:
        code = command()
        with output_errors():
            if sys.stdout is not None:
                sys.stdout.flush()
        return code
    except WorkbenchError as error:
        say(f"workbench: {error}")
        return EXIT_USER
    except (KeyboardInterrupt, Cancelled):
        say("workbench: interrupted; nothing was written.")
        return EXIT_INTERRUPTED
    except MissingOutput as error:
        say(f"workbench: {error}")
        return EXIT_USER
    except BrokenPipeError:
        # The reader has what it wanted (`| head`). What is left in the buffer goes nowhere, else
        # Python would complain of it while it exits.
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if _interrupted(error):
            say("workbench: interrupted; nothing was written.")
            return EXIT_INTERRUPTED
        from workbench.base.installed import in_one_line

        say(
            f"workbench: it failed with {type(error).__name__}: {_first_line(error)}; this is a "
            f"defect of the workbench ({in_one_line()}), please report it with what "
            f"`workbench report` prints and {_write_log(error)}."
        )
        return EXIT_DEFECT


def _interrupted(error: BaseException) -> bool:
    """Whether it comes of Ctrl-C in an import, which modules in C tell otherwise."""
    cause: BaseException | None = error
    for _ in range(20):
        if cause is None or isinstance(cause, KeyboardInterrupt):
            break
        cause = cause.__cause__ or cause.__context__
    return isinstance(cause, KeyboardInterrupt)


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else "no message"


def _write_log(error: BaseException) -> str:
    """Write the traceback where the user can find it, and say where that is."""
    from workbench.base.folders import make_private, state_folder
    from workbench.base.write_file import write_bytes

    text = "".join(traceback.format_exception(error))
    name = f"failure-{datetime.now(UTC).strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.log"
    try:
        path = Path(state_folder() / "logs" / name)
        make_private(path.parent)
        # The kind stands first, for `workbench report`, which quotes no message.
        told = f"{type(error).__name__}\n{' '.join(sys.argv)}\n\n{text}"
        write_bytes(path, told.encode("utf-8", "backslashreplace"))
    except (OSError, WorkbenchError):
        sys.stderr.write(text)
        return "the traceback above"
    return str(path)


_GIVEN: list[str] = []
"""The arguments of the command that is being run."""


def give(arguments: Sequence[str]) -> None:
    """Remember the arguments of the command that is about to be run."""
    _GIVEN[:] = arguments


def given() -> list[str]:
    """The arguments of the command that is being run, without `workbench`."""
    return list(_GIVEN)


_WATCHING: list[Progress] = []


@contextmanager
def watched(say: Progress) -> Iterator[None]:
    """Tell this too what every `ProgressLine` inside is told."""
    _WATCHING.append(say)
    try:
        yield
    finally:
        _WATCHING.remove(say)


class ProgressLine:
    """Progress on stderr: one live line on a terminal, otherwise a line for each new step."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        console = Console(stderr=True)
        self._live = console.is_terminal
        self._last = ""
        self._began = 0.0
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=20),
            TextColumn("{task.fields[left]}", markup=False),
            console=console,
            transient=True,
            disable=not self._live,
        )
        self._task: TaskID | None = None

    def __enter__(self) -> Progress:
        if self._live:  # some releases of rich end a bar that shows nothing with an empty line
            self._bar.start()
        return self._report

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live:
            self._bar.stop()

    def _report(self, message: str, fraction: float | None) -> None:
        if _WATCHING:
            for tell in _WATCHING:
                tell(message, fraction)
            return
        if message != self._last:
            self._last, self._began = message, time.monotonic()
            if not self._live:
                say(f"{message} …")
        if not self._live:
            return
        total = None if fraction is None else 1.0
        if self._task is None:
            self._task = self._bar.add_task("", left="")
        self._bar.update(
            self._task,
            description=printable(message),
            total=total,
            completed=fraction or 0.0,
            left=time_left(time.monotonic() - self._began, fraction),
        )


_WARNED: list[str] = []
"""What the command has warned of so far."""


def warn(sentence: str) -> None:
    """Warn of something on stderr, once."""
    if sentence not in _WARNED:
        _WARNED.append(sentence)
        say(f"workbench: warning: {sentence}")


def warned() -> list[str]:
    """The warnings of this command so far, for its `--json`."""
    return list(_WARNED)


@contextmanager
def our_warnings() -> Iterator[None]:
    """Print our own warnings as one line each, and those of other packages not at all."""
    _WARNED.clear()

    def show(message: Warning | str, *rest: Any, **named: Any) -> None:
        warn(str(message))

    with warnings.catch_warnings(), listening(lambda told: say(f"workbench: {told}")):
        warnings.simplefilter("ignore")
        warnings.filterwarnings("always", category=UserWarning, module=r"workbench\.")
        warnings.showwarning = show
        yield
