"""The process of a job: it computes what is asked, and says how far it is.

Importing this loads no torch.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from workbench.base.failures import is_memory_error
from workbench.base.kept_values import NotKept
from workbench.base.ledger import EndedByRequest, Ledger, keep_ledger
from workbench.base.text import printable
from workbench.discovery.request import DiscoveryRequest
from workbench.errors import WorkbenchError
from workbench.jobs.folder import DONE, FAILED, STOPPED, JobFolder, Progress
from workbench.jobs.requests import assessment_asked, clusters_asked
from workbench.jobs.results import write_clusters, write_part
from workbench.jobs.spec import JobSpec

if TYPE_CHECKING:
    from workbench.session.session import Session

SAID = 0.5
"""Seconds between two words on how far it is."""
AT_ONCE = 3.0
"""Seconds after which a process that is asked to end no longer waits for its present piece."""
NO_MEMORY = "There is not enough memory for this job: try fewer pairs, or close other programs."

RunCommand = Callable[[list[str], Callable[[str, float | None], None]], int]
"""Runs a command line in this process, tells how far it is, and returns its exit code."""


class Board:
    """Says how far a job is, in its folder and, step by step, in its log.

    Attributes:
        ledger: of the finished pieces; None before anything is computed.
    """

    def __init__(self, folder: JobFolder) -> None:
        self.ledger: Ledger | None = None
        self._folder = folder
        self._before = folder.progress().seconds
        self._began = time.monotonic()
        self._said, self._message = 0.0, ""
        self._from: tuple[float, float] | None = None  # when new pieces began, and at which share

    def say(self, message: str, fraction: float | None = None) -> None:
        """What is being done, and the fraction done."""
        now = time.monotonic()
        if message != self._message:
            self._message, self._from, self._said = message, None, 0.0
            print(printable(message), file=sys.stderr, flush=True)
        if self.ledger is None or not self.ledger.written:
            self._from = None
        elif self._from is None and fraction is not None:
            self._from = now, fraction
        if now - self._said < SAID:
            return
        self._said = now
        if self.ledger is not None and not self._folder.path.is_dir():
            raise WorkbenchError(f"The folder of the job {self._folder.id} is gone.")
        self._folder.say(self._progress(fraction))

    def last(self, fraction: float | None) -> None:
        """The same at the end, whenever the last word was."""
        self._folder.say(self._progress(fraction))

    def _progress(self, fraction: float | None) -> Progress:
        now, rate = time.monotonic(), None
        if self._from is not None and fraction is not None and fraction > self._from[1]:
            rate = (fraction - self._from[1]) / max(1e-9, now - self._from[0])
        trouble = "" if self.ledger is None else self.ledger.trouble
        return Progress(self._message, fraction, self.seconds, rate, time.time(), trouble)

    @property
    def seconds(self) -> float:
        """That the job has been computed for, by all its processes."""
        return self._before + time.monotonic() - self._began


def work(path: Path, run_command: RunCommand) -> int:
    """Compute the job in this folder, in this process; it holds it already or takes it now.

    Returns:
        0 if it is done, 1 if it is not.

    Raises:
        WorkbenchError: the folder is damaged, or another process computes it.
    """
    folder = JobFolder(path)
    spec = folder.spec()
    board = Board(folder)
    with _alone(folder), _signals(board):
        try:
            sentence = _computed(folder, spec, board, run_command)
        except EndedByRequest:
            board.last(folder.progress().fraction)
            folder.write_end(STOPPED)
            return 1
        except WorkbenchError as error:
            sentence = str(error)
        except Exception as error:
            traceback.print_exc()
            first = (str(error).strip().splitlines() or ["no message"])[0][:200]
            sentence = f"It failed with {type(error).__name__}: {printable(first).rstrip('.')}."
            sentence += f" What stands in its log tells more: `workbench jobs show {folder.id}`."
            if is_memory_error(error):
                sentence = NO_MEMORY
        board.last(None if sentence else 1.0)
        if sentence:
            print(printable(sentence), file=sys.stderr, flush=True)
        folder.write_end(FAILED if sentence else DONE, sentence)
        if not sentence:
            _forget_pieces(folder)
        return 1 if sentence else 0


@contextmanager
def _alone(folder: JobFolder) -> Iterator[None]:
    """Hold the job, unless the process that started this one gave it away with an open file."""
    holder = folder.holder()
    if folder.is_running() and (holder is None or holder.is_this_process or _is_given(folder)):
        yield
        return
    with folder.held():
        yield


def _is_given(folder: JobFolder) -> bool:
    """Whether this process was started with the job's lock among its open files."""
    try:
        own = folder.lock_file.stat()
        for number in map(int, os.listdir("/dev/fd")):
            if number > 2:
                with contextlib.suppress(OSError):
                    found = os.fstat(number)
                    if (found.st_dev, found.st_ino) == (own.st_dev, own.st_ino):
                        return True
    except OSError:
        pass
    return False


