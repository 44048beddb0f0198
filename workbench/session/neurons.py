"""The neurons of a session's MLPs: what they do, and which of them the circuit keeps.

What computes takes turns with whatever else does, a piece at a time; call it from a worker. Which
neurons an MLP keeps is changed by commands, with undo. Importing this module loads no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from workbench.base.failures import failures_as_sentences
from workbench.base.work import Stop
from workbench.circuits.kept_neurons import checked, find_neuron
from workbench.engine.effect_settings import FULL, check_setting
from workbench.errors import Cancelled, WorkbenchError
from workbench.session.carry_out import CarryOut
from workbench.session.neuron_commands import NarrowMlp, ToggleNeuron
from workbench.session.priority_lock import PriorityLock, finish_in_background
from workbench.session.read_only import Snapshot
from workbench.session.session_engine import SessionEngine
from workbench.session.state import State
from workbench.session.views import Status

if TYPE_CHECKING:
    from workbench.neurons.results import (
        Firings,
        FoundNeuron,
        NeuronByRole,
        NeuronInputs,
        NeuronList,
        Promoted,
        Sufficient,
    )
    from workbench.readouts.results import Position


class SessionNeurons:
    """A session's neurons; call it from any thread, it raises WorkbenchError with a sentence.

    Glossary: docs/glossary.md#neuron.
    """

    def __init__(
        self,
        engine: SessionEngine,
        lock: PriorityLock,
        seen: Callable[[], Snapshot],
        *,
        carry_out: CarryOut,
    ) -> None:
        self._engine = engine
        self._lock = lock
        self._seen = seen
        self._carry_out = carry_out

    # What they do.

    def kept(self, mlp: str) -> tuple[int, ...] | None:
        """Which neurons of an MLP the circuit keeps; None: all. It never waits."""
        return self._seen().state.circuit.neurons.get(mlp)

    def list(
        self,
        mlp: str,
        *,
        position: Position = -1,
        pair: int | None = None,
        cancel: Stop | None = None,
    ) -> NeuronList:
        """An MLP's neurons with estimated effects, direct attribution and activation.

        Args:
            position: from the prompts' ends if negative, else from their starts; or a role, at
                whose positions alone effects are then those of corrupting.

        Raises:
            Cancelled: it was stopped.
        """
        from workbench.neurons.listing import neuron_list

        experiment, circuit = self._engine.experiment, self._seen().state.circuit
        with failures_as_sentences():
            work = neuron_list(experiment, mlp, circuit, position=position, pair=pair)
            return finish_in_background(self._lock, work, cancel)

    def marked(self, listed: NeuronList) -> NeuronList:
        """The same list with the neurons marked that the circuit keeps now; it never waits."""
        kept = self.kept(listed.mlp)
        chosen = None if kept is None else frozenset(kept)
        rows = [
            row if row.kept == (now := chosen is None or row.neuron in chosen)
            else replace(row, kept=now)
            for row in listed.rows
        ]  # fmt: skip
        return replace(listed, rows=tuple(rows))

    def exact(
        self,
        listed: NeuronList,
        neurons: Sequence[int],
        *,
        setting: str = FULL,
        cancel: Stop | None = None,
        on_chunk: Callable[[dict[int, float]], None] | None = None,
    ) -> dict[int, float]:
        """Exact effects of some of a list's neurons; those computed when it is stopped.

        Args:
            setting: one of `engine.effect_settings.SETTINGS`.
            cancel: stops it, as does a command that changes the circuit if the setting depends on
                that.
            on_chunk: told the effects just computed.
        """
        check_setting(setting)
        found: dict[int, float] = {}
        with self._lock.background():
            seen = self._seen()
            chunks = self._engine.neuron_effects(
                seen.state.circuit, listed, list(neurons), setting, cancel
            )
        try:
            while True:
                with self._lock.background():
                    now = self._seen()
                    stale = setting != FULL and now.status.revision != seen.status.revision
                    if stale or now.runs is not seen.runs:
                        return found
                    chunk = next(chunks)
                found |= chunk
                if on_chunk is not None:
                    on_chunk(chunk)
        except (Cancelled, StopIteration):
            return found
        finally:
            chunks.close()

    def promoted(self, neurons: Sequence[str], k: int = 10) -> tuple[Promoted, ...]:
        """What neurons promote and suppress, by their weights."""
        from workbench.neurons.tokens import neuron_tokens

        with self._lock.background(), failures_as_sentences():
            return neuron_tokens(self._engine.model.parts, self._engine.batch.encoding, neurons, k)

    def promoting(self, texts: Sequence[str], n: int = 20) -> tuple[FoundNeuron, ...]:
        """The neurons of the whole model that promote these tokens most.

        Args:
            texts: one token each, as `readouts.target.find_token` takes them.
        """
        from workbench.neurons.tokens import neurons_promoting
        from workbench.readouts.target import find_token

        batch = self._engine.batch
        prompt = batch.task.pairs[0].clean
        with self._lock.background(), failures_as_sentences():
            ids = [find_token(batch.encoding, text, prompt) for text in texts]
            return neurons_promoting(self._engine.model.parts, batch.encoding, ids, n)

    def inputs(
        self, neuron: str, *, position: Position = -1, pair: int | None = None
    ) -> NeuronInputs:
        """What feeds a neuron."""
        from workbench.neurons.inputs import neuron_inputs

        with self._lock.background(), failures_as_sentences():
            return neuron_inputs(self._engine.experiment, neuron, position=position, pair=pair)

    def by_role(self, neuron: str, *, pair: int | None = None) -> NeuronByRole:
        """A neuron's activation and direct attribution at every token role."""
        from workbench.neurons.at_roles import neuron_by_role

        with self._lock.background(), failures_as_sentences():
            return neuron_by_role(self._engine.experiment, neuron, pair=pair)

    def firings(self, neuron: str, k: int = 5) -> Firings:
        """Where a neuron is most and least active on the task's prompts."""
        from workbench.neurons.firings import neuron_firings

        with self._lock.background(), failures_as_sentences():
            return neuron_firings(self._engine.experiment, neuron, k)

    def sufficient(
        self,
        listed: NeuronList,
        faithfulness: float | None = None,
        *,
        cancel: Stop | None = None,
        on_piece: Callable[[float], None] | None = None,
    ) -> Sufficient:
        """The fewest of an MLP's largest neurons with which the circuit reaches a faithfulness.

        Args:
            listed: ranks them, by effect.
            faithfulness: None: 0.99 of what the circuit has with all of the MLP's neurons.

        Raises:
            Cancelled: it was stopped.
        """
        from workbench.neurons.sufficient import sufficient

        ranked = [row.neuron for row in listed.sorted_by("effect")]
        circuit = self._seen().state.circuit
        with failures_as_sentences():
            work = sufficient(self._engine.experiment, circuit, listed.mlp, ranked, faithfulness)
            return finish_in_background(self._lock, work, cancel, on_piece)

    # Commands.

    def toggle(self, neuron: str) -> Status:
        """Drop a neuron from its MLP, or keep it again."""
        mlp, number = find_neuron(self._seen().state.circuit.graph, neuron)

        def edit(state: State) -> State:
            width = self._width(mlp)
            kept = state.circuit.neurons.get(mlp, tuple(range(width)))
            return _with(state, mlp, {*kept} ^ {number}, width)

        return self._carry_out(edit, lambda change: ToggleNeuron(neuron=neuron, change=change))

    def narrow(self, mlp: str, neurons: Sequence[int], *, chosen: str = "") -> Status:
        """Let the circuit keep these neurons of an MLP and no others.

        Args:
            chosen: by what they were chosen, in words, for the history.
        """

        def edit(state: State) -> State:
            return _with(state, mlp, neurons, self._width(mlp))

        return self._carry_out(
            edit,
            lambda change: NarrowMlp(mlp=mlp, chosen=chosen, change=change),
            f"{mlp} keeps these neurons already.",
        )

    def widen(self, mlp: str) -> Status:
        """Give an MLP back all of its neurons."""
        return self._carry_out(
            lambda state: _with(state, mlp, None, 0),
            lambda change: NarrowMlp(mlp=mlp, chosen="", change=change),
            f"{mlp} has all of its neurons.",
        )

    def _width(self, mlp: str) -> int:
        from workbench.engine.narrowed import all_neurons
        from workbench.neurons.listing import layer_of

        model = self._engine.model
        return len(all_neurons(model.parts, layer_of(model.graph, mlp)))


def _with(state: State, mlp: str, kept: Sequence[int] | set[int] | None, width: int) -> State:
    """The state with these neurons of an MLP; all of them are as good as none named."""
    neurons = {name: own for name, own in state.circuit.neurons.items() if name != mlp}
    if kept is not None and {*kept} != set(range(width)):
        neurons[mlp] = tuple(kept)
        beyond = max(kept, default=0)
        if beyond >= width:
            raise WorkbenchError(
                f"{mlp} has no neuron {beyond}: they are numbered from 0 to {width - 1:,}."
            )
    circuit = state.circuit.copy()
    circuit.neurons = checked(circuit.graph, neurons)
    return replace(state, circuit=circuit)
