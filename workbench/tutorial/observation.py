"""What the tutorial sees of the app, in plain values: a step is checked without a screen."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.circuits.circuit import RoleGroup
from workbench.circuits.names import NodeKind, kind_of
from workbench.circuits.tree import TreeRow
from workbench.readouts.results import AnswerCurve
from workbench.session.log import LogEntry
from workbench.session.views import Candidate, Status


@dataclass(frozen=True)
class Look:
    """What the user looks at.

    Attributes:
        screen: 'bench', 'graph', 'prompts', or another that lies on top.
        panel: of the bench: 'circuit', 'candidates' or 'readouts'.
        node: the one whose incoming edges are listed.
        inputs: which of a head's inputs: 'qkv', 'q', 'k' or 'v'.
        setting: of the exact effects.
        costs: drop costs are shown.
        edge: the one under the cursor of the list.
        readout: the view of the readouts.
        read: the node that they are of.
    """

    screen: str = "bench"
    panel: str = "circuit"
    node: str = "logits"
    inputs: str = "qkv"
    setting: str = "full"
    costs: bool = False
    edge: str | None = None
    readout: str = "lens"
    read: str | None = None


@dataclass(frozen=True)
class Moment:
    """What there is to see at one moment.

    Attributes:
        metric: the task's.
        edges: the edges that are listed, those into `look.node`.
        rows: the circuit as a tree.
        frontier: nodes that are kept and still open, the most promising first.
        nodes: all nodes of the model.
        curve: what the readouts show, if it is a curve.
        log: all commands since the session was opened.
        exported: the files' names.
    """

    look: Look
    status: Status
    metric: str
    threshold: float
    edges: tuple[Candidate, ...] = ()
    rows: tuple[TreeRow, ...] = ()
    frontier: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    groups: tuple[RoleGroup, ...] = ()
    curve: AnswerCurve | None = None
    log: tuple[LogEntry, ...] = ()
    exported: tuple[str, ...] = ()

    @property
    def edge(self) -> Candidate | None:
        """The edge under the cursor."""
        return next((edge for edge in self.edges if edge.edge == self.look.edge), None)

    def some(self, kind: NodeKind) -> str:
        """A node to name as an example: the first of its kind in the circuit.

        Else the last of the model.
        """
        inside = (row.name for row in self.rows if kind_of(row.name) == kind)
        others = (node for node in reversed(self.nodes) if kind_of(node) == kind)
        return next(inside, None) or next(others, "logits")


@dataclass(frozen=True)
class Observation:
    """What a step's check looks at.

    Attributes:
        began: the moment at which the step began.
        now: the present one.
        looks: what was looked at since, each change of it; not what was there when it began.

    Glossary: docs/glossary.md#observation.
    """

    began: Moment
    now: Moment
    looks: tuple[Look, ...] = ()

    @property
    def log(self) -> tuple[LogEntry, ...]:
        """The commands carried out since the step began."""
        return self.now.log[len(self.began.log) :]

    @property
    def exported(self) -> tuple[str, ...]:
        """The files written since the step began."""
        return self.now.exported[len(self.began.exported) :]
