"""Small methods of every kind, put into the catalogue for a test."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from workbench.base.work import Work
from workbench.circuits.circuit import all_edges
from workbench.discovery.catalogue import METHODS, Kind, Method
from workbench.discovery.findings import Findings
from workbench.discovery.options import Options

PIECES = 4


def add_method(
    monkeypatch: pytest.MonkeyPatch,
    kind: Kind,
    find: Callable[[Any, Findings, Options], Work[None]],
    **facts: Any,
) -> str:
    """Put a method that is called after its kind into the catalogue; returns its name."""
    name = f"test-{kind}"
    module = ModuleType(f"made_up_methods_{kind}")
    module.find = find  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    method = Method(name, kind, "for tests", "of tests", f"{module.__name__}:find", **facts)
    monkeypatch.setitem(METHODS, name, method)
    return name


def some_scores(findings: Findings, seed: int = 0) -> np.ndarray:
    """What `scores` finds in the end, NaN where there is no edge."""
    scores = np.random.default_rng(seed).standard_normal(findings.edges.shape)
    return np.where(all_edges(findings.graph), scores, np.nan).astype(np.float32)


def scores(experiment: Any, findings: Findings, options: Options) -> Work[None]:
    """Random scores, by the seed; a part of the sources after each piece."""
    found = some_scores(findings, options.seed)
    for piece in range(PIECES):
        findings.edges[piece::PIECES] = found[piece::PIECES]
        yield (piece + 1) / PIECES
    findings.complete = True


def nodes(experiment: Any, findings: Findings, options: Options) -> Work[None]:
    """Nodes count the more, the later they write."""
    findings.nodes = -np.arange(findings.graph.n_sources, dtype=np.float32)
    findings.nodes[0] = -100
    yield 1.0
    findings.complete = True


def search(experiment: Any, findings: Findings, options: Options) -> Work[None]:
    """Drops the last edges one by one, until as many are left as asked for."""
    findings.kept = all_edges(findings.graph)
    n = findings.graph.n_edges
    wanted = options.edges or n // 2
    yield 0.0
    for place in np.flatnonzero(findings.kept)[:wanted:-1]:
        findings.kept.reshape(-1)[place] = False
        findings.tried += 1
        yield findings.tried / (n - wanted)
    findings.complete = True
