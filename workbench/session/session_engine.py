"""The computing half of a session: recorded runs and the present circuit's evaluator.

It knows no history and no journal. Whatever goes wrong in it becomes one sentence, and leaves it
able to evaluate any circuit again. Importing this module loads no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from workbench.base.failures import failures_as_sentences
from workbench.base.work import Work
from workbench.circuits.circuit import Circuit
from workbench.circuits.names import edge_ends
from workbench.circuits.parts import edge_of, on_prompts
from workbench.engine.effect_settings import FULL
from workbench.session.known_effects import DROP, Matrix
from workbench.session.scores import Scores
from workbench.session.scratch import Scratch

if TYPE_CHECKING:
    from workbench.discovery.catalogue import Method
    from workbench.discovery.findings import Findings
    from workbench.discovery.options import Options
    from workbench.engine.evaluator import Edit, Evaluator
    from workbench.engine.pair_row import PairRow
    from workbench.experiment.experiment import Evaluation, Experiment
    from workbench.model_report.footprint import Footprint
    from workbench.models.model import Model
    from workbench.neurons.results import NeuronList
    from workbench.prompts.batch import Batch


class SessionEngine:
    """Both runs of the whole batch, and an evaluator that follows the session's circuit.

    Attributes:
        model, batch, experiment: what is evaluated, on what.

    Glossary: docs/glossary.md#session-engine.
    """

    def __init__(self, model: Model, batch: Batch, experiment: Experiment) -> None:
        self.model = model
        self.batch = batch
        self.experiment = experiment
        # None after a failure: the evaluator is then built anew from the session's circuit.
        self._evaluator: Evaluator | None = None

    def use(self, batch: Batch, experiment: Experiment) -> None:
        """Be at other pairs; the cells of the circuit are let go of."""
        self.batch, self.experiment = batch, experiment
        self.__dict__.pop("footprint", None)
        self.forget()

    def _at(self, circuit: Circuit) -> Evaluator:
        """The evaluator, at this circuit: the one that it was moved to last."""
        from workbench.engine.evaluator import Evaluator

        if self._evaluator is None:
            self._evaluator = Evaluator(self.experiment, self._here(circuit))
        return self._evaluator

    def _here(self, circuit: Circuit) -> Circuit:
        """What the circuit is on these prompts, of which some may lack roles that it names."""
        return on_prompts(circuit, self.batch.roles.names)

    def scratch(self, circuit: Circuit) -> Scratch:
        """A circuit beside the session's own, to be edited on trial; it is not altered."""
        return Scratch(self.experiment, circuit)

    def evaluate(self, circuit: Circuit) -> Scores:
        """What a circuit scores, from nothing; the engine is at this circuit from now on."""
        self.forget()
        with failures_as_sentences():
            return Scores.of(self.experiment, self._at(circuit).value())

    def value(self, circuit: Circuit) -> Evaluation:
        """What a circuit, at which the engine is, does; nothing is computed if it is known."""
        return self._at(circuit).value()

    def move(self, before: Circuit, after: Circuit) -> Scores:
        """Go from one circuit, at which the engine is, to another: what that scores.

        Raises:
            WorkbenchError: if that fails; the engine is then at no circuit and can go back to any.
        """
        try:
            with failures_as_sentences():
                value = self._at(before).become(self._here(after))
                return Scores.of(self.experiment, value, at_once=False)
        except BaseException:
            self.forget()
            raise

    @cached_property
    def footprint(self) -> Footprint:
        """The memory that the batch takes, predicted; in bytes."""
        from workbench.experiment.room import shapes_of
        from workbench.model_report.footprint import predict

        shapes = shapes_of(self.batch, self.experiment.ablation)
        return predict(self.model.parts, shapes, self.experiment.metric_name)

    def pair_rows(self, circuit: Circuit) -> tuple[PairRow, ...]:
        """What the model and the circuit, at which the engine is, make of every pair."""
        from workbench.engine.pair_rows import rows_of

        return rows_of(self.experiment, self._at(circuit))

    def forget(self) -> None:
        """Be at no circuit: the cells are let go of and built anew when they are wanted."""
        self._evaluator = None

    def effects(
        self, circuit: Circuit, edges: list[str], kind: str, cancel: Any
    ) -> Generator[tuple[list[str], list[float]], None, None]:
        """Exact values in chunks: of one of the settings, or drop costs.

        A drop cost is what dropping each kept edge would cost.
        """
        from workbench.engine.patching import drop_costs, edge_effects

        with failures_as_sentences():
            evaluator = self._at(circuit)
            if kind == DROP:
                chunks = drop_costs(evaluator, edges, cancel=cancel)
            else:
                chunks = edge_effects(evaluator, edges, kind, cancel=cancel)
            for names, values in chunks:
                # Rounded as they are kept, so that all who show one show the same.
                yield names, [float(np.float32(value)) for value in values]

    def neuron_effects(
        self, circuit: Circuit, listed: NeuronList, neurons: list[int], setting: str, cancel: Any
    ) -> Generator[dict[int, float], None, None]:
        """Exact effects of neurons of an MLP, in chunks."""
        from workbench.neurons.listing import exact_effects

        with failures_as_sentences():
            how: dict[str, Any] = {"setting": setting, "cancel": cancel}
            if setting != FULL:
                how["evaluator"] = self._at(circuit)
            yield from exact_effects(self.experiment, listed, neurons, **how)

    def score(self, circuit: Circuit, experiment: Experiment | None = None) -> Scores:
        """What a circuit scores beside the session's own, at which the engine stays.

        `experiment`: another than the one that the engine is at now.
        """
        from workbench.engine.evaluator import Evaluator

        experiment = self.experiment if experiment is None else experiment
        with failures_as_sentences():
            here = on_prompts(circuit, experiment.batch.roles.names)
            return Scores.of(experiment, Evaluator(experiment, here).value())

    def if_toggled(self, circuit: Circuit, edge: str, *, close: bool) -> tuple[float, float | None]:
        """The circuit's metric and faithfulness if one edge were toggled.

        Args:
            close: the edge enters an open destination, which is closed on this edge alone.
        """
        from workbench.engine.evaluator import Edit

        closed = (edge_ends(edge_of(edge))[1],) if close else ()
        return self._if(circuit, Edit(toggle=(edge,), close=closed))

    def if_edited(self, circuit: Circuit, after: Circuit) -> tuple[float, float | None]:
        """The circuit's metric and faithfulness if it became another, as one what-if."""
        from workbench.engine.evaluator import Edit

        old, new = circuit.parts(), after.parts()
        gone, come = set(old) - set(new), set(new) - set(old)
        # What is whole on one side and at roles on the other: the old is taken first.
        toggle = [*(name for name in old if name in gone), *(name for name in new if name in come)]
        edit = Edit(
            toggle=tuple(toggle),
            open=tuple(after.open - circuit.open),
            close=tuple(circuit.open - after.open),
        )
        return self._if(circuit, edit)

    def _if(self, circuit: Circuit, edit: Edit) -> tuple[float, float | None]:
        with failures_as_sentences():
            metric = float(self._at(circuit).what_if([edit])[0].mean())
            return metric, self.experiment.faithfulness(metric)

    def discovery(self, method: Method, findings: Findings, options: Options) -> Work[None]:
        """The work of a method of discovery, which fills the findings in.

        It stays at the pairs that the engine is at now.
        """
        experiment = self.experiment

        def work() -> Work[None]:
            with failures_as_sentences():
                yield from method.load()(experiment, findings, options)

        return work()

    def direct_changes(self) -> tuple[NDArray[np.float64], float] | None:
        """Direct effects of ablating nodes [source], and the least that is worth a word.

        None where pairs have no answers.
        """
        from workbench.effects.self_repair import direct_changes

        groups = self.batch.groups
        if not all(all(group.answers) and all(group.wrong_answers) for group in groups):
            return None
        with failures_as_sentences():
            return direct_changes(self.experiment)

    def eap_by_role(self) -> Matrix:
        """Estimates for all edges at every role, [role, source, destination]."""
        from workbench.discovery.estimates import role_estimates
        from workbench.metrics.catalogue import changes_in_steps

        if changes_in_steps(self.experiment.metric_name):
            graph, n_roles = self.model.graph, len(self.batch.roles.names)
            shape = n_roles, graph.n_sources, graph.n_destinations
            return np.zeros(shape, dtype=np.float32)
        with failures_as_sentences():
            return role_estimates(self.experiment)

    def eap(self, tick: Callable[[float], None]) -> Matrix:
        """Estimates for all edges; `tick` is told the fraction done."""
        from workbench.discovery.estimates import estimates
        from workbench.metrics.catalogue import changes_in_steps

        if changes_in_steps(self.experiment.metric_name):
            graph = self.model.graph
            return np.zeros((graph.n_sources, graph.n_destinations), dtype=np.float32)
        with failures_as_sentences():
            return estimates(self.experiment, progress=tick)
