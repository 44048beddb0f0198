"""A circuit beside the session's own, taken from step to step with its exact value.

Plain numbers in and out; the evaluator below is made when it is first wanted. Importing this module
loads no torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from workbench.base.failures import failures_as_sentences
from workbench.base.work import Work
from workbench.circuits.circuit import Circuit
from workbench.circuits.graph import Graph
from workbench.circuits.parts import on_prompts

if TYPE_CHECKING:
    from workbench.engine.evaluator import Evaluator
    from workbench.experiment.experiment import Experiment


class Scratch:
    """Edits on trial; whatever fails in it leaves the session and its engine as they are.

    Attributes:
        circuit: as far as it has come; not to be altered.
    """

    def __init__(self, experiment: Experiment, circuit: Circuit) -> None:
        self.circuit = circuit
        self._experiment = experiment
        self._evaluator: Evaluator | None = None

    @property
    def graph(self) -> Graph:
        """The model's graph."""
        return self.circuit.graph

    def _at(self) -> Evaluator:
        from workbench.engine.evaluator import Evaluator

        if self._evaluator is None:
            self._evaluator = Evaluator(self._experiment, self._here(self.circuit))
        return self._evaluator

    def _here(self, circuit: Circuit) -> Circuit:
        return on_prompts(circuit, self._experiment.batch.roles.names)

    def become(self, circuit: Circuit) -> Work[float | None]:
        """Go on to another circuit, of which only what differs is computed: its faithfulness.

        In pieces, of which none takes long on a deep model; nothing else may use this meanwhile.

        Raises:
            WorkbenchError: if that fails; the circuit is then as it was.
        """
        with failures_as_sentences():
            value = yield from self._at().becoming(self._here(circuit))
            share = self._experiment.faithfulness(value.metric)
        self.circuit = circuit
        return share

    def if_closed(
        self, into: Sequence[str], kept: Sequence[Sequence[str]]
    ) -> Work[list[float | None]]:
        """The faithfulness if these open inputs were closed on each of some sets of edges.

        One batch, in pieces; the circuit stays.
        """
        from workbench.engine.evaluator import Edit

        with failures_as_sentences():
            edits = [Edit(toggle=tuple(edges), close=tuple(into)) for edges in kept]
            metrics = (yield from self._at().trying(edits)).mean(axis=1)
            return [self._experiment.faithfulness(float(metric)) for metric in metrics]

    def effects(self, edges: Sequence[str], setting: str) -> Iterator[dict[str, float]]:
        """Exact effects of edges in one of the settings, in chunks."""
        from workbench.engine.patching import edge_effects

        with failures_as_sentences():
            for names, values in edge_effects(self._at(), edges, setting):
                yield dict(zip(names, map(float, values), strict=True))
