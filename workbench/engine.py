"""The computing half of a session: the recorded runs and the evaluator of the present circuit.

It knows no history and no journal. Whatever goes wrong in it becomes one sentence, and leaves it able to
evaluate any circuit again. Importing this module loads no torch.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from workbench.circuit import Circuit
from workbench.effects import DROP, Matrix
from workbench.errors import Cancelled, WorkbenchError
from workbench.state import Change

if TYPE_CHECKING:
    import numpy as np

    from workbench.batch import Batch
    from workbench.evaluator import Evaluation, Evaluator, Workspace
    from workbench.model import Model

_NO_MEMORY = ("out of memory", "not enough memory", "can't allocate memory", "cannot allocate memory")


@contextmanager
def told() -> Iterator[None]:
    """Turn whatever goes wrong inside into a sentence for the user."""
    try:
        yield
    except (WorkbenchError, Cancelled):
        raise
    except Exception as error:
        if _is_lack_of_memory(error):
            raise WorkbenchError(
                "There is not enough memory for this, and the session is as before; try fewer pairs, or "
                "close other programs."
            ) from error
        said = str(error).strip().splitlines()
        raise WorkbenchError(
            f"The computation failed, and the session is as before; it said: {type(error).__name__}"
            f"{': ' + said[0] if said else ''}."
        ) from error


def _is_lack_of_memory(error: Exception) -> bool:
    # torch's class is known by name, since naming it would need torch.
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or (isinstance(error, RuntimeError) and any(s in str(error).lower() for s in _NO_MEMORY))
    )


class Engine:
    """Both runs of the whole batch, and an evaluator that follows the session's circuit.

    Attributes:
        model, batch, workspace: what is evaluated, on what.
    """

    def __init__(self, model: Model, batch: Batch, workspace: Workspace) -> None:
        self.model = model
        self.batch = batch
        self.workspace = workspace
        # None after a failure: the evaluator is then built anew from the session's circuit.
        self._evaluator: Evaluator | None = None

    def evaluator(self, circuit: Circuit) -> Evaluator:
        """The evaluator, at this circuit, which has to be the one that it was moved to last."""
        from workbench.evaluator import Evaluator

        if self._evaluator is None:
            with told():
                self._evaluator = Evaluator(self.workspace, _bare(circuit))
        return self._evaluator

    def evaluate(self, circuit: Circuit) -> Evaluation:
        """Evaluate a circuit from nothing, and follow it from now on."""
        self.forget()
        with told():
            return self.evaluator(circuit).value()

    def move(self, before: Circuit, change: Change) -> Evaluation:
        """Go from one circuit to the next.

        Raises:
            WorkbenchError: if that fails; the engine is then at no circuit, and `evaluator` goes back.
        """
        from workbench.evaluator import Edit

        edit = Edit(
            toggle=(*change.added, *change.removed), open=change.opened, close=change.closed
        )
        try:
            with told():
                return self.evaluator(before).commit(edit)
        except BaseException:
            self.forget()
            raise

    def forget(self) -> None:
        """Be at no circuit."""
        self._evaluator = None

    def effects(
        self, circuit: Circuit, edges: list[str], kind: str, cancel: Any
    ) -> Iterator[tuple[list[str], np.ndarray[Any, Any]]]:
        """Exact values in chunks: of one of the settings, or what dropping each kept edge would cost."""
        from workbench.patching import drop_costs, edge_effects

        evaluator = self.evaluator(circuit)
        with told():
            if kind == DROP:
                yield from drop_costs(evaluator, edges, cancel=cancel)
            else:
                yield from edge_effects(evaluator, edges, kind, cancel=cancel)

    def eap(self) -> Matrix:
        with told():
            return self.workspace.eap()


def _bare(circuit: Circuit) -> Circuit:
    """A circuit of the evaluator's own: it changes what it is given."""
    return Circuit(circuit.graph, circuit.mask.copy(), circuit.open)
