"""A real `Session` whose engine is arithmetic: the same numbers everywhere, at any pace wanted.

The metric of a circuit is the model's, less the weight of every edge that is left out of a closed
destination. So every effect is known, nothing depends on a machine's rounding, and a test may hold
up or break a computation. What the numbers of a real engine look like is the business of the tests
on tiny models.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from tasks import Pair, Task
from workbench.base.failures import failures_as_sentences
from workbench.base.work import Work
from workbench.circuits.circuit import Circuit
from workbench.circuits.graph import Graph
from workbench.circuits.names import edge_ends, split_role
from workbench.circuits.parts import edge_of, keep_parts
from workbench.discovery.catalogue import Method
from workbench.discovery.findings import Findings
from workbench.discovery.options import Options
from workbench.experiment.room import Shape
from workbench.experiment.settings import ExperimentSettings
from workbench.model_report.footprint import Footprint
from workbench.models.info import Architecture, ModelInfo, SelfCheck
from workbench.prompts.roles import Roles
from workbench.readouts.results import Lens, Place, TokenValue
from workbench.session.agreement import Agreement
from workbench.session.known_effects import Matrix
from workbench.session.open import Opened
from workbench.session.scores import Scores
from workbench.session.session import Session
from workbench.session.session_engine import SessionEngine
from workbench.session.start import begin
from workbench.session.views import TaskInfo

CLEAN, CORRUPTED = 3.2135, -2.8719
PAIRS = (
    Pair(
        "When Mary and John went to the store, John gave a drink to",
        "When Mary and John went to the store, Paul gave a drink to",
        (" Mary",),
        (" John",),
    ),
    Pair(
        "When [b]Tom[/b] and \x1b[31mAnn went to the café, Ann gave a \t🍎 to",
        "When [b]Tom[/b] and \x1b[31mAnn went to the café, Eve gave a \t🍎 to",
        (" [b]Tom[/b]",),
        (" Ann",),
    ),
)
TASK = Task("ioi", PAIRS, "logit_diff", "Of two names the one that is not repeated.", seed=0)
NAMES = ("..IO", "IO", "IO..S1", "S1", "S1..S2", "S2", "S2..END", "END")
ROLES = Roles(NAMES, ((0, 1, 2, 3, 4, 4, 4, 4, 5, 6, 6, 6, 7),) * len(PAIRS), by_task=True)
DIFFERS = 8
"""First position at which the two prompts of a pair differ: S2."""
SHARES = {"S2": 0.5, "S2..END": 0.2, "END": 0.3}
"""Of an edge's weight, what each role has."""
CHUNK = 20


def weights(graph: Graph) -> Matrix:
    """Made-up importance of every edge: a few large ones, most small, of both signs."""
    s, d = np.meshgrid(np.arange(graph.n_sources), np.arange(graph.n_destinations), indexing="ij")
    spread = ((s * 7919 + d * 104_729 + s * d * 31) % 1009) / 1009 - 0.42
    late = 0.4 + 0.6 * s / graph.n_sources
    return np.round(spread**5 * 24 * late, 4).astype(np.float32)


