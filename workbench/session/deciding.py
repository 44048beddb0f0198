"""Deciding: effects by which edges are kept, all of them known before it is decided.

A sweep computes exact effects while somebody looks around. Were a command to take those that it has
by then and estimates for the rest, it would keep other edges the sooner it comes. So a command that
goes by exact effects first computes those that are still missing, in turns of the background, and
is carried out then; by estimates it goes where it is told to, and at once. Importing this module
loads no torch.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from workbench.base.work import Stop
from workbench.circuits.graph import Graph
from workbench.circuits.names import ARROW, TOGETHER
from workbench.engine.effect_settings import check_deciding
from workbench.errors import Cancelled
from workbench.experiment.carrying import CarryingRoles
from workbench.session.known_effects import KnownEffects
from workbench.session.read_only import OnChunk, Snapshot
from workbench.session.role_scores import Scored, Scoring

T = TypeVar("T")

Compute = Callable[[list[str], str, Stop | None, OnChunk | None], bool]
"""Computes exact values of edges, of a kind, in pieces; False if it came to no end."""


class NotYetExact(Exception):
    """Edges by whose exact values something is decided have none yet."""

    def __init__(self, kind: str, edges: list[str]) -> None:
        super().__init__(f"{len(edges)} edges have no exact value yet")
        self.kind = kind
        self.edges = edges


@dataclass
class _Call(threading.local):
    """What a thread's present call goes by.

    Attributes:
        cancel, on_chunk: of whoever watches it.
        unknowable: (kind, edge) of what was computed without coming to a number.
    """

    cancel: Stop | None = None
    on_chunk: OnChunk | None = None
    unknowable: set[tuple[str, str]] = field(default_factory=set)


class Decider:
    """Has what a command decides by computed before it. From any thread.

    Glossary: docs/glossary.md#decision.
    """

    def __init__(
        self, effects: KnownEffects, seen: Callable[[], Snapshot], compute: Compute
    ) -> None:
        """For a session.

        Args:
            effects: of its edges.
            seen: what it shows now.
            compute: computes exact values in turns of the background.
        """
        self._effects = effects
        self._seen = seen
        self._compute = compute
        self._call = _Call()

    @contextmanager
    def watched(self, cancel: Stop, on_chunk: OnChunk) -> Iterator[None]:
        """What this thread calls in here tells how far it is, and can be stopped.

        Stopped while it computes, it raises `Cancelled`, and the session is as before.

        Args:
            cancel: stops it when set; once the command itself is carried out it is not heeded.
            on_chunk: told of the values as `sweep` tells them.
        """
        self._call.cancel, self._call.on_chunk = cancel, on_chunk
        try:
            yield
        finally:
            self._call.cancel = self._call.on_chunk = None

    def decided(self, call: Callable[[], T]) -> T:
        """The result of a call, which has what it needs computed first by raising `NotYetExact`.

        Nothing may have been changed when it does so.

        Raises:
            Cancelled: whoever watches stopped it before anything was changed.
        """
        try:
            while True:
                try:
                    return call()
                except NotYetExact as missing:
                    self._have(missing)
        finally:
            self._call.unknowable = set()

    def _have(self, missing: NotYetExact) -> None:
        cancel, on_chunk = self._call.cancel, self._call.on_chunk
        if on_chunk is not None:  # before the first chunk, which may take a while
            on_chunk({}, 0, len(missing.edges))
        ended = self._compute(missing.edges, missing.kind, cancel, on_chunk)
        if cancel is not None and cancel.is_set():
            raise Cancelled
        if ended:  # what has no value now will not have one the next time either
            self._call.unknowable |= {
                (missing.kind, edge) for edge in self._effects.unknown(missing.kind, missing.edges)
            }

    def by(self, setting: str, by_role: bool = False, inputs: str = "") -> Scoring:
        """`scored` for any destinations; `inputs`: as the candidates are looked at.

        Raises:
            WorkbenchError: there is no such setting.
        """
        together = inputs == TOGETHER
        return partial(self.scored, check_deciding(setting), by_role=by_role, together=together)

    def need(self, kind: str, edges: Sequence[str]) -> None:
        """Raises NotYetExact if any of the edges can have an exact value and has none.

        Else they count for the order from now on: on whatever is known when is waited for.
        """
        unknown = self._effects.unknown(kind, edges)
        if any((kind, edge) not in self._call.unknowable for edge in unknown):
            raise NotYetExact(kind, unknown)
        self._effects.rank_edges(kind, edges)

    def scored(
        self, setting: str, into: Sequence[str], *, by_role: bool = False, together: bool = False
    ) -> Scored:
        """By what edges into these destinations are kept; within `decided`, in a turn of its own.

        Args:
            setting: of the exact effects, or "eap" for the estimates.
            by_role: edges at roles, where edges are told apart by them.
            together: of edges into a head, those of its q, k and v as one; not by role.

        Raises:
            NotYetExact: some exact effects are not known yet.
        """
        effects, carrying = self._effects, self._seen().runs.carrying
        effects.estimate()  # nothing is decided by effects on other pairs
        if by_role:
            effects.estimate_by_role()
        candidates = carrying if by_role else CarryingRoles.none()
        self.need(setting, _names(effects.graph, into, candidates, together=together))
        if by_role:
            return effects.score_by_role(setting, carrying)
        return effects.score_together(setting) if together else effects.score(setting)


def _names(
    graph: Graph, into: Sequence[str], candidates: CarryingRoles, *, together: bool
) -> list[str]:
    """All candidates into these destinations, by name; the strongest need not come first."""
    names: dict[str, None] = {}
    for destination in into:
        node = graph.node_of(destination)
        if together and graph.is_head(node):
            n = graph.n_parents(graph.destination_index(destination))
            names |= dict.fromkeys(f"{source}{ARROW}{node}" for source in graph.sources[:n])
        else:
            names |= dict.fromkeys(candidates.parts_into(graph, destination))
    return list(names)
