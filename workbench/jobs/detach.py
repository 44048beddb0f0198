"""Detaching: what a session would compute, or a command, becomes a job."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import workbench
from workbench.assessment.catalogue import PARTS, find_parts
from workbench.discovery.clusters.request import ClusterRequest
from workbench.discovery.options import Options
from workbench.discovery.request import DiscoveryRequest
from workbench.discovery.selection import Selection
from workbench.errors import WorkbenchError
from workbench.experiment.provenance import now
from workbench.jobs.folder import JobFolder, disk_errors, plain
from workbench.jobs.listing import Job
from workbench.jobs.process import start
from workbench.jobs.requests import assessment_told, clusters_told
from workbench.jobs.spec import JobSpec, Kind, new_id
from workbench.session.session import Session


def detach_discovery(
    session: Session,
    method: str,
    options: Options | None = None,
    selection: Selection | None = None,
) -> Job:
    """Run a method of discovery as a job, on the pairs and the model of this moment.

    It goes on whatever becomes of this process; `pick_up` brings the result into the session.

    Args:
        method, options, selection: as of `session.discoveries.run`.

    Raises:
        WorkbenchError: they do not suit each other or the session, or no job can be started.
    """
    options = session.discoveries.check(method, options or Options(), selection)
    request = DiscoveryRequest(method, options, selection)
    asked = plain({"method": request.entry.name, **request.to_json()})
    return _of_session(session, "discovery", _words(request), asked)


def detach_assessment(session: Session, parts: Sequence[str] | None = None) -> Job:
    """Assess the session's circuit as it stands as a job, with the session's settings.

    Args:
        parts: names; None: all that are about one circuit.

    Raises:
        WorkbenchError: there is no such part, the circuit is open, or no job can be started.
    """
    names = [name for name in PARTS if not PARTS[name].compares] if parts is None else list(parts)
    for part in find_parts(names):
        if part.compares:
            raise WorkbenchError(f"{part.title} needs several circuits: compare them instead.")
    if not session.circuit.is_closed:
        raise WorkbenchError(
            "The circuit is open: expand its inputs first, or drop their nodes, so that the "
            "numbers are its own."
        )
    asked = assessment_told(names, session.assessor.settings)
    return _of_session(session, "assessment", "assess: " + ", ".join(names), plain(asked))


def detach_clusters(session: Session, request: ClusterRequest) -> Job:
    """Find clusters of the session's prompts as a job.

    Raises:
        WorkbenchError: this cannot be asked for, or no job can be started.
    """
    from workbench.discovery.clusters.clustering import check_pairs

    task = session.task
    request = request.checked(metric=task.metric, ablation=session.settings.ablation)
    check_pairs(task.n_pairs, request.k)
    number = "" if request.k is None else f", k {request.k}"
    what = f"clusters by {request.method}{number}"
    return _of_session(session, "clusters", what, plain(clusters_told(request)))


def detach_command(
    arguments: Sequence[str], *, model: str = "", task: str = "", kind: str = "command"
) -> Job:
    """Run a command of the command line as a job, from this folder.

    Args:
        arguments: without `workbench`, and without `--detach`.
        model, task: for lists.
        kind: the command's name.

    Raises:
        WorkbenchError: no job can be started.
    """
    spec = _spec("command", shlex.join(["workbench", *arguments]), model, task)
    asked = {"arguments": list(arguments)}
    told = replace(spec, folder=os.getcwd(), asked=asked)
    return start(JobFolder.make(new_id(kind, os.path.basename(task)), told))


def _of_session(session: Session, kind: Kind, what: str, asked: dict[str, Any]) -> Job:
    if not session.is_open:
        raise WorkbenchError("This session is closed; resume it to go on.")
    name = new_id(kind, session.task.name)
    spec = _spec(kind, what, session.settings.model, session.task.name)
    spec = replace(
        spec,
        session=session.path.stem,
        pairs=session.pairs_digest,
        folder=os.getcwd(),
        metrics=(session.task.model_metric, session.task.corrupted_metric),
        asked=asked,
    )
    folder = JobFolder.make(name, spec)
    # All that the session is at stands in its journal: the pairs, the circuit, what is done to the
    # model. A line that is being written just now is left out when it is read.
    with disk_errors(folder.path):
        shutil.copyfile(session.path, folder.journal)
        folder.journal.chmod(0o600)
    return start(folder)


def _spec(kind: Kind, what: str, model: str, task: str) -> JobSpec:
    return JobSpec(kind, what, model, task, "", now(), workbench.__version__)


def _words(request: DiscoveryRequest) -> str:
    """A discovery in a few words: what it is told beyond the method's own."""
    own = request.entry.defaults | {"seed": 0}
    told = [
        f"{name} {value}"
        for name, value in request.options.told.items()
        if name not in own or own[name] != value
    ]
    chosen = request.selection
    if chosen is not None:
        size = f"{chosen.n}" if chosen.n is not None else f"from {chosen.threshold:g}"
        told.append(f"{chosen.how} {size}")
    return ", ".join([request.method, *told])
