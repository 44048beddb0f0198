"""Edge pruning: a mask on edges, learned by gradient (Bhaskar et al. 2024, 2406.16778).

Every edge, or edge at a role, has a hard-concrete gate (Louizos et al. 2018, 1712.01312) with one
parameter a,

    u ~ U(0, 1),  g = clip(sigmoid((log u - log(1 - u) + a) / beta) (zeta - gamma) + gamma, 0, 1),

which is the edge's number in a masked run (`masked_run`): sometimes exactly 0, sometimes exactly
1, and differentiable in between. It is above 0 with the probability sigmoid(a - beta log(-gamma /
zeta)), and the sum of these is the mask's expected L0 norm. As in the paper the loss is KL(model
|| masked run) at the last position, summed over the vocabulary, whatever the task's metric is, and
all gates share one draw of u for all pairs of a step.

Three things differ from the paper, so that hundreds of steps are enough where it takes thousands.
The expected L0 norm is not drawn towards its target by a learned Lagrange multiplier: after every
step all a are shifted by one number so that it is met, and the target falls from all edges to as
many as asked for, by a constant factor. In Adam's step a gate's root mean square gradient counts as
no less than that of all gates, so that an edge that hardly matters hardly moves. And there are no
further gates on nodes; dead ends are pruned from the circuit instead.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workbench.base.ledger import Values, standing
from workbench.base.numbers import wide
from workbench.base.transfers import array_of, uploaded
from workbench.base.work import Work, part
from workbench.discovery.findings import Findings
from workbench.discovery.gradients.masked_run import MaskedRun, pair_bytes
from workbench.discovery.options import Options
from workbench.discovery.search.units import Units
from workbench.engine.budget import what_if_bytes
from workbench.engine.kept_edges import Kept
from workbench.errors import WorkbenchError
from workbench.experiment.experiment import Experiment
from workbench.metrics.metric import Metric
from workbench.transformer.forward import unembed
from workbench.transformer.recording import Recording, of_pairs

BETA, GAMMA, ZETA = 2 / 3, -0.1, 1.1
"""Temperature and stretch of the gates, as in both papers."""
STEPS, EDGES = 400, 200
FIRST = 3.0
"""Every a at the beginning: a gate is then shut once in a hundred times."""
LARGEST = 12.0
"""No a is further from 0: a gate that is as good as fixed can still change its mind."""
RATE = 0.5
"""Of learning, until the target is reached; from there it falls to nothing."""
MOMENTUM, MEMORY = 0.9, 0.95
"""Adam's two decay rates; its memory is short because the mask changes all the time."""
DESCENT = 0.7
"""The share of the steps in which the target falls; in the rest it stays."""
PAIRS_A_STEP, CHUNK = 32, 8
"""Pairs in a step, and how many neighbours among them are always taken together."""
SLICE_FACTOR = 2.5
"""A slice of pairs takes so much of the memory for a batch of alternatives: each reads all weights
twice, whatever its size."""


