"""Direct and total effect of every node, and what makes up for the difference.

With u the direction of the target in the unembedding, and every norm's scale held at the run's own,
a node j writes DE_j = norm(z_j) . u along it. Ablating node A gives a run, starred, in which all
that comes later reacts, and

    total = l* - l = (DE*_A - DE_A) + sum over heads (DE*_j - DE_j)
                   + sum over MLPs (DE*_j - DE_j) + norms,

where `norms` is what comes of the final norm's other scale (and of that of norms which follow a
layer's heads, in the families that have them). Self-repair is what the total effect lacks of the
direct one; McGrath et al. (2023, 2307.15771) and Rushing and Nanda (2024, 2402.15390) say that in
two ways, see `definitions`. Logits are those before a soft cap, if the model has one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workbench.base.transfers import array_of, on_host
from workbench.base.work import Stop, Work, finish
from workbench.circuits.graph import Graph
from workbench.circuits.names import layer_of_heads
from workbench.effects.definitions import ANSWERS, CHANGE, JOINED, TARGETS, TOP, find_definition
from workbench.effects.repair_results import Repair, SelfRepair, least_noticed
from workbench.effects.requests import RepairRequest
from workbench.engine.ablated_runs import AblatedRuns, ablated_runs
from workbench.errors import WorkbenchError
from workbench.experiment.positions import check_from_end
from workbench.readouts.activations import mean_columns
from workbench.readouts.target import Target
from workbench.transformer.direct_reading import DirectReading
from workbench.transformer.forward import uncapped_logits
from workbench.transformer.recording import Recording, of_pairs

if TYPE_CHECKING:
    from collections.abc import Callable

    from workbench.experiment.experiment import Experiment
    from workbench.metrics.metric import Metric
    from workbench.prompts.batch import Group

RUNS = ("clean", "corrupted")
"""Whose prompts are run and ablated."""
VALUES = ("writes", "left", "total", "heads", "mlps", "norm", "metric")
"""The numbers of a `Repair` that are summed over pairs."""


def self_repair(
    experiment: Experiment,
    nodes: Sequence[str] | None = None,
    *,
    definition: str = CHANGE,
    ablation: str | None = None,
    run: str = "clean",
    pair: int | None = None,
    target: str | Target | None = None,
    position: int | None = None,
    progress: Callable[[float], None] | None = None,
    cancel: Stop | None = None,
) -> SelfRepair:
    """Direct and total effects of nodes, and who makes up for what.

    Args:
        experiment: from `prepare`.
        nodes: names; `a1.h0+a2.h3` are ablated together, and by `a1` all heads of that layer.
            None: every node.
        definition: a name of `definitions.DEFINITIONS`.
        ablation: what an ablated node writes, of `ablations.ABLATIONS`; None: the experiment's.
        run: one of `RUNS`: whose prompts are run. With patching on the corrupted prompts, an
            ablated node writes what it writes on the clean ones.
        pair: a pair's number, or None for the mean over all.
        target: a name of `definitions.TARGETS`, or from `find_target`; None: the definition's.
        position: where nodes are ablated, from the prompts' ends (0 is the last position); None
            for all positions.
        progress: told the fraction done.
        cancel: checked between batches.

    Raises:
        WorkbenchError: there is no such node, pair, run, definition, ablation, target or position.
        Cancelled: if `cancel` was set.
    """
    chosen = None if nodes is None else tuple(nodes)
    request = RepairRequest(chosen, definition, ablation, run, pair, target, position)
    work = repair_work(experiment, request)
    return finish(work, progress, cancel)


def parse_sets(graph: Graph, nodes: Sequence[str] | None) -> list[tuple[int, ...]]:
    """The sources of each name, or of several joined; None: each source alone.

    Raises:
        WorkbenchError: there is no such node, or it stands twice in a set.
    """
    if nodes is None:
        return [(source,) for source in range(graph.n_sources)]
    sets = []
    for name in nodes:
        sources = tuple(s for word in name.split(JOINED) for s in _sources(graph, word))
        if len(set(sources)) < len(sources):
            raise WorkbenchError(f"A node stands twice in {name}; name each once.")
        sets.append(sources)
    return sets


def _sources(graph: Graph, word: str) -> tuple[int, ...]:
    """A node, or by `a3` all heads of a layer."""
    layer = layer_of_heads(word)
    if layer is not None and layer < graph.n_layers:
        return tuple(graph.head_sources(layer))
    return (graph.source_index(word),)


def repair_work(
    experiment: Experiment, request: RepairRequest, *, seconds: float | None = None
) -> Work[SelfRepair]:
    """`self_repair` in pieces that take about so many seconds; None: in the fewest."""
    chosen, run, pair = find_definition(request.definition), request.run, request.pair
    if run not in RUNS:
        raise WorkbenchError(f"There is no run {run!r} here; choose one of: {', '.join(RUNS)}.")
    check_from_end(request.position, (group.length for group in experiment.batch.groups))
    graph, named = experiment.graph, request.target or chosen.target
    if isinstance(named, str) and named not in TARGETS:
        raise WorkbenchError(f"There is no target {named!r}; choose one of: {', '.join(TARGETS)}.")
    sets = parse_sets(graph, request.nodes)
    under = experiment.under(request.ablation or experiment.ablation, swapped=run == "corrupted")
    groups = list(_groups(under, pair, named))
    whole = sum(_cost(graph, sources) * group.cost for sources in sets for group in groups)
    done = 0.0
    for group in groups:
        sums = group.begin(graph, sets)
        for made in ablated_runs(
            graph, group.recording, sets, group.reading, request.position, seconds=seconds
        ):
            sums.add(made)
            done += sum(_cost(graph, sets[i]) for i in made.which) * group.cost
            yield min(1.0, done / max(1.0, whole))
    n = sum(group.n_pairs for group in groups)
    total = np.sum([group.sums.values for group in groups], axis=0) / n
    changes = np.sum([group.sums.changes for group in groups], axis=0) / n
    writes = np.sum([group.sums.writes for group in groups], axis=0) / n
    attention = np.sum([group.sums.attention for group in groups], axis=0) / n
    logit = sum(group.logit for group in groups) / n
    rows = []
    for sources, row in zip(sets, total.tolist(), strict=True):
        name = JOINED.join(graph.sources[s] for s in sources)
        numbers = dict(zip(VALUES, row, strict=True))
        rows.append(Repair(name, **numbers, definition=chosen.name, noticed=least_noticed(logit)))
    clean = under.clean.per_pair
    return SelfRepair(
        rows=tuple(rows),
        sources=graph.sources,
        writes=writes,
        changes=changes,
        attention=attention,
        logit=logit,
        metric=under.clean.metric if pair is None else clean[pair],
        metric_name=under.metric_name,
        definition=chosen.name,
        ablation=under.ablation,
        run=run,
        target=TARGETS[named] if isinstance(named, str) else f"mean logits, {named.words}",
        pair=pair,
        n_pairs=n,
    )


@torch.no_grad()
def direct_changes(experiment: Experiment) -> tuple[NDArray[np.float64], float]:
    """DE* - DE of every node, and the least that is worth a word; no run is needed for them.

    Raises:
        WorkbenchError: pairs have no answers or wrong answers.
    """
    groups = _groups(experiment, None, ANSWERS)
    changes = [
        (group.reading.everything(group.recording.corrupted) - group.direct).double().sum(0)
        for group in groups
    ]
    n = sum(group.n_pairs for group in groups)
    logit = sum(group.logit for group in groups) / n
    return array_of(torch.stack(changes).sum(0)) / n, least_noticed(logit)


def _cost(graph: Graph, sources: Sequence[int]) -> float:
    """Layers that are computed for a set."""
    return float(graph.n_layers - max(0, graph.node_table[min(sources)].layer))


@dataclass
class _Sums:
    """Sums over a group's pairs.

    Attributes:
        values: [set, value], in the order of `VALUES`.
        changes, attention: [set, source]; writes: [source].
    """

    group: _OfGroup
    sets: Sequence[Sequence[int]]
    is_head: Tensor
    values: NDArray[np.float64]
    changes: NDArray[np.float64]
    attention: NDArray[np.float64]
    writes: NDArray[np.float64]

    def add(self, made: AblatedRuns) -> None:
        """Take in a batch."""
        assert made.direct is not None and made.norms is not None
        assert made.attention is not None
        group = self.group
        with torch.no_grad():
            value, norm = group.reading.final_norm(made.finals)
            change = (made.direct - group.direct[:, None]).double()
            total = (value - group.value[:, None]).double().sum(0)
            norms = (norm + made.norms).double().sum(0)
            metric = group.metric.of_residual(made.finals) - group.own_metric[:, None]
        summed = on_host(change.sum(0))
        own, writes = torch.zeros(len(made.which), summed.shape[1]), group.direct.double().sum(0)
        for place, i in enumerate(made.which):
            own[place, list(self.sets[i])] = 1
        own = own.double()
        wrote = own @ on_host(writes)
        columns = (
            wrote,
            wrote + (own * summed).sum(1),
            on_host(total),
            ((1 - own) * self.is_head * summed).sum(1),
            ((1 - own) * (1 - self.is_head) * summed).sum(1),
            on_host(norms),
            on_host(metric.double().sum(0)),
        )
        self.values[made.which] = torch.stack(columns, dim=1).numpy()
        self.changes[made.which] = summed.numpy()
        self.attention[made.which] = array_of(made.attention.double().sum(0))


class _OfGroup:
    """The chosen pairs of one group."""

    def __init__(
        self,
        recording: Recording,
        metric: Metric,
        answers: tuple[list[tuple[int, ...]], list[tuple[int, ...]]] | None,
    ) -> None:
        """`answers`: token ids of both sides; None: each run's own top token against all."""
        self.recording, self.metric = recording, metric
        parts, final = recording.parts, recording.clean.final[:, -1]
        self.n_pairs = recording.n_pairs
        self.cost = float(recording.n_pairs * recording.n_positions)
        with torch.no_grad():
            if answers is None:
                top = array_of(uncapped_logits(parts, final).argmax(-1)).tolist()
                answers = [(int(token),) for token in top], [()] * len(top)
            right, wrong = answers
            direction = mean_columns(parts.w_u, right) - mean_columns(parts.w_u, wrong)
            direction = direction * parts.logit_scale
            self.reading = DirectReading(parts, recording.clean, direction)
            self.direct = self.reading.everything(recording.clean)
            self.value = self.reading.final_norm(final[:, None])[0][:, 0]
            self.own_metric = metric.of_residual(final[:, None])[:, 0]
            offset = self.value.new_zeros(())
            if self.reading.norm.bias is not None:
                offset = (direction @ self.reading.norm.bias).sum()
            if parts.b_u is not None:
                b_u = parts.b_u[None] * parts.logit_scale
                offset = offset + (mean_columns(b_u, right) - mean_columns(b_u, wrong)).sum()
            self.logit = float(array_of(self.value.sum() + offset))

    def begin(self, graph: Graph, sets: Sequence[Sequence[int]]) -> _Sums:
        """Nothing summed yet."""
        heads = [node.kind == "head" for node in graph.node_table[: graph.n_sources]]
        self.sums = _Sums(
            self,
            sets,
            torch.tensor(heads).double(),
            np.zeros((len(sets), len(VALUES))),
            np.zeros((len(sets), graph.n_sources)),
            np.zeros((len(sets), graph.n_sources)),
            array_of(self.direct.double().sum(0)),
        )
        return self.sums


