"""One discovery from beginning to end, by any method: checked, run, selected, evaluated."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Unpack, cast

import numpy as np

from tasks.task import Task
from workbench.base.progress import Progress, silent
from workbench.base.work import Stop, Work, finish
from workbench.circuits.circuit import Circuit
from workbench.discovery.catalogue import find_method
from workbench.discovery.findings import Findings
from workbench.discovery.findings_file import save_findings
from workbench.discovery.in_pieces import find_in_pieces
from workbench.discovery.request import DiscoveryRequest, RequestChoices
from workbench.discovery.selection import Selected, select
from workbench.engine.circuit_score import CircuitScore, score
from workbench.engine.score_pieces import score_pieces
from workbench.errors import Cancelled
from workbench.experiment.interventions import Intervention
from workbench.experiment.pieces import Pieces
from workbench.experiment.prepare import NO_MEMORY, prepare_some
from workbench.experiment.provenance import now, origin
from workbench.experiment.settings import ExperimentSettings, TaskChoices
from workbench.formats import losses, save_circuit
from workbench.formats.catalogue import find_format
from workbench.metrics.catalogue import NEGLIGIBLE

if TYPE_CHECKING:
    from workbench.experiment.experiment import Experiment
    from workbench.models.model import Model

REQUESTED = RequestChoices.__annotations__.keys()
SCORES = "the change of the mean metric when the edge is corrupted"

STRONGEST = ", at the role at which it is largest"


@dataclass(frozen=True)
class Discovery:
    """What a method found, the circuit chosen from it, and what that circuit does.

    Attributes:
        request: the method, what it was told, and how edges or nodes were chosen.
        findings: scores and all else that the method found.
        selected: the circuit, with the numbers asked for, chosen and kept.
        score: what the circuit scores, everything outside it ablated.
        seconds: that the method took, without recording the two runs.
        remarks: sentences on what was done, could not be done, or is odd.

    Glossary: docs/glossary.md#discovery.
    """

    request: DiscoveryRequest
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
        if find_format(format).scores == "kept" and circuit.scores is not None:
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
        request = self.request
        return {
            "method": request.method,
            "definition": request.entry.definition,
            "options": request.heeded() | {"seed": request.options.seed},
            "selection": request.selection and asdict(request.selection),
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
        done = self.circuit.provenance.get("interventions")
        return {
            **self.summary(),
            **({"interventions": done} if done else {}),
            "evaluation": self.score.to_json(),
            "edges": self.selected.circuit.parts(),
            "nodes": self.node_scores(),
        }

    def node_scores(self) -> dict[str, float] | None:
        """The score of each node by its name; None of a method that scores none."""
        scores = self.findings.nodes
        if scores is None:
            return None
        named = zip(self.findings.graph.sources, scores.tolist(), strict=True)
        return {node: score for node, score in named if score == score}


class Choices(RequestChoices, TaskChoices, total=False):
    """What may be asked of a method, what is done to the model, and settings."""

    interventions: Iterable[Intervention | str]


def discover(
    model: Model,
    task: Task | str | os.PathLike[str],
    request: DiscoveryRequest | str,
    *,
    under: ExperimentSettings | None = None,
    progress: Progress | None = None,
    cancel: Stop | None = None,
    **choices: Unpack[Choices],
) -> Discovery:
    """Find a circuit by a method of `METHODS`, and score it.

    More pairs than memory holds at once are run some at a time by methods whose scores are means
    over pairs (`Method.adds_up`).

    Args:
        model: from `load_model`.
        task: from `load_task`, or the name or file to load it from.
        request: a name of `METHODS`, or what `DiscoveryRequest.checked` gave for these settings.
        under: how the task is run; None: by the defaults.
        progress: told what is being done and the fraction done.
        cancel: when it is set, the method stops after its present piece, and what it has found by
            then is selected from and scored.
        choices: what is asked of a method given by its name (`edges`, `threshold`, `steps`; see
            `DiscoveryRequest.parse`), and settings by their names; `pairs` is of use where `task`
            is a name or a file. `interventions` or their lines of text are done to the model in
            all runs.

    Raises:
        Cancelled: `cancel` was set before the method had found anything.
        WorkbenchError: the method does not exist, cannot do this, or was told something that it
            does not heed; or the task does not suit the tokenizer.
    """
    done = tuple(choices.pop("interventions", ()))
    asked, how = _sorted(choices)
    settings = ExperimentSettings.of(model, task, under, **how)
    # What costs nothing to find out comes before what takes seconds.
    if isinstance(request, str):
        request = DiscoveryRequest.parse(request, **asked, seed=settings.seed).checked(
            metric=settings.metric, ablation=settings.ablation
        )
    from workbench.base.failures import memory_errors

    say = progress or silent

    def recording(message: str, fraction: float | None) -> None:
        if cancel is not None and cancel.is_set():
            raise Cancelled
        say(message, fraction)

    why = "" if request.entry.adds_up else f"{request.method} needs all of them at once."
    experiment = prepare_some(model, task, settings, recording, done, all_at_once=why)
    if settings.metric is None:  # the task's own is known by now
        request.check_metric(experiment.metric_name)
    with memory_errors(NO_MEMORY):
        if isinstance(experiment, Pieces):
            found, told = discovery_in_pieces(experiment, request, say, cancel)
            for warning in told:
                warnings.warn(warning, stacklevel=2)
            return found
        findings = Findings.about(experiment, request.method, by_role=request.by_role)
        work = discovery(experiment, request, findings)
        began = time.perf_counter()
        try:
            return finish(work, lambda fraction: say(f"Running {request.method}", fraction), cancel)
        except Cancelled:
            if not findings.has_results(request.entry.kind):
                raise
        seconds = time.perf_counter() - began
        return discovery_from(experiment, findings, request, seconds)


def _sorted(choices: Choices) -> tuple[RequestChoices, TaskChoices]:
    """What is asked of the method, and the rest, which is settings."""
    asked = {name: value for name, value in choices.items() if name in REQUESTED}
    settings = {name: value for name, value in choices.items() if name not in REQUESTED}
    return cast(RequestChoices, asked), cast(TaskChoices, settings)


def discovery(
    experiment: Experiment, request: DiscoveryRequest, findings: Findings | None = None
) -> Work[Discovery]:
    """The same on runs that are recorded already, as work in pieces.

    Args:
        request: what `DiscoveryRequest.checked` gave for this experiment.
        findings: from `Findings.of`, to be filled in, so that whoever drives the work can look at
            what has been found so far and, after stopping it, `discovery_from` from that.
    """
    if findings is None:
        findings = Findings.about(experiment, request.method, by_role=request.by_role)
    began = time.perf_counter()
    yield from request.entry.load()(experiment, findings, request.options)
    return discovery_from(experiment, findings, request, time.perf_counter() - began)


def discovery_from(
    experiment: Experiment, findings: Findings, request: DiscoveryRequest, seconds: float
) -> Discovery:
    """The circuit that findings lead to, complete or not, and what it scores.

    Args:
        findings: of their own; a copy of those that a method is still filling in.
        request: that the findings were made by.
        seconds: that it took to make them.
    """
    selected = _selected(findings, request)
    value = score(experiment, selected.circuit)
    return _concluded(experiment, findings, request, selected, value, seconds)


def discovery_in_pieces(
    pieces: Pieces, request: DiscoveryRequest, say: Progress, cancel: Stop | None = None
) -> tuple[Discovery, tuple[str, ...]]:
    """The same on pairs that are run some at a time, and `task_warnings` of them.

    Args:
        request: of a method whose scores add up.
        say, cancel: as `progress` and `cancel` of `discover`.

    Raises:
        Cancelled: `cancel` was set before the method had found anything.
    """
    findings, seconds = find_in_pieces(
        pieces, request, lambda fraction: say(f"Running {request.method}", fraction), cancel
    )
    return discovery_from_pieces(pieces, findings, request, seconds, say, cancel)


def discovery_from_pieces(
    pieces: Pieces,
    findings: Findings,
    request: DiscoveryRequest,
    seconds: float,
    say: Progress,
    cancel: Stop | None = None,
) -> tuple[Discovery, tuple[str, ...]]:
    """As `discovery_from`, of pairs that are run some at a time, and `task_warnings` of them.

    Args:
        findings: of their own, as of `discovery_from`.
        say, cancel: as `progress` and `cancel` of `discover`.
    """
    selected = _selected(findings, request)
    scored = score_pieces(
        pieces, selected.circuit, lambda fraction: say("Scoring the circuit", fraction), cancel
    )
    if scored.score.pairs < pieces.batch.n_pairs:
        findings.complete = False
        findings.remarks.append(
            f"The circuit was scored on {scored.score.pairs:,} of {pieces.batch.n_pairs:,} pairs, "
            "since it was stopped."
        )
    how = (request, selected, scored.score, seconds)
    return _concluded(pieces, findings, *how), scored.warnings


def _selected(findings: Findings, request: DiscoveryRequest) -> Selected:
    selected = select(findings, request.selection)
    if request.selection is None:
        selected = replace(selected, asked=request.options.edges)
    return selected


def _concluded(
    experiment: Experiment | Pieces,
    findings: Findings,
    request: DiscoveryRequest,
    selected: Selected,
    value: CircuitScore,
    seconds: float,
) -> Discovery:
    method, options, circuit = request.entry, request.options, selected.circuit
    remarks = (*findings.remarks, *_remarks(findings, selected, value))
    found = Discovery(request, findings, selected, value, seconds, remarks)
    circuit.provenance = origin(experiment, options.seed) | _provenance(found)
    if not np.isnan(findings.edges).all():
        circuit.scores = findings.edges.copy()
        at = STRONGEST if findings.kept is not None and request.by_role else ""
        circuit.provenance["scores"] = f"{method.name}: {method.unit or SCORES}{at}"
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
    if selected.joined:
        remarks.append(
            f"The input is the same in both runs, so that what it writes carries nothing: "
            f"{selected.joined:,} of its edges join the others to it, beside the "
            f"{selected.kept:,} kept."
        )
    if selected.chosen and not selected.kept:
        remarks.append(
            f"The {selected.chosen:,} chosen {selected.unit} do not join the input to the logits: "
            "choose more, or greedily."
        )
    elif not selected.circuit.n_edges:
        remarks.append(
            "The circuit is empty: no edge brings the metric nearer to the model's by this method; "
            "take another method or ablation."
        )
    elif selected.circuit == Circuit.full(selected.circuit.graph):
        remarks.append("This is the whole model: no edge is left out; choose fewer.")
    elif value.faithfulness is not None and value.faithfulness <= 0:
        remarks.append(
            f"With this circuit the metric is no nearer to the model's than with no edge at all "
            f"(faithfulness {value.faithfulness:.2f}): choose more edges, or let a method search "
            "for them, such as greedy-pruning."
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
