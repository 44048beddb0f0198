"""What a session asks of a job, to and from plain values. Importing this loads no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, get_args

from workbench.assessment.settings import AssessmentSettings
from workbench.base.json_values import one_of, shaped, strings
from workbench.discovery.clusters.clustering import Algorithm, Criterion
from workbench.discovery.clusters.request import ClusterRequest
from workbench.errors import WorkbenchError
from workbench.jobs.spec import JobSpec


def assessment_told(parts: Sequence[str], settings: AssessmentSettings) -> dict[str, Any]:
    """An assessment, for `JobSpec.asked`."""
    return {"parts": list(parts), "settings": asdict(settings)}


def assessment_asked(spec: JobSpec) -> tuple[tuple[str, ...], AssessmentSettings]:
    """The parts and their settings.

    Raises:
        WorkbenchError: they are damaged.
    """
    try:
        return strings(spec.asked["parts"]), shaped(AssessmentSettings, spec.asked["settings"])
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(error) from None


def clusters_told(request: ClusterRequest) -> dict[str, Any]:
    """A clustering, for `JobSpec.asked`."""
    return asdict(request)


def clusters_asked(spec: JobSpec) -> ClusterRequest:
    """The request.

    Raises:
        WorkbenchError: it is damaged.
    """
    own = {"by": one_of(get_args(Criterion)), "algorithm": one_of(get_args(Algorithm))}
    try:
        return shaped(ClusterRequest, spec.asked, own)
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(error) from None


def _damaged(error: Exception) -> WorkbenchError:
    return WorkbenchError(f"What this job is asked is damaged: {error}. Remove it and begin anew.")
