"""Estimates of all edges' effects by edge attribution patching (`eap`), kept for others.

Searches begin from them, files' scores are compared with them, a session shows them.

Glossary: docs/glossary.md#estimate.
"""

from __future__ import annotations

from collections.abc import Callable
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from workbench.base.work import Stop, finish
from workbench.discovery.findings import Findings
from workbench.discovery.methods.eap import find
from workbench.discovery.options import Options
from workbench.experiment.experiment import Experiment

_KEPT: WeakKeyDictionary[Experiment, NDArray[np.float32]] = WeakKeyDictionary()


def estimates(
    experiment: Experiment,
    *,
    progress: Callable[[float], None] | None = None,
    cancel: Stop | None = None,
) -> NDArray[np.float32]:
    """As `eap`, computed once for an experiment and kept while it lives; not to be altered."""
    known = _KEPT.get(experiment)
    if known is None:
        known = _KEPT[experiment] = eap(experiment, progress=progress, cancel=cancel)
    return known


def known_estimates(experiment: Experiment) -> NDArray[np.float32] | None:
    """What `estimates` keeps for an experiment; None if that is not computed yet."""
    return _KEPT.get(experiment)


def role_estimates(
    experiment: Experiment,
    *,
    progress: Callable[[float], None] | None = None,
    cancel: Stop | None = None,
) -> NDArray[np.float32]:
    """As `eap` of the edges at every role, float32 [role, source, destination]; not kept."""
    findings = Findings.about(experiment, "eap", by_role=True)
    finish(find(experiment, findings, Options()), progress, cancel)
    assert findings.at_roles is not None
    return np.nan_to_num(findings.at_roles, nan=0.0)


def eap(
    experiment: Experiment,
    *,
    progress: Callable[[float], None] | None = None,
    cancel: Stop | None = None,
) -> NDArray[np.float32]:
    """Estimated effect of every edge, float32 [source, destination]; zero where there is none.

    Raises:
        Cancelled: if `cancel` was set.
        WorkbenchError: if the metric changes in steps, so that its slope says nothing.
    """
    findings = Findings.of(experiment.graph, "eap", experiment.metric_name)
    finish(find(experiment, findings, Options()), progress, cancel)
    return np.nan_to_num(findings.edges, nan=0.0)