class ToyEngine:
    """The engine's interface over `weights`.

    Attributes:
        gate: while it is clear, whatever computes waits.
        failure: raised by the next computation, once.
        computed: kinds of the sweeps' chunks, in order; `moves`: circuits moved to.
    """

    def __init__(self, graph: Graph) -> None:
        self.model = SimpleNamespace(graph=graph, info=model_info(graph))
        self.batch = SimpleNamespace(
            groups=[SimpleNamespace(indices=tuple(range(len(PAIRS))), length=13)],
            n_pairs=len(PAIRS),
            tokens=lambda i: (PAIRS[i].clean.split(" "), PAIRS[i].corrupted.split(" ")),
            task=TASK,
            prepend_bos=False,
            dropped=0,
            roles=ROLES,
        )
        self.experiment = SimpleNamespace(
            interventions=(),
            recordings=[SimpleNamespace(start=DIFFERS)],
            model=self.model,
            batch=self.batch,
            graph=graph,
            same_input=False,
            metric_name=TASK.metric,
            ablation="patching",
            means=None,
        )
        self.weights = weights(graph)
        self.gate = threading.Event()
        self.gate.set()
        self.agreement_gate = threading.Event()
        self.agreement_gate.set()
        self.failure: BaseException | None = None
        self.computed: list[str] = []
        self.moves = 0

    def _wait(self) -> None:
        assert self.gate.wait(20), "the test never opened the gate"
        if self.failure is not None:
            failure, self.failure = self.failure, None
            raise failure

    def _score(self, circuit: Circuit) -> Scores:
        graph = circuit.graph
        closed = [d not in circuit.open for d in graph.destinations]
        reach = np.arange(graph.n_sources)[:, None] < [
            graph.n_parents(d) for d in range(graph.n_destinations)
        ]
        # What feeds nothing that is kept does not matter, and the logits are always wanted.
        wanted = {graph.n_destinations - 1}
        for d in range(graph.n_destinations - 1, -1, -1):
            if d in wanted and closed[d]:
                for s in np.flatnonzero(circuit.mask[:, d]):
                    node = graph.sources[int(s)]
                    wanted |= {graph.destination_index(x) for x in graph.destinations_of(node)}
        column = np.array([c and d in wanted for d, c in enumerate(closed)])
        missing = float((self.weights * (reach & ~circuit.mask) * column).sum())
        for edge, kept in circuit.at.kept.items():
            where = graph.parse_edge(edge)
            lost = sum(share for role, share in SHARES.items() if role not in kept)
            missing += lost * float(self.weights[where] * column[where[1]])
        metric = CLEAN - missing
        share = (metric - CORRUPTED) / (CLEAN - CORRUPTED)

        def agreement() -> tuple[float, float]:
            assert self.agreement_gate.wait(20), "the test never opened the gate"
            return 1.0 if share > 0.5 else 0.5, abs(missing) / 8

        return Scores(metric, share, Agreement(agreement))

    def direct_changes(self) -> None:
        """Of no answers there are no direct effects."""

    def evaluate(self, circuit: Circuit) -> Scores:
        scores = self._score(circuit)
        scores.agreement.read()
        return scores

    def move(self, before: Circuit, after: Circuit) -> Scores:
        self._wait()
        self.moves += 1
        return self._score(after)

    def forget(self) -> None:
        pass

    def use(self, batch: Any, experiment: Any) -> None:
        assert (batch, experiment) == (self.batch, self.experiment), "it knows no other pairs"

    def effects(
        self, circuit: Circuit, edges: list[str], kind: str, cancel: Any
    ) -> Generator[tuple[list[str], list[float]], None, None]:
        for start in range(0, len(edges), CHUNK):
            self._wait()
            if cancel is not None and cancel.is_set():
                return
            names = edges[start : start + CHUNK]
            self.computed.append(kind)
            factor = {"full": 1.0, "along": 0.5, "within": 0.25, "drop": 2.0}[kind]
            yield names, [float(np.float32(-factor * self._weight(name))) for name in names]

    def _weight(self, name: str) -> float:
        edge, role = split_role(name)
        weight = float(self.weights[self.model.graph.parse_edge(edge)])
        return weight * SHARES[role] if role else weight

    def scratch(self, circuit: Circuit) -> ToyScratch:
        return ToyScratch(self, circuit)

    def score(self, circuit: Circuit, experiment: Any = None) -> Scores:
        return self._score(circuit)

    def if_toggled(self, circuit: Circuit, edge: str, *, close: bool) -> tuple[float, float | None]:
        self._wait()
        other = circuit.copy()
        if close:
            other.open -= {edge_ends(edge_of(edge))[1]}
        other.toggle(edge)
        scores = self._score(other)
        return scores.metric, scores.faithfulness

    def discovery(self, method: Method, findings: Findings, options: Options) -> Work[None]:
        with failures_as_sentences():
            yield from method.load()(cast(Any, None), findings, options)

    @property
    def footprint(self) -> Footprint:
        mib = 2**20
        shapes = (Shape(1, 15, 9), Shape(1, 17, 11))
        return Footprint(shapes, "logit_diff", 40 * mib, mib // 2, 60 * mib, 160 * mib, 512 * mib)

    def eap(self, tick: Any) -> Matrix:
        s, d = np.indices(self.weights.shape)
        return (-self.weights * (1 + 0.125 * ((s + d) % 3 - 1))).astype(np.float32)

    def eap_by_role(self) -> Matrix:
        self._wait()
        return np.stack([SHARES.get(name, 0.0) * self.eap(None) for name in NAMES])


class ToyScratch:
    """The interface of `Scratch` over the engine's weights, at the engine's pace."""

    def __init__(self, engine: ToyEngine, circuit: Circuit) -> None:
        self.engine = engine
        self.circuit = circuit

    def become(self, circuit: Circuit) -> Work[float | None]:
        self.engine._wait()
        yield 0.5
        self.circuit = circuit
        return self.engine._score(circuit).faithfulness

    def if_closed(
        self, into: Sequence[str], kept: Sequence[Sequence[str]]
    ) -> Work[list[float | None]]:
        self.engine._wait()
        yield 0.5
        shares = []
        for edges in kept:
            other = self.circuit.copy()
            other.open -= set(into)
            keep_parts(other, edges)
            shares.append(self.engine._score(other).faithfulness)
        return shares

    def effects(self, edges: Sequence[str], setting: str) -> Iterator[dict[str, float]]:
        for names, values in self.engine.effects(self.circuit, list(edges), setting, None):
            yield dict(zip(names, values, strict=True))


def model_info(graph: Graph) -> ModelInfo:
    return ModelInfo(
        name="toy",
        family="gpt2",
        layers=graph.n_layers,
        heads=graph.n_heads,
        kv_heads=graph.n_heads,
        d_model=768,
        d_head=64,
        parameters=124_439_808,
        weight_bytes=4 * 124_439_808,
        nodes=len(graph.nodes),
        edges=graph.n_edges,
        vocabulary=50_257,
        device="cpu",
        dtype="float32",
        architecture=Architecture(
            norm="LayerNorm before attention and MLP",
            positions="learned",
            context=1024,
            windows="",
            window=None,
            projections="",
            caps="",
            blocks="attention, then the MLP",
            experts="",
            tied=True,
        ),
        check=SelfCheck(1e-7, 1.0, 1e-4, prompts=2, tokens=15, passes=2),
        bos=False,
        where="memory",
    )


class ToyReadouts:
    """A lens for every node; the other readouts do not exist."""

    def lens(
        self,
        node: str,
        position: int = -1,
        pair: int | None = None,
        k: int = 10,
        run: str = "clean",
    ) -> Lens:
        tokens = (" Mary", " John", "[b]", "\n", " the", "", "é", " to")
        values = [TokenValue(token, i, 2.5 - 0.25 * i) for i, token in enumerate(tokens)]
        lowered = tuple(replace(v, value=-v.value) for v in values)
        place = Place(node, position, pair, 1 if pair is not None else len(PAIRS), run)
        return Lens(place, tuple(values), lowered, 1.25, -0.5, "A made-up lens of the node")


def toy_session(
    folder: Path, *, layers: int = 12, heads: int = 12, warnings: tuple[str, ...] = ()
) -> tuple[Session, ToyEngine]:
    """A session at its start and the engine below it."""
    graph = Graph(layers, heads)
    engine = ToyEngine(graph)
    info = TaskInfo(
        name="ioi",
        description=TASK.description,
        metric="logit_diff",
        metric_definition="mean logit of the answers minus that of the wrong answers",
        n_pairs=len(PAIRS),
        seed=0,
        ablation="patching",
        bos=False,
        notes=("A note on the task.",),
        warnings=warnings,
        answer_labels=(),
        dropped=0,
        model_metric=CLEAN,
        corrupted_metric=CORRUPTED,
        model_accuracy=1.0,
        corrupted_accuracy=0.5,
    )
    opened = Opened(
        cast(SessionEngine, engine),
        ExperimentSettings("toy", TASK.name),
        TASK,
        info,
        engine.eap(None),
    )
    session = begin(opened, folder / "toy.jsonl")
    session.readouts = cast(Any, ToyReadouts())
    return session, engine
