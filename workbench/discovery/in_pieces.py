"""Findings on more pairs than memory holds at once, piece after piece.

A method whose scores are means over pairs gives, of pieces of n_1, n_2, ... pairs, the scores
s_1, s_2, ...; those of all pairs are (n_1 s_1 + n_2 s_2 + ...) / (n_1 + n_2 + ...).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from workbench.base.ledger import Values, key_of, recorded, scope, standing
from workbench.base.work import Stop, finish
from workbench.discovery.findings import Findings
from workbench.discovery.request import DiscoveryRequest
from workbench.engine.role_layout import RoleLayout
from workbench.errors import Cancelled
from workbench.experiment.pieces import Pieces

ABOUT, NEURONS = "about", "neurons/"


@dataclass
class _Sums:
    """Scores of all pairs so far, added up.

    Attributes:
        n_positions: of the longest prompts of all pieces.
    """

    n_positions: int
    n_pairs: int = 0
    arrays: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    neurons: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    tried: int = 0
    same_input: bool = True
    remarks: dict[str, None] = field(default_factory=dict)

    def add(self, found: Findings, n_pairs: int) -> None:
        """Add what was found on so many pairs."""
        self.n_pairs += n_pairs
        for name in ("edges", "nodes", "positions", "at_roles"):
            values = getattr(found, name)
            if values is None:
                continue
            if name == "positions":
                # Aligned at their ends; what is too short for a position is unchanged there.
                values = np.pad(values, ((0, 0), (self.n_positions - values.shape[1], 0)))
            self.arrays[name] = self.arrays.get(name, 0) + n_pairs * values.astype(np.float64)
        for mlp, values in found.neurons.items():
            self.neurons[mlp] = self.neurons.get(mlp, 0) + n_pairs * values.astype(np.float64)
        self.tried = max(self.tried, found.tried)  # the same edges in every piece
        self.same_input &= found.same_input
        self.remarks |= dict.fromkeys(found.remarks)

    def values(self, done: list[int], needed: int) -> Values:
        """All of it, for `go_on`; `done` are the pairs that were added."""
        about = [done, needed, self.tried, self.same_input, list(self.remarks)]
        arrays = self.arrays | {NEURONS + mlp: sums for mlp, sums in self.neurons.items()}
        return {**arrays, ABOUT: np.array(json.dumps(about))}

    def go_on(self, found: Values | None, whole: Findings) -> set[int]:
        """Begin with what an earlier process of this job added up; returns of which pairs."""
        if found is None:
            return set()
        done, whole.needed, self.tried, self.same_input, remarks = json.loads(str(found[ABOUT]))
        self.n_pairs, self.remarks = len(done), dict.fromkeys(remarks)
        for name, sums in found.items():
            if name.startswith(NEURONS):
                self.neurons[name.removeprefix(NEURONS)] = sums
            elif name != ABOUT:
                self.arrays[name] = sums
        return set(done)

    def means(self, into: Findings) -> Findings:
        """Those over all pairs."""
        for name, total in self.arrays.items():
            setattr(into, name, (total / self.n_pairs).astype(np.float32))
        into.neurons = {
            mlp: (total / self.n_pairs).astype(np.float32) for mlp, total in self.neurons.items()
        }
        into.tried, into.same_input = self.tried, self.same_input
        into.remarks = list(self.remarks)
        return into


def find_in_pieces(
    pieces: Pieces,
    request: DiscoveryRequest,
    progress: Callable[[float], None] | None = None,
    cancel: Stop | None = None,
) -> tuple[Findings, float]:
    """What a method whose scores add up finds on all pairs.

    Args:
        progress: told the fraction done, both runs of the pieces included.
        cancel: when it is set, what is found is what was found on the pieces that are done by then;
            on the first one so far, if none is done.

    Returns:
        The findings, and the seconds that it took, without both runs.

    Raises:
        Cancelled: `cancel` was set before anything had been found.
    """
    cuts, n_pairs, seconds = pieces.cuts(), pieces.batch.n_pairs, 0.0
    sums = _Sums(max(group.length for group in pieces.batch.groups))
    whole = Findings.of(pieces.graph, request.method, pieces.metric_name)
    whole.complete = True
    if request.by_role:
        whole.roles = pieces.batch.roles.names
        whole.layout = RoleLayout.of(pieces.batch.roles)

    cuts = _cuts_of(recorded("cuts", bytes, lambda: _table_of(cuts)))  # they go by free memory
    kept = standing("sums over pieces")
    told = pieces.told(cuts)
    done = sums.go_on(kept.recall(), whole)
    left = [tuple(index for index in cut if index not in done) for cut in cuts]

    def find(indices: tuple[int, ...]) -> tuple[Findings, float]:
        def tick(fraction: float) -> None:
            if cancel is not None and cancel.is_set():
                raise Cancelled
            if progress is not None:
                progress((sums.n_pairs + fraction * len(indices)) / n_pairs)

        return _find(pieces, indices, request, tick)

    for indices, (found, took) in pieces.each(find, [*filter(None, left)]):
        seconds += took
        whole.complete = found.complete
        if found.complete or not sums.n_pairs:
            if not found.has_results(request.entry.kind):
                raise Cancelled
            whole.needed = found.needed
            sums.add(found, len(indices))
            done.update(indices)
            kept.keep(partial(sums.values, sorted(done), whole.needed))
        if not found.complete:
            break
    kept.done()
    sums.means(whole)
    whole.remarks.insert(0, told)
    if not whole.complete:
        whole.remarks.append(
            f"It was stopped: this was found on {sums.n_pairs:,} of {n_pairs:,} pairs, the "
            "shortest first."
        )
    return whole, seconds


def _table_of(cuts: Sequence[tuple[int, ...]]) -> NDArray[np.int64]:
    """The pairs of all pieces, [pair, (its number, its piece)]."""
    return np.array([(index, piece) for piece, cut in enumerate(cuts) for index in cut])


def _cuts_of(table: NDArray[np.int64]) -> list[tuple[int, ...]]:
    pieces = sorted(set(table[:, 1].tolist()))
    return [tuple(table[table[:, 1] == piece, 0].tolist()) for piece in pieces]


def _find(
    pieces: Pieces,
    indices: Sequence[int],
    request: DiscoveryRequest,
    tick: Callable[[float], None],
) -> tuple[Findings, float]:
    """What is found on one piece, complete or not, and the seconds that it took.

    Args:
        tick: told the fraction done, half of it for both runs; stops it by raising `Cancelled`.
    """
    found = Findings.of(pieces.graph, request.method, pieces.metric_name)
    began = time.perf_counter()
    try:
        tick(0.0)
        experiment = pieces.run(indices, lambda fraction: tick(fraction / 2))
        found = Findings.about(experiment, request.method, by_role=request.by_role)
        began = time.perf_counter()
        work = request.entry.load()(experiment, found, request.options)
        with scope(f"pairs {key_of(repr(indices).encode())}"):
            finish(work, lambda fraction: tick((1 + fraction) / 2))
    except Cancelled:
        found.complete = False
    return found, time.perf_counter() - began