def find(experiment: Experiment, findings: Findings, options: Options) -> Work[None]:
    """Learn the mask, one gradient step after the other.

    Args:
        findings: after each step `edges` holds every edge's probability of an open gate, and `kept`
            the most probable edges, as many as asked for, without dead ends.
        options: `steps` of learning, `edges` to end with, `seed` of the gates' noise and of the
            order of the pairs.

    Raises:
        WorkbenchError: no steps or no edges are asked for.
    """
    steps = STEPS if options.steps is None else options.steps
    wanted = EDGES if options.edges is None else options.edges
    if steps < 1 or wanted < 1:
        raise WorkbenchError("A mask is learned in at least one step, with at least one edge.")
    units = Units(experiment, findings)
    places = np.flatnonzero(units.real)
    wanted = min(wanted, len(places))
    findings.needed = 1
    random = torch.Generator().manual_seed(options.seed)
    device = _gates_device(experiment.parts.device)
    gates, at = Gates(len(places), wanted, steps, device), uploaded(places, device)
    batches = _minibatches(experiment, random)
    kept = standing("gates", repr((steps, wanted, options.seed)).encode())
    learned = gates.go_on(kept.recall())

    def show(step: int) -> None:
        units.scores.reshape(-1)[places] = array_of(wide(gates.open_probability()))
        units.strongest()
        findings.kept = _most_probable(units, places, array_of(gates.a), wanted)
        findings.complete = step == steps - 1

    for step in range(steps):
        batch = next(batches)
        n = sum(pairs.stop - pairs.start for _, pairs in batch)
        noise = torch.rand(len(places), generator=random, dtype=torch.float64)
        if step < learned:  # chance goes on from where it was
            if step == learned - 1:
                show(step)
            continue
        mask = torch.zeros(units.real.size, dtype=torch.float64, device=device)
        mask[at] = gates.draw(uploaded(noise, device))
        mask = mask.view(units.real.shape if units.layout else units.real.shape[1:])
        gradient, done = torch.zeros_like(mask), 0.0
        for which, pairs in batch:
            recording, metric = experiment.recordings[which], experiment.metrics[which]
            for some in _slices(experiment, recording, pairs):
                share = (some.stop - some.start) / n
                found = yield from part(
                    _gradient(experiment, recording, metric, some, mask),
                    (step + done) / steps,
                    (step + done + share) / steps,
                )
                gradient += found.to(device)
                done += share
        gates.learn(gradient.view(-1)[at] / n)
        show(step)
        kept.keep(gates.values)
        yield (step + 1) / steps
    kept.done()


class Gates:
    """Hard-concrete gates whose expected number of open ones follows a schedule.

    Args:
        n: how many gates.
        wanted: how many are to be open at last, in expectation.
        steps: how often they learn.
        device: where they live.

    Attributes:
        a: float64 [gate], the parameters.

    Glossary: docs/glossary.md#gate.
    """

    def __init__(
        self, n: int, wanted: int, steps: int, device: torch.device = torch.device("cpu")
    ) -> None:
        self.a = torch.full((n,), FIRST, dtype=torch.float64, device=device)
        self._wanted, self._steps, self._step = wanted, steps, 0
        self._begin = float(array_of(self.open_probability().sum()))
        self._mean = torch.zeros_like(self.a)
        self._square = torch.zeros_like(self.a)
        self._slope = torch.zeros_like(self.a)

    def go_on(self, found: Values | None) -> int:
        """Go on with what an earlier process of this job learned; returns in how many steps."""
        if found is not None:
            arrays = (uploaded(found[name], self.a.device) for name in ("a", "mean", "square"))
            self.a, self._mean, self._square = arrays
            self._step = int(found["step"])
        return self._step

    def values(self) -> Values:
        """What `go_on` goes on with."""
        arrays = {"a": self.a, "mean": self._mean, "square": self._square}
        found = {name: array_of(array) for name, array in arrays.items()}
        return {**found, "step": np.array(self._step)}

    def open_probability(self) -> Tensor:
        """How probable it is that a gate is above 0, [gate]."""
        return torch.sigmoid(self.a - BETA * math.log(-GAMMA / ZETA))

    def draw(self, noise: Tensor) -> Tensor:
        """The gates' values in [0, 1] for noise from U(0, 1), [gate]."""
        smooth = torch.sigmoid((torch.logit(noise, eps=1e-9) + self.a) / BETA)
        stretched = smooth * (ZETA - GAMMA) + GAMMA
        inside = (stretched > 0) & (stretched < 1)
        self._slope = inside * smooth * (1 - smooth) * (ZETA - GAMMA) / BETA
        return stretched.clamp(0, 1)

    def target(self) -> float:
        """The expected number of open gates that is due now."""
        share = min(1.0, self._step / (DESCENT * self._steps))
        return float(self._begin * (self._wanted / self._begin) ** share)

    def learn(self, gradient: Tensor) -> None:
        """One step against the loss's gradient at the values drawn last, [gate].

        Then one to the target.
        """
        self._step += 1
        at_a = gradient * self._slope
        self._mean = MOMENTUM * self._mean + (1 - MOMENTUM) * at_a
        self._square = MEMORY * self._square + (1 - MEMORY) * at_a**2
        mean = self._mean / (1 - MOMENTUM**self._step)
        square = self._square / (1 - MEMORY**self._step)
        scale = torch.maximum(square, square.mean()).sqrt()
        left = (self._steps - self._step + 1) / ((1 - DESCENT) * self._steps)
        self.a -= RATE * min(1.0, left) * mean / scale.clamp(min=1e-30)
        self._meet(self.target())

    def _meet(self, target: float) -> None:
        """Shift all parameters by the number with which so many gates are open in expectation."""
        low, high = self.a.new_full((), -2 * LARGEST), self.a.new_full((), 2 * LARGEST)
        before = self.a
        for _ in range(60):
            shift = (low + high) / 2
            self.a = (before + shift).clamp(-LARGEST, LARGEST)
            # Chosen without asking the device which it is.
            too_many = self.open_probability().sum() > target
            low, high = torch.where(too_many, low, shift), torch.where(too_many, shift, high)


