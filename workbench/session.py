"""A session: a model, a task's batch, a circuit, and the commands that led to it.

The one interface of screens, of the headless commands and of scripts. Everything it returns is
plain. Importing this module loads no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.views import Candidate, PromptView, SessionSummary, Status, TaskInfo, TreeRow

if TYPE_CHECKING:
    from tasks.task import Task
    from workbench.circuit import Circuit
    from workbench.graph import Graph
    from workbench.info import ModelInfo
    from workbench.model import Model

Progress = Callable[[str, float | None], None]
OnChunk = Callable[[dict[str, float], int, int], None]


class Session:
    """A model, a task, a circuit and its history. All public methods may be called from any thread.

    What only reads (`status`, `tree`, `frontier`, `candidates`, `preview`, `prompts`) never waits
    for a computation. Commands, sweeps and readouts compute: call them from a worker.

    Attributes:
        model: what is known of the model.
        task: the task, with warnings if the model cannot do it.
        readouts: `lens`, `attribution`, `curve`, `attention` and `residual` of a node.
        path: the journal.
    """

    model: ModelInfo
    task: TaskInfo
    path: Path
    readouts: Any

    @classmethod
    def start(
        cls,
        model_name: str,
        task_name: str,
        *,
        pairs: int | None = 32,
        seed: int = 0,
        metric: str | None = None,
        device: str | None = None,
        dtype: str | None = None,
        revision: str | None = None,
        bos: bool | None = None,
        mismatch: str = "refuse",
        ablation: str = "patching",
        journal: Path | None = None,
        circuit: Path | None = None,
        progress: Progress | None = None,
    ) -> Session:
        """Load a model and a task and begin."""
        raise NotImplementedError

    @classmethod
    def build(
        cls,
        model: Model,
        task: Task,
        *,
        seed: int = 0,
        bos: bool | None = None,
        mismatch: str = "refuse",
        ablation: str = "patching",
        journal: Path | None = None,
        circuit: Path | None = None,
        progress: Progress | None = None,
    ) -> Session:
        """Begin with a model and a task that are loaded already."""
        raise NotImplementedError

    @classmethod
    def resume(cls, journal: Path, *, progress: Progress | None = None) -> Session:
        """Load what a journal names and go on where it ends."""
        raise NotImplementedError

    def close(self) -> None:
        """Let go of the journal, so that another process may resume it."""
        raise NotImplementedError

    # What it shows; these never wait.

    @property
    def graph(self) -> Graph:
        raise NotImplementedError

    @property
    def circuit(self) -> Circuit:
        """A copy of the circuit, with groups, notes and EAP scores."""
        raise NotImplementedError

    @property
    def threshold(self) -> float:
        """In units of the metric: an edge whose |score| is at least that is kept on expanding."""
        raise NotImplementedError

    def status(self) -> Status:
        raise NotImplementedError

    def tree(self) -> list[TreeRow]:
        """The circuit back from the logits, depth first, each node's feeders by falling
        |effect|.
        """
        raise NotImplementedError

    def frontier(self) -> list[str]:
        """Nodes that are kept but not, or not wholly, expanded; the most promising first."""
        raise NotImplementedError

    def candidates(self, node: str, inputs: str = "qkv", setting: str = "full") -> list[Candidate]:
        """All edges into these inputs of a node, by falling |score|. Empty for the input."""
        raise NotImplementedError

    def preview(self, node: str, inputs: str = "qkv", setting: str = "full") -> int:
        """How many of the candidates would be kept at the threshold."""
        raise NotImplementedError

    def prompts(self, index: int) -> PromptView:
        raise NotImplementedError

    def commands(self) -> list[str]:
        """One line for each command that led to the circuit, oldest first (undone ones left
        out).
        """
        raise NotImplementedError

    # Long computations.

    def sweep(
        self,
        node: str,
        inputs: str = "qkv",
        setting: str = "full",
        *,
        cancel: Any = None,
        on_chunk: OnChunk | None = None,
    ) -> bool:
        """Exact effects of all candidates, largest |EAP| first. False if it was stopped before the
        end.

        It stops when `cancel.is_set()`, or when a command changed the circuit and the setting
        depends on it; what was computed until then stays. `on_chunk(values, done, total)` comes
        from this thread.
        """
        raise NotImplementedError

    def drop_costs(self, *, cancel: Any = None, on_chunk: OnChunk | None = None) -> bool:
        """What each kept edge would cost if it were dropped now. Stops as `sweep` does."""
        raise NotImplementedError

    # Commands: each is applied, evaluated and journalled before its status is returned.

    def expand(
        self,
        node: str,
        inputs: str = "qkv",
        keep: Sequence[str] | None = None,
        *,
        setting: str = "full",
    ) -> Status:
        """Close those of the node's inputs that are open, keeping `keep` (None: the previewed
        edges).
        """
        raise NotImplementedError

    def toggle(self, edge: str, *, setting: str = "full") -> Status:
        """Keep or drop one edge; an open destination is first closed with its preview."""
        raise NotImplementedError

    def keep_above(self, node: str, inputs: str = "qkv", setting: str = "full") -> Status:
        """Set the kept edges into these inputs to exactly the preview."""
        raise NotImplementedError

    def drop_all(self, node: str, inputs: str = "qkv") -> Status:
        raise NotImplementedError

    def keep_all(self, node: str, inputs: str = "qkv") -> Status:
        raise NotImplementedError

    def toggle_node(self, node: str) -> Status:
        """Drop every kept edge out of and into a node; a second time restores them."""
        raise NotImplementedError

    def reopen(self, node: str, inputs: str = "qkv") -> Status:
        """Make these inputs of the node open again and forget their kept edges."""
        raise NotImplementedError

    def set_threshold(self, value: float) -> Status:
        raise NotImplementedError

    def set_group(self, name: str, nodes: Sequence[str], role: str = "") -> Status:
        """Make or replace a group; a node is in one group at most."""
        raise NotImplementedError

    def remove_group(self, name: str) -> Status:
        raise NotImplementedError

    def note(self, target: str, text: str) -> Status:
        """Write a note on a node, an edge or ("") the whole circuit; an empty text removes it."""
        raise NotImplementedError

    def load(self, path: Path) -> Status:
        """Replace the circuit by one from a file, closed, unless the file says what is open."""
        raise NotImplementedError

    def clear(self) -> Status:
        """Back to everything open; groups and notes stay."""
        raise NotImplementedError

    def undo(self) -> Status:
        raise NotImplementedError

    def redo(self) -> Status:
        raise NotImplementedError

    def export(self, path: Path, format: str = "circuit") -> None:
        """Write the circuit file: format 'circuit' (ours, with provenance) or 'eap-ig'."""
        raise NotImplementedError


def list_sessions() -> list[SessionSummary]:
    """The journals in the state folder, the latest first; what cannot be read is left out."""
    raise NotImplementedError
