"""What was found of sound and faulty components, in plain values; no torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from workbench.base.table import Cell, Table
from workbench.errors import WorkbenchError

if TYPE_CHECKING:
    from workbench.readouts.results import Position

Kind = Literal["reliable", "harmful", "unreliable"]
KINDS: dict[Kind, str] = {
    "reliable": "right on {sound:.0%} or more of the prompts of a class",
    "harmful": "promotes a wrong answer on {harm:.0%} or more of all prompts",
    "unreliable": "neither",
}

Order = Literal["f1", "precision", "recall"]
ORDERS: tuple[Order, ...] = ("f1", "precision", "recall")

OWN_RUNS = ("clean", "corrupted", "clean-corrupted")
"""Of which run contributions may be."""

DEFINITION = (
    "A component's own contribution at {place}, z W_O of a head or activation times "
    "W_out of a neuron, is unembedded as it is, without the final norm. It is right on a prompt if "
    "a right answer then has a higher logit than every wrong one and is among the {rank} likeliest "
    "tokens of the contribution. Classes are the task's answer sets. It is reliable on a class if "
    "it is right on {sound:.0%} of its prompts or more. It promotes an answer if that has at least "
    "{share:g} of its largest logit. Precision of a class: of the prompts on which it promotes the "
    "class's answer, the share that are of the class, the other classes together weighing as much "
    "as it; recall: on which share of the class's prompts it promotes the answer; F1 is their "
    "harmonic mean. Harmful: it promotes a wrong answer on {harm:.0%} of all prompts or more, and "
    "is reliable on no class. After RASteer (2507.00322)."
)
STEERING = (
    "Components reliable on most classes come first, among these by mean {order} over the classes. "
    "The first so many are "
    "scaled at all positions. Number and factor are those with the most right likeliest tokens on "
    "the first half of each class's prompts, of equals the fewest components and the smallest "
    "factor; what they do is told on the other half, which had no part in finding or choosing."
)


_ON = {
    "clean": "",
    "corrupted": ", on the corrupted prompts",
    "clean-corrupted": ", on the clean prompts less on the corrupted ones",
}


@dataclass(frozen=True)
class ReliabilitySettings:
    """By what components are told apart.

    Attributes:
        sound: the accuracy from which on a component is reliable on a class.
        harm: the share of prompts with a wrong answer promoted that makes it harmful.
        share: of the largest logit that an answer has to have to be promoted.
        rank: among how many likeliest tokens a right answer has to be.
        neurons: neurons are looked at, too: those whose output has an answer among its
            `extreme` likeliest or unlikeliest tokens.
        extreme: see there.
        order: by which mean over the classes reliable components come, see `ORDERS`.
        numbers: of components to scale; those beyond what is reliable are left out.
        factors: to scale them by.
        position: at which contributions are read, from the prompts' ends if negative, else from
            their starts; or a role, at its last token in those of the prompts that have it.
        pair: of this pair alone, from 0; None: of all. Of one nothing is scaled up.
        run: whose contributions, of the `clean` or the `corrupted` prompts, or their difference,
            `clean-corrupted`, what is written on the clean ones less what is on the corrupted; what
            is right is what is right on the clean ones.
    """

    sound: float = 0.9
    harm: float = 0.5
    share: float = 0.5
    rank: int = 100
    neurons: bool = False
    extreme: int = 50
    order: Order = "recall"
    numbers: tuple[int, ...] = (1, 2, 3, 5, 10, 20, 30, 40, 50, 60)
    factors: tuple[float, ...] = (1.2, 1.4, 1.6, 1.8, 2.0)
    position: Position = -1
    pair: int | None = None
    run: str = "clean"

    def __post_init__(self) -> None:
        """Raises WorkbenchError for what cannot be meant."""
        shares = (self.sound, self.harm, self.share)
        if not all(0 < value <= 1 for value in shares):
            raise WorkbenchError("The shares that tell components apart lie between 0 and 1.")
        if self.rank < 1 or self.extreme < 1 or not self.factors or not self.numbers:
            raise WorkbenchError("Name at least one rank, number and factor.")
        if self.order not in ORDERS:
            raise WorkbenchError(
                f"There is no order {self.order!r}: choose of {', '.join(ORDERS)}."
            )
        if min(self.numbers) < 1:
            raise WorkbenchError("At least one component is scaled.")
        if self.run not in OWN_RUNS:
            raise WorkbenchError(
                f"There is no run {self.run!r} here; choose of {', '.join(OWN_RUNS)}."
            )

    @property
    def definition(self) -> str:
        """With these numbers."""
        return DEFINITION.format(**vars(self), place=self.place)

    @property
    def place(self) -> str:
        """Where contributions are read, in words."""
        place = f"position {self.position}"
        if isinstance(self.position, str):
            place = f"the last token of the role {self.position}"
        elif self.position == -1:
            place = "the last position"
        over = "" if self.pair is None else f" of prompt {self.pair + 1}"
        return f"{place}{over}{_ON[self.run]}"

    def words(self, kind: Kind) -> str:
        """What a kind means, with these numbers."""
        return KINDS[kind].format(**vars(self))


@dataclass(frozen=True)
class ComponentReliability:
    """One head or neuron.

    Attributes:
        name: a9.h1, m10.n421.
        layer: that it is in.
        accuracy: by class, the share of prompts on which it is right.
        precision, recall, f1: by class.
        macro_f1: mean of `f1`.
        sound: on how many classes it is reliable.
        harmful_share: of prompts on which it promotes a wrong answer.
        kind: what it is therefore.
    """

    name: str
    layer: int
    accuracy: tuple[float, ...]
    precision: tuple[float, ...]
    recall: tuple[float, ...]
    f1: tuple[float, ...]
    macro_f1: float
    sound: int
    harmful_share: float
    kind: Kind

    def mean(self, order: Order) -> float:
        """Mean of a measure over the classes."""
        values: tuple[float, ...] = getattr(self, order)
        return sum(values) / len(values)


@dataclass(frozen=True)
class ReliabilityMap:
    """All heads, and the neurons that were looked at.

    Attributes:
        classes: the answer sets, as text.
        prompts: of each class how many were looked at.
        components: the reliable ones first, in the order in which they are scaled up.
        n_layers, n_heads: of the model.
        settings: by what they were told apart.
        definition: in words.
    """

    classes: tuple[str, ...]
    prompts: tuple[int, ...]
    components: tuple[ComponentReliability, ...]
    n_layers: int
    n_heads: int
    settings: ReliabilitySettings
    definition: str

    def of_kind(self, kind: Kind) -> tuple[ComponentReliability, ...]:
        """Those of one kind, in order."""
        return tuple(one for one in self.components if one.kind == kind)

    def table(self) -> Table:
        """One row a component, one column of each measure and class."""
        columns = ["component", "kind", "sound_classes", "macro_f1", "harmful_share"]
        columns += [
            f"{what}[{name}]"
            for what in ("accuracy", "precision", "recall", "f1")
            for name in self.classes
        ]
        rows: list[tuple[Cell, ...]] = [
            (
                *(one.name, one.kind, one.sound, one.macro_f1, one.harmful_share),
                *(*one.accuracy, *one.precision, *one.recall, *one.f1),
            )
            for one in self.components
        ]
        return Table("reliability of components", tuple(columns), tuple(rows))


@dataclass(frozen=True)
class GridPoint:
    """So many components scaled by a factor: the share of right likeliest tokens, by class."""

    number: int
    factor: float
    accuracy: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean over the classes."""
        return sum(self.accuracy) / len(self.accuracy)


