"""One discovery from beginning to end, by any method: checked, run, selected and evaluated."""

from __future__ import annotations

import os
import time
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tasks.task import Task
from workbench.base.progress import Progress, silent
from workbench.base.work import Stop, Work, finish
from workbench.discovery.catalogue import Method, find_method
from workbench.discovery.findings import Findings
from workbench.discovery.findings_file import save_findings
from workbench.discovery.options import Options
from workbench.discovery.request import asked_for, check
from workbench.discovery.selection import Selected, Selection, select
from workbench.engine.score import CircuitScore, score
from workbench.errors import Cancelled
from workbench.experiment.prepare import NO_MEMORY, prepare
from workbench.experiment.provenance import now, origin
from workbench.formats import losses, save_circuit
from workbench.metrics.catalogue import NEGLIGIBLE

if TYPE_CHECKING:
    from workbench.circuits.circuit import Circuit
    from workbench.experiment.experiment import Experiment
    from workbench.models.model import Model

SCORES = "the change of the mean metric when the edge is corrupted"


@dataclass(frozen=True)
class Discovery:
    """What a method found, the circuit chosen from it, and what that circuit does.

    Attributes:
        method: its entry in the catalogue.
        options: what it was told, defaults filled in.
        selection: how edges or nodes were chosen; None where the method chose them itself.
        findings: scores and all else that the method found.
        selected: the circuit, with the numbers asked for, chosen and kept.
        score: what the circuit scores, everything outside it ablated.
        seconds: that the method took, without recording the two runs.
        remarks: sentences on what was done, could not be done, or is odd.
    """

    method: Method
    options: Options
    selection: Selection | None
    findings: Findings
    selected: Selected
    score: CircuitScore
    seconds: float
    remarks: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether the method came to its end; otherwise this is what it had found so far."""
        return self.findings.complete

    @property
    def circuit(self) -> Circuit:
        """The circuit with the scores of all edges and its provenance, ready for `save_circuit`."""
        return self.selected.circuit

    def save(self, path: str | os.PathLike[str], format: str = "circuit") -> tuple[str, ...]:
        """Write the circuit file: ours has the scores of the kept edges, EAP-IG's of all.

        Returns:
            One sentence on each thing that the format cannot hold.

        Raises:
            WorkbenchError: for an unknown format, or if the file cannot be written.
        """
        circuit = self.circuit
        if format == "circuit" and circuit.scores is not None:
            shown = np.where(circuit.mask, circuit.scores, np.float32(np.nan))
            circuit = replace(circuit, scores=shown)
        save_circuit(circuit, path, format)
        return losses(circuit, format)

    def save_scores(self, path: str | os.PathLike[str]) -> None:
        """Write all that the method found as .npz, with the circuit's provenance.

        Raises:
            WorkbenchError: the file cannot be written.
        """
        save_findings(path, self.findings, self.circuit.provenance)

    def summary(self) -> dict[str, Any]:
        """How it was found, in plain values; without what it scores."""
        heeded = {name: getattr(self.options, name) for name in self.method.options}
        return {
            "method": self.method.name,
            "definition": self.method.definition,
            "options": heeded | {"seed": self.options.seed},
            "selection": None if self.selection is None else asdict(self.selection),
            "unit": self.selected.unit,
            "asked": self.selected.asked,
            "chosen": self.selected.chosen,
            "kept": self.selected.kept,
            "complete": self.complete,
            "tried": self.findings.tried,
            "seconds": self.seconds,
            "remarks": list(self.remarks),
        }

    def to_json(self) -> dict[str, Any]:
        """Plain values: how it was found, what it scores, and its edges' names."""
        return {
            **self.summary(),
            "evaluation": self.score.to_json(),
            "edges": self.selected.circuit.edges(),
        }


