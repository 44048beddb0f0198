"""Methods of discovery for the tests of sessions and screens: slow, failing, of every kind."""

from __future__ import annotations

import sys
import threading
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from workbench.base.work import Work
from workbench.circuits.circuit import all_edges
from workbench.discovery.catalogue import METHODS, Kind, Method
from workbench.discovery.findings import Findings
from workbench.discovery.options import Options


class SlowMethod:
    """A method that finds the scores of one destination after the other, from the logits upward.

    Attributes:
        gate: while it is clear a piece waits.
        waits_at: the piece before which it clears the gate itself; None for none.
        fails_at: the piece at which it fails; None for none.
        pieces: how many were computed.
        begun: set once a piece has come to the gate.
    """

    def __init__(self, kind: Kind = "edges") -> None:
        self.kind = kind
        self.gate = threading.Event()
        self.gate.set()
        self.begun = threading.Event()
        self.waits_at: int | None = None
        self.fails_at: int | None = None
        self.pieces = 0
        self.told: list[Options] = []

    def find(self, experiment: Any, findings: Findings, options: Options) -> Work[None]:
        graph = findings.graph
        self.pieces = 0
        self.told.append(options)
        if self.kind == "nodes":
            findings.nodes = np.full(graph.n_sources, np.nan, dtype=np.float32)
        for done in range(graph.n_destinations):
            if done == self.waits_at:
                self.gate.clear()
            self.begun.set()
            assert self.gate.wait(20), "the test never opened the gate"
            if done == self.fails_at:
                raise ValueError("the method broke")
            d = graph.n_destinations - 1 - done
            parents = np.arange(graph.n_parents(d))
            # Of both signs; the earlier sources have the larger ones.
            scores = np.where(parents % 3 == 1, 0.5, -1.0) * (1 - parents / graph.n_sources)
            if findings.nodes is not None:
                findings.nodes[: len(parents)] = scores
            else:
                findings.edges[: len(parents), d] = scores
            if self.kind in ("search", "learned"):
                kept = all_edges(graph) if findings.kept is None else findings.kept
                kept[: graph.n_parents(d), d] = np.abs(scores) > 0.6
                findings.kept = kept
            self.pieces += 1
            yield (done + 1) / graph.n_destinations
        findings.complete = True


def give_method(
    patch: pytest.MonkeyPatch, name: str = "slow", kind: Kind = "edges", **more: Any
) -> SlowMethod:
    """A slow method that is in the catalogue as long as the patch lasts."""
    slow = SlowMethod(kind)
    module = ModuleType(f"slow_methods_{name}")
    module.find = slow.find  # type: ignore[attr-defined]
    patch.setitem(sys.modules, module.__name__, module)
    method = Method(
        name, kind, "made up for tests", "a made-up score", f"{module.__name__}:find", **more
    )
    patch.setitem(METHODS, name, method)
    return slow
