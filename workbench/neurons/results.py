"""What is found of neurons: plain frozen values, no torch, no computing.

Tokens are the tokenizer's own text of one token, unescaped, as in `workbench.readouts.results`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from workbench.base.table import Table
from workbench.circuits.names import neuron_name
from workbench.readouts.results import Position, TokenValue

ESTIMATE = "attribution patching, sum over positions of (act' - act) . dm/dact at the clean run"
DIRECT = (
    "act . LN(W_out[n]) . u at the position, LN with its own run's scale, u the answers' mean "
    "unembedding less the wrong answers'; on the clean prompts, on the corrupted ones, and the "
    "difference, clean less corrupted"
)
ACTIVATION = "what enters the MLP's last linear map at the position, mean over pairs"
PROMOTES = (
    "W_out[n] through the final norm's weights (no scale) and the unembedding, less its mean over "
    "the vocabulary: logits for an activation of 1 at a scale of 1"
)
"""What each number is, for a screen and for files."""


@dataclass(frozen=True)
class Plain:
    """Values that are plain ones under their attributes' names."""

    def to_json(self) -> dict[str, Any]:
        """Plain values under the attributes' names."""
        return asdict(self)


def role_of(position: Position) -> str | None:
    """The role that a position names, if it is no number."""
    return position if isinstance(position, str) else None


def direct_in(run: str, clean: float | None, corrupted: float | None) -> float | None:
    """A direct attribution in one of `DIRECT_RUNS`; None where it is not known."""
    if run == "clean-corrupted":
        return None if clean is None or corrupted is None else clean - corrupted
    return clean if run == "clean" else corrupted


@dataclass(frozen=True)
class NeuronRow:
    """A neuron of an MLP.

    Attributes:
        neuron: its number.
        kept: whether the circuit keeps it.
        estimate: of its effect in the full model; None where the metric has no slope.
        direct: its direct attribution in the clean run; None where pairs lack answers.
        clean, corrupted: its activation in both runs.
        exact: its exact effect, in the setting of the list; None where it is not computed yet.
        direct_corrupted: its direct attribution in the corrupted run.
    """

    neuron: int
    kept: bool
    estimate: float | None
    direct: float | None
    clean: float
    corrupted: float
    exact: float | None = None
    direct_corrupted: float | None = None

    @property
    def difference(self) -> float:
        """Clean less corrupted activation."""
        return self.clean - self.corrupted

    def direct_in(self, run: str) -> float | None:
        """Its direct attribution in one of `DIRECT_RUNS`; None where pairs lack answers."""
        return direct_in(run, self.direct, self.direct_corrupted)


@dataclass(frozen=True)
class NeuronList:
    """All neurons of an MLP on a task's pairs.

    Attributes:
        mlp: its name.
        rows: in the order of their numbers.
        position: at which direct attribution and activation are read; or the role: effects are then
            of its positions alone.
        pair: of one pair, counted from 0; None: the mean over all.
        direct_of_bias: what the MLP's biases write directly; with all neurons it is the MLP's
            direct attribution. None as `NeuronRow.direct`.
        direct_of_mlp: that sum, computed from what the MLP writes.
        direct_of_bias_corrupted, direct_of_mlp_corrupted: the same in the corrupted run.
        setting: of the exact effects.
        rest: in the full model, the exact effect of corrupting all neurons together that have none
            by themselves; None where it is not computed, or there are none.
    """

    mlp: str
    rows: tuple[NeuronRow, ...]
    position: Position
    pair: int | None
    direct_of_bias: float | None
    direct_of_mlp: float | None
    setting: str = "full"
    rest: float | None = None
    direct_of_bias_corrupted: float | None = None
    direct_of_mlp_corrupted: float | None = None

    def name(self, row: NeuronRow) -> str:
        """A row's neuron by its name."""
        return neuron_name(self.mlp, row.neuron)

    @property
    def kept(self) -> int:
        """How many are kept."""
        return sum(row.kept for row in self.rows)

    def sorted_by(self, order: str, run: str = "clean") -> tuple[NeuronRow, ...]:
        """The rows by falling size of one of `ORDERS`; equal ones by their number.

        Args:
            run: whose direct attribution, of `DIRECT_RUNS`.
        """

        def place(row: NeuronRow) -> tuple[bool, float, int]:
            known, size = _size(row, order, run)
            return not known, -size, row.neuron

        return tuple(sorted(self.rows, key=place))

    def table(self, rows: Sequence[NeuronRow]) -> Table:
        """All values of some rows."""
        cells = tuple(
            (
                *(self.name(row), row.kept, row.estimate, row.exact, row.direct),
                *(row.clean, row.corrupted, row.difference),
                *(row.direct_corrupted, row.direct_in("clean-corrupted")),
            )
            for row in rows
        )
        return Table(f"neurons of {self.mlp}", COLUMNS, cells)


COLUMNS = (
    *("neuron", "kept", "estimate", "exact", "direct", "clean", "corrupted", "difference"),
    *("direct corrupted", "direct difference"),
)

DIRECT_RUNS = ("clean", "corrupted", "clean-corrupted")
"""Of which prompts a direct attribution is, by names of `readouts.runs.RUNS`."""

ORDERS: dict[str, str] = {
    "effect": "by effect: the exact one where it is known, else the estimate",
    "direct": "by direct attribution",
    "activation": "by how far corrupting moves the activation",
}
"""By what a list of neurons is sorted."""


