"""Estimates of all edges' effects by edge attribution patching, computed once for each run."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from workbench.discovery.eap import find
from workbench.discovery.findings import Findings
from workbench.discovery.options import Options
from workbench.work import Stop, finish
from workbench.workspace import Workspace


def eap(
    workspace: Workspace,
    *,
    progress: Callable[[float], None] | None = None,
    cancel: Stop | None = None,
) -> NDArray[np.float32]:
    """Estimated effect of every edge, float32 [source, destination]; zero where there is no edge.

    Raises:
        Cancelled: if `cancel` was set.
        WorkbenchError: if the metric changes in steps, so that its slope says nothing.
    """
    findings = Findings.of(workspace.graph, "eap", workspace.metric_name)
    finish(find(workspace, findings, Options()), progress, cancel)
    return np.nan_to_num(findings.edges, nan=0.0)
