"""What a session shows: plain frozen values, free of torch.

For screens, the command line and scripts. Every number is a Python float or int. Effects are in
units of the metric: the change of its mean over the pairs when the edge is corrupted, so a positive
component has a negative effect.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.session.agreement import Agreement

if TYPE_CHECKING:
    from workbench.circuits.comparison import Standing
    from workbench.session.sampling import Sample


@dataclass(frozen=True)
class Status:
    """Where the session stands.

    Always at hand without waiting: it is replaced when a command is done.

    Attributes:
        model_metric: mean of the metric over the pairs in the clean run of the whole model.
        corrupted_metric: the same in the corrupted run.
        circuit_metric: the same in the circuit, with its open destinations reading the clean
            residual.
        faithfulness: (circuit - corrupted) / (model - corrupted), a ratio of means; None if the two
            hardly differ.
        change: what the last edit did to the faithfulness; None before the first edit.
        agreement: accuracy and KL, which may still have to be computed.
        edges: kept edges, dead ends included, as a circuit file would list them.
        all_edges: edges of the model's graph.
        nodes: nodes from which kept edges lead to the logits, the logits included.
        all_nodes: nodes of the model's graph, the input and the logits included.
        dead_edges: of the kept edges, those that cannot matter: on no path to the logits that
            starts at the input or at an open destination.
        open_destinations: open destinations on which the metric depends.
        closed: there are none: the faithfulness is the circuit's own.
        reached_input: kept edges lead from the input to the logits.
        seconds: what the last command took.
        message: one line to show: what the last command did, or that the embeddings are reached.
        revision: grows by one with every change of the circuit's edges, or of the pairs.
        at_roles: of the kept edges, those that are kept at some roles only.
        sample: which share of all pairs these numbers are of, and those of all once they are there;
            None if they are of all.

    Glossary: docs/glossary.md#revision, docs/glossary.md#status.
    """

    model_metric: float
    corrupted_metric: float
    circuit_metric: float
    faithfulness: float | None
    change: float | None
    agreement: Agreement = field(compare=False)
    edges: int
    all_edges: int
    nodes: int
    all_nodes: int
    dead_edges: int
    open_destinations: int
    closed: bool
    reached_input: bool
    seconds: float
    can_undo: bool
    can_redo: bool
    message: str
    revision: int
    at_roles: int = 0
    sample: Sample | None = None

    @property
    def accuracy(self) -> float:
        """Fraction of pairs on which the circuit gives the best answer more than the best wrong."""
        return self.agreement.read()[0]

    @property
    def kl(self) -> float:
        """Mean over the pairs of KL(model || circuit) at the last position, in nats.

        Summed over the vocabulary.
        """
        return self.agreement.read()[1]

    def to_json(self) -> dict[str, Any]:
        """As plain values under the attributes' names."""
        value = {name: each for name, each in vars(self).items() if name != "agreement"}
        sample = None if self.sample is None else asdict(self.sample)
        return value | {"accuracy": self.accuracy, "kl": self.kl, "sample": sample}


@dataclass(frozen=True)
class Candidate:
    """One edge that could feed the chosen node.

    Attributes:
        kept: it is in the circuit (never so while its destination is open).
        preview: it would be kept if the destination were expanded now: |score| >= threshold.
        open: its destination is open.
        eap: the EAP estimate of its effect.
        exact: the exact effect in the chosen setting, None until it is computed or when it went
            stale.
        score: `exact` if known, else `eap`; the candidates come by falling |score|.
        drop_cost: what dropping this kept edge now would do to the metric; None until computed or
            stale.
        role: the role (or name) of the first group that holds the source.
        reference: where the edge stands in the comparison with the reference; None if there is no
            reference, or if neither has the edge.
        found: its score by the shown result of a discovery, or that of its source if the method
            scores nodes; None if there is none.
        direct: of an edge into the logits, the direct effect of its source on the logit difference,
            final norm held; None for others, and until computed.
        proposed: that result's circuit and this one differ in this edge, and the user has not
            refused the change.
        at: of an edge at a role, that role; of an edge that is kept at some roles only, those.

    Glossary: docs/glossary.md#candidate, docs/glossary.md#preview.
    """

    edge: str
    source: str
    destination: str
    kept: bool
    preview: bool
    open: bool
    eap: float
    exact: float | None
    score: float
    drop_cost: float | None
    role: str | None
    reference: Standing | None = None
    found: float | None = None
    direct: float | None = None
    proposed: bool = False
    at: tuple[str, ...] = ()


@dataclass(frozen=True)
class TaskInfo:
    """The task and how it is run.

    Attributes:
        ablation: what stands outside the circuit ('patching': the corrupted prompt's values).
        bos: a BOS token is put before every prompt.
        notes: what the task adapted to the tokenizer.
        warnings: sentences, with numbers, where the model cannot do the task.
        answer_labels: labels of the task's answer space, in the order of the curve.
        dropped: pairs left out because their two prompts differ in token length.
        model_metric, corrupted_metric, model_accuracy, corrupted_accuracy: means over the pairs.
        interventions: what is done to the model in both runs, a line each.
    """

    name: str
    description: str
    metric: str
    metric_definition: str
    n_pairs: int
    seed: int | None
    ablation: str
    bos: bool
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    answer_labels: tuple[str, ...]
    dropped: int
    model_metric: float
    corrupted_metric: float
    model_accuracy: float
    corrupted_accuracy: float
    interventions: tuple[str, ...] = ()


@dataclass(frozen=True)
class SessionSummary:
    """One journal in the list of sessions.

    Attributes:
        when: time of the last command (of the start if there is none), ISO 8601, UTC.
        edges: edges kept after the last command.
        faithfulness: as shown after the last command; None if unknown.
        title, tags: what its user calls it; often empty.
        damage: a sentence if the journal cannot be read: nothing but the path, the title and `when`
            (of the last change of the file) is known then.
    """

    path: Path
    model: str
    task: str
    when: str
    edges: int
    n_commands: int
    faithfulness: float | None
    title: str = ""
    tags: tuple[str, ...] = ()
    damage: str = ""

    @property
    def name(self) -> str:
        """What to call it: its title, or the name of its file."""
        return self.title or self.path.stem

    @property
    def words(self) -> str:
        """All that it can be found by, in one line."""
        tags = (f"#{tag}" for tag in self.tags)
        return " ".join([self.title, *tags, self.model, self.task, self.path.stem, self.damage])

    def has(self, words: Sequence[str]) -> bool:
        """Whether each of these words stands somewhere in it, in capitals or not."""
        mine = self.words.casefold()
        return all(word.casefold() in mine for word in words)

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self) | {"path": str(self.path), "tags": list(self.tags)}
