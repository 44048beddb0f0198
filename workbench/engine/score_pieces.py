"""What a circuit scores on more pairs than memory holds at once, piece after piece."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from workbench.base.notices import notice
from workbench.base.progress import Progress
from workbench.base.work import Stop
from workbench.circuits.circuit import Circuit
from workbench.engine.budget import bytes_of_cells
from workbench.engine.circuit_score import CircuitScore, circuit_score, score
from workbench.engine.evaluator import Evaluator
from workbench.engine.kept_edges import kept_edges, open_inputs
from workbench.engine.pair_row import PairRow
from workbench.engine.pair_rows import pair_rows, rows_of
from workbench.engine.plan import make_plan
from workbench.errors import Cancelled
from workbench.experiment.experiment import Experiment
from workbench.experiment.faithfulness import faithfulness
from workbench.experiment.pieces import Pieces, Values
from workbench.experiment.prepare import task_warnings
from workbench.experiment.room import shapes_of
from workbench.models.model import Model
from workbench.prompts.batch import Batch

EVALUATING = "Evaluating the circuit"


@dataclass(frozen=True)
class TaskScore:
    """What came of it.

    Attributes:
        score: as of all pairs at once; `pairs` are those of the pieces that were run.
        rows: every pair by itself, in the task's order, if asked for.
        warnings: `task_warnings` that could not be told before the last piece was run.
    """

    score: CircuitScore
    rows: tuple[PairRow, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass
class _Parts:
    """The values of pieces, each with its pairs' numbers."""

    clean: list[tuple[Sequence[int], Values]] = field(default_factory=list)
    corrupted: list[tuple[Sequence[int], Values]] = field(default_factory=list)
    circuit: list[tuple[Sequence[int], Values]] = field(default_factory=list)
    rows: list[PairRow] = field(default_factory=list)

    def add(
        self, indices: Sequence[int], experiment: Experiment, circuit: Circuit, rows: bool
    ) -> None:
        evaluator = Evaluator(experiment, circuit)
        # All of it or nothing, wherever memory runs out.
        found = rows_of(experiment, evaluator) if rows else ()
        values = map(Values.of, (evaluator.value(), experiment.clean, experiment.corrupted))
        circuits, cleans, corrupteds = values
        self.circuit.append((indices, circuits))
        self.clean.append((indices, cleans))
        self.corrupted.append((indices, corrupteds))
        self.rows += [replace(row, index=indices[row.index]) for row in found]


def cells_of(circuit: Circuit, model: Model) -> Callable[[Batch, str], float]:
    """Of a batch and an ablation, the bytes that a circuit's cells take on all pairs.

    They are 0 of another model's circuit, which is refused later.
    """
    graph = model.graph
    if circuit.graph != graph:
        return lambda batch, ablation: 0.0
    plan = make_plan(graph, kept_edges(circuit), open_inputs(circuit))

    def taken(batch: Batch, ablation: str) -> float:
        rows = sum(shape.rows for shape in shapes_of(batch, ablation))
        return float(bytes_of_cells(model.parts, plan, rows, batch.n_pairs))

    return taken


def score_some(
    found: Experiment | Pieces, circuit: Circuit, say: Progress, *, rows: bool = False
) -> TaskScore:
    """Score a circuit on what `prepare_some` gave.

    Args:
        say: told what is done.
        rows: list every pair too.

    Raises:
        WorkbenchError: the circuit is another model's.
    """
    if isinstance(found, Experiment):
        say(EVALUATING, None)
        return TaskScore(score(found, circuit), pair_rows(found, circuit) if rows else ())
    beside = _beside(found, circuit)
    notice(found.told(found.cuts(beside), beside))
    return score_pieces(found, circuit, lambda fraction: say(EVALUATING, fraction), rows=rows)


def _beside(pieces: Pieces, circuit: Circuit) -> float:
    """Bytes that the circuit's cells take on all pairs together."""
    return cells_of(circuit, pieces.model)(pieces.batch, pieces.ablation)


def score_pieces(
    pieces: Pieces,
    circuit: Circuit,
    progress: Callable[[float], None] | None = None,
    cancel: Stop | None = None,
    *,
    rows: bool = False,
) -> TaskScore:
    """Score a circuit on all pairs, piece by piece.

    Args:
        progress: told the fraction done.
        cancel: when it is set, the pairs of the pieces done by then are what is scored: those of
            one piece at least.
        rows: list every pair too.

    Raises:
        WorkbenchError: the circuit is another model's, or a piece takes more memory than there is.
    """
    done, parts = 0, _Parts()

    def add(indices: tuple[int, ...]) -> None:
        def tick(fraction: float) -> None:
            if done and cancel is not None and cancel.is_set():
                raise Cancelled
            if progress is not None:
                progress((done + fraction * len(indices)) / pieces.batch.n_pairs)

        tick(0.0)
        parts.add(indices, pieces.run(indices, tick), circuit, rows)

    with suppress(Cancelled):
        for indices, _ in pieces.each(add, pieces.cuts(_beside(pieces, circuit))):
            done += len(indices)
    value, clean, corrupted = (
        Values.joined(each) for each in (parts.circuit, parts.clean, parts.corrupted)
    )
    measurable = faithfulness(clean.metric, clean.metric, corrupted.metric) is not None
    return TaskScore(
        circuit_score(pieces, circuit, value, clean, corrupted),
        tuple(sorted(parts.rows, key=lambda row: row.index)),
        task_warnings(pieces.metric_name, clean, corrupted, measurable=measurable),
    )