def _gates_device(device: torch.device) -> torch.device:
    """The model's, where it knows float64: Apple's GPUs do not."""
    return torch.device("cpu") if device.type == "mps" else device


def _gradient(
    experiment: Experiment, recording: Recording, metric: Metric, pairs: slice, mask: Tensor
) -> Work[Tensor]:
    """The gradient at the mask, and of its shape, of the KL summed over some pairs."""
    run = MaskedRun(experiment.graph, of_pairs(recording, pairs), mask)
    final = yield from part(run.running(), 0.0, 0.4)
    with torch.enable_grad():
        final = final.requires_grad_()
        kl = metric.part(pairs).kl(unembed(recording.parts, final)[:, None])
        (at_final,) = torch.autograd.grad(kl.sum(), final)
    return (yield from part(run.going_back(at_final), 0.4, 1.0))


def _most_probable(
    units: Units, places: NDArray[np.intp], a: NDArray[np.float64], wanted: int
) -> Kept:
    chosen = np.zeros_like(units.real)
    chosen.reshape(-1)[places[np.argsort(-a, kind="stable")[:wanted]]] = True
    return units.kept(units.whole(chosen))


def _minibatches(
    experiment: Experiment, random: torch.Generator
) -> Iterator[list[tuple[int, slice]]]:
    """Endlessly, which pairs of which recordings a step takes; every pair comes once a round."""
    chunks = [
        (which, slice(start, min(start + CHUNK, recording.n_pairs)))
        for which, recording in enumerate(experiment.recordings)
        for start in range(0, recording.n_pairs, CHUNK)
    ]
    while True:
        order = torch.randperm(len(chunks), generator=random).tolist()
        batch: list[tuple[int, slice]] = []
        for place, i in enumerate(order):
            batch.append(chunks[i])
            n = sum(pairs.stop - pairs.start for _, pairs in batch)
            if n >= PAIRS_A_STEP or place == len(order) - 1:
                yield _joined(batch)
                batch = []


def _joined(batch: list[tuple[int, slice]]) -> list[tuple[int, slice]]:
    """The same pairs in fewer pieces: chunks that lie side by side are one."""
    joined: list[tuple[int, slice]] = []
    for which, pairs in sorted(batch, key=lambda chunk: (chunk[0], chunk[1].start)):
        if joined and joined[-1][0] == which and joined[-1][1].stop == pairs.start:
            joined[-1] = which, slice(joined[-1][1].start, pairs.stop)
        else:
            joined.append((which, pairs))
    return joined


def _slices(experiment: Experiment, recording: Recording, pairs: slice) -> Iterator[slice]:
    """Runs of pairs that are one piece of work and fit the memory."""
    bytes_at_once = SLICE_FACTOR * what_if_bytes(experiment.parts.device.type)
    room = max(1, int(bytes_at_once / pair_bytes(experiment.graph, recording)))
    for start in range(pairs.start, pairs.stop, room):
        yield slice(start, min(start + room, pairs.stop))
