"""A session as its journal tells it, without the model: its states and their circuits.

Nothing is locked and nothing written, so it can be read while the session goes on elsewhere.
Importing this loads no torch.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tasks.task import Task
from workbench.circuits.circuit import Circuit
from workbench.errors import WorkbenchError
from workbench.experiment.provenance import digest, now
from workbench.metrics.catalogue import METRICS
from workbench.session.export import original, told_commands
from workbench.session.header import Header
from workbench.session.history import History
from workbench.session.journal import read
from workbench.session.pair_runs import task_of
from workbench.session.start import replayed
from workbench.session.state_rows import StateRow, state_rows


@dataclass(frozen=True)
class RecordedSession:
    """What stands in a journal, carried out.

    Attributes:
        path: the journal.
        header: what the session began with.
        history: all its states.
        fields: the header's plain values.
    """

    path: Path
    header: Header
    history: History
    fields: dict[str, Any]

    @classmethod
    def read(cls, path: Path) -> RecordedSession:
        """Raises WorkbenchError for a file that is no journal, or one that does not fit."""
        reading = read(path)
        header = Header.from_json(reading.header)
        return cls(path, header, replayed(header, reading, path), reading.header)

    def rows(self) -> list[StateRow]:
        """All states, in the order in which they were made."""
        return state_rows(self.history)

    def find(self, state: str) -> int:
        """The number of a state.

        Args:
            state: its number, that of any entry of the journal, or its name.

        Raises:
            WorkbenchError: there is none.
        """
        named = self.history.number_named(state)
        if named is not None:
            return named
        if not state.isdecimal():
            raise WorkbenchError(
                f"No state has the name {state[:60]!r}: "
                f"`workbench history {self.path.stem}` lists them all."
            )
        return self.history.number_of(int(state))

    def task(self, n: int) -> Task:
        """The task on the pairs that are in use in a state."""
        state = self.history.state_at(n)
        return task_of(self.header.task, state.pairs, state.metric)

    def circuit(self, n: int) -> Circuit:
        """The circuit of a state, with what the journal knows of where it comes from.

        It has no scores: estimates come from the model.
        """
        circuit = self.history.state_at(n).circuit.copy()
        circuit.provenance = self._provenance(n)
        return circuit

    def _provenance(self, n: int) -> dict[str, Any]:
        fields, settings = self.fields, self.header.settings
        task = self.task(n)
        measured = self.history.measured(n)
        clean, corrupted = self.header.metrics(measured)
        # Which pairs were left out, only the tokenizer knows.
        pairs: dict[str, Any] = {}
        if settings.mismatch == "refuse" and not settings.drop_bad:
            pairs = {"pairs": len(task.pairs), "dropped": 0, "pairs_sha256": digest(task)}
        if task is not self.header.task:
            pairs["changed_from"] = original(self.header.task)
        metric = str(fields.get("metric", task.metric))
        definition = METRICS[metric].definition if metric in METRICS else ""
        done = [one.to_json() for one in self.history.state_at(n).interventions]
        return {
            **({"interventions": done} if done else {}),
            "model": {
                "name": settings.model,
                "revision": settings.revision,
                "dtype": settings.dtype,
                "device": settings.device,
                "bos": fields.get("bos"),
            },
            "task": {"name": task.name, "source": task.source, "seed": task.seed, **pairs},
            "metric": {"name": metric, "definition": definition},
            "ablation": settings.ablation
            if settings.means is None
            else {"name": settings.ablation, "means_from": {"task": settings.means}},
            "seed": settings.seed,
            "versions": fields.get("versions", {}),
            "evaluation": {
                "clean": clean,
                "corrupted": corrupted,
                "faithfulness": measured.faithfulness,
                "edges": measured.edges,
            },
            "commands": told_commands(self.history.commands_to(n)),
            "created": now(),
        }


def plain_rows(rows: list[StateRow]) -> list[dict[str, Any]]:
    """The rows as plain values, for programs."""
    return [asdict(row) for row in rows]
