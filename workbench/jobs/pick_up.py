"""Picking up: what the jobs of a session found comes into it, also after it was closed.

Nothing in the session is altered by it: the journal, the circuit and the history stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from weakref import WeakKeyDictionary

from workbench.errors import WorkbenchError
from workbench.jobs.folder import DONE, FAILED, JobFolder, folders
from workbench.jobs.listing import Job, job_of
from workbench.jobs.requests import assessment_asked, clusters_asked
from workbench.jobs.results import read_clusters, read_discovery, read_part
from workbench.jobs.spec import JobSpec
from workbench.session.header import Header
from workbench.session.journal import read
from workbench.session.session import Session
from workbench.session.start import replayed


@dataclass(frozen=True)
class PickedUp:
    """What came into a session from a job.

    Attributes:
        job: as it stands now.
        sentence: what the user is told.
        number: of the result, of a discovery; else None.
        failed: there was nothing, or not all, to be had.
    """

    job: Job
    sentence: str
    number: int | None = None
    failed: bool = False


_SEEN: WeakKeyDictionary[Session, set[str]] = WeakKeyDictionary()
"""Ends of jobs whose results an open session holds, or has said that there are none."""


def pick_up(session: Session, *, show: bool = True) -> list[PickedUp]:
    """Bring in what jobs of this session have found since it was last asked, the oldest first.

    A discovery becomes a result of the session's discoveries, once for all; what an assessment or
    clusters found is held by each session that is opened, as if it were computed there.

    Args:
        show: a discovery is shown beside the candidates, and its proposal.
    """
    seen = _SEEN.setdefault(session, set())
    found = []
    for folder in reversed(folders()):
        end = f"{folder.id} {folder.ended_at()}"
        if end in seen or folder.is_running():
            continue
        try:
            spec = folder.spec()
        except WorkbenchError:
            continue
        state, why = folder.end()
        if spec.session != session.path.stem or state not in (DONE, FAILED):
            continue
        seen.add(end)
        if spec.kind == "discovery" and folder.picked():
            continue
        found.append(_picked(session, folder, spec, why, show))
    return found


def _picked(session: Session, folder: JobFolder, spec: JobSpec, why: str, show: bool) -> PickedUp:
    try:
        number, said = _TAKE[spec.kind](session, folder, spec, show)
        if not why:
            folder.mark_picked()
        sentence = f"{said} {why}".strip()
    except WorkbenchError as error:
        number, sentence, why = None, f"The job {folder.id} is done: {error}", str(error)
    return PickedUp(job_of(folder), sentence, number, bool(why))


def _discovery(
    session: Session, folder: JobFolder, spec: JobSpec, show: bool
) -> tuple[int | None, str]:
    found = read_discovery(folder, session.graph)
    if found is None:
        return None, f"The job {folder.id} found nothing."
    found = replace(found, seconds=folder.progress().seconds)
    taken = session.discoveries.take_over(found, show=show)
    return taken.number, f"The job is done: {taken.name} found {taken.circuit.n_edges:,} edges."


def _assessment(
    session: Session, folder: JobFolder, spec: JobSpec, show: bool
) -> tuple[int | None, str]:
    names, _ = assessment_asked(spec)
    reading = read(folder.journal)
    then = replayed(Header.from_json(reading.header), reading, folder.journal).state
    # Of the circuit as it stands only if that is the one that was assessed, on these pairs.
    now = spec.pairs == session.pairs_digest and then.circuit == session.circuit
    held = 0
    for name in names:
        if (one := read_part(folder, name)) is not None:
            session.assessor.take_over(name, *one, of_now=now)
            held += 1
    return None, f"The job is done: {held} of {len(names)} parts of the assessment."


def _clusters(
    session: Session, folder: JobFolder, spec: JobSpec, show: bool
) -> tuple[int | None, str]:
    if spec.pairs != session.pairs_digest:
        raise WorkbenchError(
            "its clusters are of other pairs than the session is at now: go back to them (undo, or "
            "the history), close the session, and resume it."
        )
    made = read_clusters(folder, session.graph)
    if made is None:
        return None, f"The job {folder.id} found no clusters."
    seconds = folder.progress().seconds
    session.clusterer.take_over(clusters_asked(spec), made, seconds)
    return None, f"The job is done: {len(made.clusters)} clusters of prompts."


_TAKE: dict[str, Callable[[Session, JobFolder, JobSpec, bool], tuple[int | None, str]]] = {
    "discovery": _discovery,
    "assessment": _assessment,
    "clusters": _clusters,
}
