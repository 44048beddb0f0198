"""Activation patching layer by role: the field's first plot, for prompts of any lengths.

Meng et al. 2022 (arXiv 2202.05262) and Wang et al. 2022 (arXiv 2211.00593) patch the residual and
what layers write position by position; here a column is a token role, so that prompts in which it
stands elsewhere share it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from time import monotonic
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from workbench.base.numbers import wide, wide_type
from workbench.base.transfers import on_host, uploaded
from workbench.base.work import Stop
from workbench.effects.role_map_results import RoleMap
from workbench.effects.self_repair import RUNS
from workbench.engine.patch_points import RESIDUAL, Point, points
from workbench.engine.role_patching import patched_finals
from workbench.errors import Cancelled, WorkbenchError

if TYPE_CHECKING:
    from collections.abc import Generator

    from workbench.experiment.experiment import Experiment

POINTS_AT_ONCE = 8
"""Points of a map that are computed between two looks at `cancel`, at most."""


def role_map(
    experiment: Experiment,
    kind: str = RESIDUAL,
    *,
    ablation: str | None = None,
    run: str = "clean",
    pair: int | None = None,
    progress: Callable[[float], None] | None = None,
    cancel: Stop | None = None,
) -> RoleMap:
    """What patching each activation of a kind does, at each role alone.

    Args:
        experiment: from `prepare`.
        kind: `residual`, `attention`, `mlp` or `head`.
        ablation: what a patched activation becomes; None: the experiment's.
        run: whose prompts are run, `clean` or `corrupted`.
        pair: a pair's number, or None for the mean over all that have the role.

    Returns:
        Changes of the mean metric, [point, role].

    Raises:
        WorkbenchError: there is no such kind, ablation, run or pair.
        Cancelled: if `cancel` was set.
    """
    found = None
    for found in role_maps(experiment, kind, ablation=ablation, run=run, pair=pair):
        if cancel is not None and cancel.is_set():
            raise Cancelled
        if progress is not None:
            progress(found.done)
    assert found is not None
    return found


def role_maps(
    experiment: Experiment,
    kind: str = RESIDUAL,
    *,
    ablation: str | None = None,
    run: str = "clean",
    pair: int | None = None,
    known: RoleMap | None = None,
    seconds: float | None = None,
) -> Generator[RoleMap, None, None]:
    """The same map again and again, with ever more values, from the last layer backward.

    Arguments as of `role_map`.

    Args:
        known: what was yielded before for the same arguments; it goes on from there.
        seconds: that a piece is to take, about; None: `POINTS_AT_ONCE` points.
    """
    if run not in RUNS:
        raise WorkbenchError(f"There is no run {run!r} here; choose one of: {', '.join(RUNS)}.")
    under = experiment.under(ablation or experiment.ablation, swapped=run == "corrupted")
    roles = experiment.batch.roles
    rows = list(roles.of_pairs)
    if pair is not None:
        under = under.alone(pair)
        rows = [rows[pair]]
    every = points(experiment.graph.n_layers, experiment.graph.n_heads, kind)
    having = np.array([[role in row for role in range(len(roles.names))] for row in rows])
    now = known or RoleMap(
        kind=kind,
        points=tuple(point.name for point in every),
        layers=tuple(point.layer for point in every),
        roles=roles.names,
        values=np.full((len(every), len(roles.names)), np.nan),
        pairs=tuple(int(n) for n in having.sum(axis=0)),
        ablation=under.ablation,
        run=run,
        metric_name=under.metric_name,
        pair=pair,
    )
    yield now
    clean = np.array(under.clean.per_pair)
    left = [i for i in range(len(every)) if np.isnan(now.values[i]).any()][::-1]
    at_once = POINTS_AT_ONCE if seconds is None else 1
    while left:
        began = monotonic()
        members, left = left[:at_once], left[at_once:]
        changed = _metric(under, rows, [every[i] for i in members], len(roles.names))
        changed -= clean[:, None, None]
        values = now.values.copy()
        # A role that no pair has changes nothing, and neither does one before any difference.
        counts = np.maximum(having.sum(axis=0), 1)
        values[members] = (changed * having[:, None]).sum(axis=0) / counts
        now = replace(now, values=values)
        if seconds is not None:
            took = max(monotonic() - began, 1e-3)
            at_once = max(1, min(POINTS_AT_ONCE, int(at_once * seconds / took)))
        yield now


def _metric(
    experiment: Experiment,
    rows: Sequence[Sequence[int]],
    chosen: Sequence[Point],
    n_roles: int,
) -> NDArray[np.float64]:
    """The metric with each point patched at each role, [pair, point, role]."""
    values = []
    for group, recording, metric in zip(
        experiment.batch.groups, experiment.recordings, experiment.metrics, strict=True
    ):
        own = uploaded([rows[i] for i in group.indices], recording.clean.final.device)
        own = own[:, recording.start :]
        patches = [(point, own == role) for point in chosen for role in range(n_roles)]
        made = torch.empty(len(own), len(patches), dtype=wide_type(experiment.parts.dtype))
        for which, finals in patched_finals(recording, patches):
            with torch.no_grad():
                made[:, which] = on_host(wide(metric.of_residual(finals)))
        values.append(made)
    return experiment.in_order(values).reshape(len(rows), len(chosen), n_roles)