def _size(row: NeuronRow, order: str, run: str) -> tuple[bool, float]:
    """What is sorted by; a neuron whose effect is not known at all comes after those that are."""
    if order == "direct":
        return True, abs(row.direct_in(run) or 0.0)
    value = row.estimate if row.exact is None else row.exact
    if order == "activation" or value is None:
        return order == "activation", abs(row.difference)
    return True, abs(value)


def with_exact(listed: NeuronList, values: dict[int, float], setting: str = "full") -> NeuronList:
    """The list with exact effects filled in; those of another setting are forgotten."""
    rows = []
    for row in listed.rows:
        known = row.exact if listed.setting == setting else None
        rows.append(replace(row, exact=values.get(row.neuron, known)))
    return replace(listed, rows=tuple(rows), setting=setting, rest=None)


def without_exact(listed: NeuronList) -> NeuronList:
    """The list with estimates alone."""
    rows = tuple(replace(row, exact=None) for row in listed.rows)
    return replace(listed, rows=rows, rest=None)


@dataclass(frozen=True)
class Promoted(Plain):
    """What a neuron's output row does to the vocabulary, by its weights alone.

    Attributes:
        name: of the neuron.
        promoted, suppressed: the tokens whose logit it raises and lowers most, see `PROMOTES`.
        norm: the length of its output row.
        variance, skew, kurtosis: of the cosines of its output row with the unembedding's columns
            over the vocabulary; the kurtosis is 3 for a normal distribution.
        kind: "prediction" or "suppression", after Gurnee et al. 2024 (2401.12181); "" otherwise.
    """

    name: str
    promoted: tuple[TokenValue, ...]
    suppressed: tuple[TokenValue, ...]
    norm: float
    variance: float
    skew: float
    kurtosis: float
    kind: str


@dataclass(frozen=True)
class Feed:
    """What an earlier node gives to what a neuron reads.

    Attributes:
        node: its name, or what belongs to no node.
        gate: to what goes into the activation; up: to what that is multiplied by; None where the
            MLP is not gated.
    """

    node: str
    gate: float
    up: float | None


@dataclass(frozen=True)
class NeuronInputs(Plain):
    """What feeds a neuron, at one position, mean over pairs.

    Attributes:
        name: of the neuron.
        feeds: all nodes before it, by falling size of what they give to the gate.
        gate, up: what the neuron is given in all: the feeds sum to it.
    """

    name: str
    feeds: tuple[Feed, ...]
    gate: float
    up: float | None


@dataclass(frozen=True)
class Firing:
    """A neuron's activation at one token of one prompt.

    Attributes:
        pair: of the task, from 0.
        position: of the token, from the prompt's start.
        value: the activation.
        tokens: of the prompt.
    """

    pair: int
    position: int
    value: float
    tokens: tuple[str, ...]


@dataclass(frozen=True)
class Firings(Plain):
    """A neuron over all clean prompts and positions.

    Attributes:
        name: of the neuron.
        largest, smallest: the tokens where its activation is so, of each prompt the first.
        mean, least, most: over all tokens.
        share: of the tokens at which the activation is above zero.
    """

    name: str
    largest: tuple[Firing, ...]
    smallest: tuple[Firing, ...]
    mean: float
    least: float
    most: float
    share: float


@dataclass(frozen=True)
class AtRole:
    """A neuron at one token role: at its last token, mean over the pairs that have it.

    Attributes:
        role: its name.
        pairs: how many have it.
        token: of the clean prompt, where it is of one pair; else None.
        clean, corrupted: the activation in both runs.
        direct, direct_corrupted: direct attribution in both runs; None where pairs lack answers.
    """

    role: str
    pairs: int
    token: str | None
    clean: float
    corrupted: float
    direct: float | None
    direct_corrupted: float | None = None

    @property
    def difference(self) -> float:
        """Clean less corrupted activation."""
        return self.clean - self.corrupted

    def direct_in(self, run: str) -> float | None:
        """Its direct attribution in one of `DIRECT_RUNS`; None where pairs lack answers."""
        return direct_in(run, self.direct, self.direct_corrupted)


@dataclass(frozen=True)
class NeuronByRole(Plain):
    """A neuron at every token role.

    Attributes:
        name: of the neuron.
        pair: of one pair, counted from 0; None: the mean over all.
        roles: in the order in which they stand in the prompts.
    """

    name: str
    pair: int | None
    roles: tuple[AtRole, ...]


@dataclass(frozen=True)
class FoundNeuron(Plain):
    """A neuron of the whole model that promotes what was searched for.

    Attributes:
        name: of the neuron.
        deviations: the mean logit of the tokens above the vocabulary's mean, in standard deviations
            of the logits that it writes.
        logit: that mean logit, see `PROMOTES`.
        norm: the length of its output row.
        rank: of the best of the tokens among all that it promotes, from 1.
    """

    name: str
    deviations: float
    logit: float
    norm: float
    rank: int


@dataclass(frozen=True)
class Sufficient(Plain):
    """Neurons of an MLP that are enough for a faithfulness of the circuit.

    Attributes:
        mlp: its name.
        neurons: which are kept, ascending.
        of: how many it has.
        asked: the faithfulness that was to be reached.
        faithfulness: of the circuit with these.
        whole: of the circuit with all of its neurons.
    """

    mlp: str
    neurons: tuple[int, ...]
    of: int
    asked: float
    faithfulness: float
    whole: float