def discover(
    model: Model,
    task: Task | str | os.PathLike[str],
    method: str,
    *,
    edges: int | None = None,
    nodes: int | None = None,
    threshold: float | None = None,
    select: Literal["top", "greedy"] = "top",
    signed: bool = False,
    exactly: bool = False,
    steps: int | None = None,
    absolute: bool = False,
    measure: Literal["metric", "kl"] = "metric",
    pairs: int | None = None,
    seed: int = 0,
    metric: str | None = None,
    ablation: str = "patching",
    bos: bool | None = None,
    mismatch: str = "refuse",
    means: str | None = None,
    progress: Progress | None = None,
    cancel: Stop | None = None,
) -> Discovery:
    """Find a circuit by a method of `METHODS`, and score it.

    Args:
        model: from `load_model`.
        task: from `load_task`, or the name or file to load it from.
        method: a name of `METHODS`.
        edges, nodes: how many are to be selected; of a search or a learned mask, with how many
            edges it is to end.
        threshold: in place of a number: that scores have to reach; tau of a search.
        select, signed, exactly: how the best of so many scores are chosen; see `Selection`.
        steps, absolute, measure: see `Options`.
        pairs: as for `load_task`; used only where `task` is a name or a file.
        seed: of the task's generator, where `task` is a name, and of what the method leaves to
            chance.
        metric: None for the task's own.
        ablation: what takes the place of an edge that is not in the circuit.
        bos: whether a BOS token is put before the prompts; None: as the tokenizer does by itself.
        mismatch: 'refuse' or 'drop' pairs whose two prompts differ in token length.
        means: the task or file over whose clean prompts a mean ablation's means are taken; None:
            over those that are evaluated.
        progress: told what is being done and the fraction done.
        cancel: when it is set, the method stops after its present piece, and what it has found by
            then is selected from and scored.

    Raises:
        Cancelled: `cancel` was set before the method had found anything.
        WorkbenchError: the method does not exist, cannot do this, or was told something that it
            does not heed; or the task does not suit the tokenizer.
    """
    options, selection = asked_for(
        method,
        edges=edges,
        nodes=nodes,
        threshold=threshold,
        select=select,
        signed=signed,
        exactly=exactly,
        steps=steps,
        absolute=absolute,
        measure=measure,
        seed=seed,
    )
    # What costs nothing to find out comes before what takes seconds.
    check(find_method(method), options, selection, metric=metric, ablation=ablation)
    from workbench.base.failures import memory_errors

    say = progress or silent

    def recording(message: str, fraction: float | None) -> None:
        if cancel is not None and cancel.is_set():
            raise Cancelled
        say(message, fraction)

    _, experiment = prepare(
        model,
        task,
        pairs=pairs,
        seed=seed,
        metric=metric,
        bos=bos,
        mismatch=mismatch,
        ablation=ablation,
        means=means,
        progress=recording,
    )
    with memory_errors(NO_MEMORY):
        findings = Findings.of(experiment.graph, method, experiment.metric_name)
        work = discovery(experiment, method, options, selection, findings)
        began = time.perf_counter()
        try:
            return finish(work, lambda fraction: say(f"Running {method}", fraction), cancel)
        except Cancelled:
            if not findings.has_results(find_method(method).kind):
                raise
        seconds = time.perf_counter() - began
        return discovery_from(experiment, findings, options, selection, seconds)


def discovery(
    experiment: Experiment,
    method: str,
    options: Options,
    selection: Selection | None,
    findings: Findings | None = None,
) -> Work[Discovery]:
    """The same on runs that are recorded already, as work in pieces.

    Args:
        options, selection: `asking.asked_for` sorts arguments into these.
        findings: from `Findings.of`, to be filled in, so that whoever drives the work can look at
            what has been found so far and, after stopping it, `discovery_from` from that.

    Raises:
        WorkbenchError: as for `discover`.
    """
    entry = find_method(method)
    metric, ablation = experiment.metric_name, experiment.ablation
    told = check(entry, options, selection, metric=metric, ablation=ablation)
    if findings is None:
        findings = Findings.of(experiment.graph, method, metric)
    began = time.perf_counter()
    yield from entry.find()(experiment, findings, told)
    return discovery_from(experiment, findings, options, selection, time.perf_counter() - began)


def discovery_from(
    experiment: Experiment,
    findings: Findings,
    options: Options,
    selection: Selection | None,
    seconds: float,
) -> Discovery:
    """The circuit that findings lead to, complete or not, and what it scores.

    Args:
        findings: of their own; a copy of those that a method is still filling in.
        options, selection: that the findings were made with.
        seconds: that it took to make them.
    """
    method = find_method(findings.method)
    metric, ablation = experiment.metric_name, experiment.ablation
    options = check(method, options, selection, metric=metric, ablation=ablation)
    selected = select(findings, selection)
    if selection is None:
        selected = replace(selected, asked=options.edges)
    circuit = selected.circuit
    value = score(experiment, circuit)
    remarks = (*findings.remarks, *_remarks(findings, selected, value))
    found = Discovery(method, options, selection, findings, selected, value, seconds, remarks)
    circuit.provenance = origin(experiment, options.seed) | _provenance(found)
    if not np.isnan(findings.edges).all():
        circuit.scores = findings.edges.copy()
        circuit.provenance["scores"] = f"{method.name}: {method.unit or SCORES}"
    return found


def _remarks(findings: Findings, selected: Selected, value: CircuitScore) -> list[str]:
    """Sentences on what is odd about a result."""
    remarks = []
    scores = findings.edges if findings.nodes is None else findings.nodes
    least = NEGLIGIBLE * abs(value.clean - value.corrupted)
    in_metric = not find_method(findings.method).unit and findings.kept is None
    if in_metric and not np.isnan(scores).all() and np.nanmax(np.abs(scores)) <= least:
        remarks.append(
            f"All scores are next to nothing beside what the ablation does to {value.metric}: the "
            "metric has no slope where this method looks, so that the choice is one of rounding."
        )
    if selected.chosen and not selected.kept:
        remarks.append(
            f"The {selected.chosen:,} chosen {selected.unit} do not join the input to the logits: "
            "choose more, or greedily."
        )
    return remarks


def _provenance(found: Discovery) -> dict[str, Any]:
    """What a circuit file says of the discovery, its evaluation included."""
    value, findings = found.score, found.findings
    known = {
        "evaluation": {
            name: getattr(value, name)
            for name in (
                *("clean", "corrupted", "circuit", "faithfulness", "accuracy", "kl"),
                *("edges", "nodes", "closed"),
            )
        },
        "discovery": found.summary(),
        "created": now(),
    }
    if findings.nodes is not None:
        nodes = zip(findings.graph.sources, findings.nodes.tolist(), strict=True)
        known["node_scores"] = dict(nodes)
    return known