@contextmanager
def _signals(board: Board) -> Iterator[None]:
    """End when asked, once the present piece is kept or after `AT_ONCE`; heed no hanging up."""

    def ended(number: int, frame: FrameType | None) -> None:
        if board.ledger is None or number == signal.SIGALRM:
            raise EndedByRequest
        board.ledger.end_soon()
        signal.setitimer(signal.ITIMER_REAL, AT_ONCE)

    before = {}
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM):
        before[number] = signal.signal(number, ended)
    before[signal.SIGHUP] = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


def _forget_pieces(folder: JobFolder) -> None:
    """A job that is done does not go on."""
    with contextlib.suppress(OSError):
        for path in folder.pieces.iterdir():
            path.unlink()


def _computed(folder: JobFolder, spec: JobSpec, board: Board, run_command: RunCommand) -> str:
    """Compute it; returns why that failed, or nothing."""
    try:
        os.chdir(spec.folder or ".")
    except OSError as error:
        raise WorkbenchError(
            f"The folder {printable(spec.folder)} from which it was begun cannot be entered: "
            f"{(error.strerror or '').lower()}."
        ) from None
    if spec.kind == "command":
        return _command(folder, spec, board, run_command)
    return _of_session(folder, spec, board)


def _command(folder: JobFolder, spec: JobSpec, board: Board, run_command: RunCommand) -> str:
    arguments = [str(one) for one in spec.asked["arguments"]]
    sys.argv = ["workbench", *arguments]
    with keep_ledger(folder.pieces) as board.ledger:
        code = run_command(arguments, board.say)
    sys.stdout.flush()
    return "" if code == 0 else _last_words(folder.log)


def _last_words(log: Path) -> str:
    """The sentence with which a command ended."""
    with contextlib.suppress(OSError):
        lines = log.read_text("utf-8", "replace").splitlines()
        for line in reversed(lines):
            if line.startswith("workbench: "):
                return printable(line.removeprefix("workbench: "))[:600]
    return "The command failed without a word."


def _of_session(folder: JobFolder, spec: JobSpec, board: Board) -> str:
    """Compute what a session asked on a copy of it, as it was when it was detached."""
    from workbench.experiment.same_runs import check_same_numbers
    from workbench.session.start import resume_session

    with (
        keep_ledger(folder.pieces) as board.ledger,
        resume_session(folder.journal, progress=board.say) as session,
    ):
        if spec.metrics:
            now = session.task.model_metric, session.task.corrupted_metric
            check_same_numbers(spec.metrics, now)
        return _RUN[spec.kind](folder, spec, board, session)


def _discovered(folder: JobFolder, spec: JobSpec, board: Board, session: Session) -> str:
    asked = DiscoveryRequest.from_json(str(spec.asked.get("method")), spec.asked)
    if any(result.complete for result in session.discoveries.results):
        return ""  # it was killed between that and saying so
    found = session.discoveries.run(
        asked.method,
        asked.options,
        asked.selection,
        on_piece=lambda fraction: board.say(f"Running {asked.method}", fraction),
        show=False,
    )
    return found.failure


def _clustered(folder: JobFolder, spec: JobSpec, board: Board, session: Session) -> str:
    made = session.clusterer.run(
        clusters_asked(spec),
        on_piece=lambda fraction: board.say("Clustering the prompts", fraction),
    )
    write_clusters(folder, made.result)
    return ""


def _assessed(folder: JobFolder, spec: JobSpec, board: Board, session: Session) -> str:
    """Every part by itself; one that cannot be done costs no other."""
    names, session.assessor.settings = assessment_asked(spec)
    failed = []
    for place, name in enumerate(names):

        def say(fraction: float, place: int = place, name: str = name) -> None:
            board.say(f"Assessing: {name}", (place + fraction) / len(names))

        try:
            answer = session.assessor.run(name, on_piece=say)
            write_part(folder, name, answer.result, answer.seconds)
        except WorkbenchError as error:
            failed.append(f"{name}: {error}")
        except NotKept:  # of a plug-in
            failed.append(f"{name}: what it finds is of a kind that no job can keep.")
    return " ".join(failed)


_RUN = {"discovery": _discovered, "clusters": _clustered, "assessment": _assessed}