@dataclass(frozen=True)
class OnAnotherTask:
    """What scaling does to another task: the share of right likeliest tokens."""

    task: str
    pairs: int
    before: float
    after: float


@dataclass(frozen=True)
class Steering:
    """The reliable components scaled up.

    Attributes:
        ranked: names in the order in which they are scaled.
        before: by class, right likeliest tokens of the model as it is, first half.
        grid: every number and factor tried, on the first half.
        number, factor: those chosen; 0 and 1 where nothing does better than the model as it is.
        told_before, told_after: by class, on the other half.
        told_prompts: of each class how many prompts the other half has.
        also: what it does to another task; None where none was named.
        perplexity_before, perplexity_after: of plain English text.
        text_tokens: how many tokens that has.
        intervention: the line that does it; "" for none.
        definition: how it was chosen.
    """

    ranked: tuple[str, ...]
    before: tuple[float, ...]
    grid: tuple[GridPoint, ...]
    number: int
    factor: float
    told_before: tuple[float, ...]
    told_after: tuple[float, ...]
    told_prompts: tuple[int, ...]
    also: OnAnotherTask | None
    perplexity_before: float
    perplexity_after: float
    text_tokens: int
    intervention: str
    definition: str = STEERING.format(order="recall")


@dataclass(frozen=True)
class Reliability:
    """The map, and what scaling up the reliable ones does; None where it was not asked for."""

    map: ReliabilityMap
    steering: Steering | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values under the attributes' names."""
        return asdict(self)