def _groups(experiment: Experiment, pair: int | None, target: str | Target) -> list[_OfGroup]:
    batch = experiment.batch
    n_pairs = experiment.n_pairs
    if pair is not None and not 0 <= pair < n_pairs:
        raise WorkbenchError(f"There is no pair {pair}; the task has pairs 0 to {n_pairs - 1}.")
    found = []
    for group, recording, metric in zip(
        batch.groups, experiment.recordings, experiment.metrics, strict=True
    ):
        rows = slice(0, len(group.indices))
        if pair is not None:
            if pair not in group.indices:
                continue
            at = group.indices.index(pair)
            rows = slice(at, at + 1)
        answers = None if target == TOP else _answers(group, rows, target)
        found.append(_OfGroup(of_pairs(recording, rows), metric.part(rows), answers))
    return found


def _answers(
    group: Group, rows: slice, target: str | Target
) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:
    right, wrong = list(group.answers[rows]), list(group.wrong_answers[rows])
    alone = False
    if isinstance(target, Target):
        right, wrong = target.ids(right, wrong)
        alone = target.is_alone
    else:
        assert target == ANSWERS, target
    if not all(r and (w or alone) for r, w in zip(right, wrong, strict=True)):
        raise WorkbenchError(
            "Effects on the logit difference need answers and wrong answers, which some of these "
            "pairs lack: name a target token, or measure on the model's top token."
        )
    return right, wrong
