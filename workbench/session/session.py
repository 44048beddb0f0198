"""A session: a model, a task's batch, a circuit, and the commands that led to it.

The one interface of screens, of the headless commands and of scripts. Everything it returns is
plain. What a command makes of the circuit stands in `edits`, what it is and how it is undone in
`commands` and `history`, how it is kept in `journal`, what it does to the metric in `engine`.
Importing this module loads no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from workbench.base.work import Stop
from workbench.circuits.names import TOGETHER, is_joined
from workbench.circuits.parts import edge_of
from workbench.session import commands as kinds
from workbench.session import edits
from workbench.session.about import Titled, read_about
from workbench.session.commands import Command
from workbench.session.deciding import Decider
from workbench.session.discoveries import Discoveries
from workbench.session.effects_file import load_effects, save_effects
from workbench.session.entry import entry
from workbench.session.expander import Expander, Progressed
from workbench.session.export import export
from workbench.session.group_commands import GroupCommands
from workbench.session.history import History
from workbench.session.interventions import SessionInterventions
from workbench.session.journal import Journal
from workbench.session.log import LogEntry
from workbench.session.metric_choice import MetricChoice
from workbench.session.neurons import SessionNeurons
from workbench.session.open import Opened
from workbench.session.pair_runs import PairRuns
from workbench.session.place import PlaceFile
from workbench.session.prompt_clusters import PromptClusterer
from workbench.session.prompt_pairs import PromptPairs
from workbench.session.pruning import Pruner
from workbench.session.read_only import OnChunk, Snapshot
from workbench.session.reliability import SessionReliability
from workbench.session.rules import EAP
from workbench.session.run_sets import RunSets
from workbench.session.session_history import SessionHistory
from workbench.session.settling import Settler
from workbench.session.state import Change, State
from workbench.session.state_tree import Measured
from workbench.session.status import first, milestone, told
from workbench.session.views import Status

if TYPE_CHECKING:
    from workbench.formats.chosen import FileSelection

__all__ = ["OnChunk", "Session"]


class Session(SessionHistory, Titled, GroupCommands):
    """A model, a task, a circuit and its history.

    All public methods may be called from any thread. `start_session`, `build_session` and
    `resume_session` (`start`) make one. What it shows and measures is documented in
    `ReadOnlySession`, its states in `SessionHistory`; here and in `GroupCommands` are the commands.
    Each is applied, evaluated and on the disk before its status is returned; if any of that fails
    it raises WorkbenchError, and the session is as before. A command that would change nothing
    says so in the status and is not written down. A command waits for one chunk of a sweep at
    most; call it from a worker all the same.

    Attributes:
        path: the journal.
        about, title: what its user calls it.
        place_file: keeps where the user was in the app, beside the journal.
        discoveries: runs methods of discovery, and keeps, shows and takes over what they find.
        clusterer: finds clusters of the task's prompts, a circuit for each.
        expander: expands all that is open by a rule.
        pruner: drops the weakest of all kept edges.
        decider: has the effects computed by which a command decides.
        pairs: the pairs of prompts that it looks at, and trying others.
        metric: what it measures by.
        neurons: what the neurons of MLPs do, and which of them the circuit keeps.
        interventions: what is done to components of the model.
        reliability: which components prefer the right answers.
        settler: scores all pairs, where edits are answered from a sample of them.
        log: the commands carried out since it was opened, oldest first, undo and redo among them.
        exported: the files written since it was opened.

    Glossary: docs/glossary.md#session.
    """

    def __init__(
        self,
        opened: Opened,
        journal: Journal,
        history: History,
        *,
        change: float | None = None,
        message: str = "",
    ) -> None:
        """For `workbench.session.start`, which knows what belongs together.

        Args:
            change: what the last edit did to the faithfulness, if it is known.
            message: for the status.
        """
        started = perf_counter()
        history.state = history.state.on_roles(opened.runs.batch.roles.names)
        scores = opened.engine.evaluate(history.state.circuit)
        status = first(opened.info, history, scores)
        status = replace(status, change=change, message=message, seconds=perf_counter() - started)
        seen = Snapshot(history.state, status, opened.runs)
        super().__init__(opened, history, seen, lambda: self.discoveries.shown)
        self.path = journal.path
        self._about = read_about(journal.path)
        self.place_file = PlaceFile(journal.path)
        self.log: list[LogEntry] = []
        self.exported: list[Path] = []
        self._journal = journal
        self.decider = Decider(self._effects, lambda: self._seen, self._compute)
        self._sets = RunSets(self._engine, opened.task, opened.settings, opened.runs)
        carry: dict[str, Any] = {"carry_out": self._carry_out}
        how = carry | {"exported": self.exported.append}
        self.discoveries = Discoveries(
            *(self._engine, self._lock, journal),
            circuit=lambda: self._seen.state.circuit,
            runs=lambda: self._seen.runs,
            **how,
        )
        unread = load_effects(journal.path, self._effects, seen.runs.digest)
        if damage := [*self.discoveries.damage, *filter(None, [unread])]:
            status = replace(status, message=" ".join([message, *damage]))
            self._seen = replace(seen, status=status)
        self.clusterer = PromptClusterer(self._engine, self._lock, opened.settings.seed, **how)
        parts = (self._engine, self._lock, self._effects, lambda: self._seen)
        self.expander = Expander(*parts, apply=self._apply)
        self.pruner = Pruner(*parts, shown=self._shown_result, decider=self.decider, **carry)
        self.pairs = PromptPairs(self._lock, lambda: self._seen, opened.settings, **how)
        self.metric = MetricChoice(self._sets, opened.task.metric, parts[-1], **carry)
        self.neurons = SessionNeurons(self._engine, self._lock, parts[-1], **carry)
        self.interventions = SessionInterventions(self._sets, self._lock, parts[-1], **carry)
        of_pairs = (opened.settings, self.interventions, lambda: self._seen.runs.digest)
        self.settler = Settler(opened, self._lock, parts[-1], self._show)
        self.reliability = SessionReliability(self._engine, self._lock, *of_pairs)

    @property
    def is_open(self) -> bool:
        """It holds its journal; once it is closed, no command can be carried out."""
        return self._journal.is_open

    def close(self) -> None:
        """Let go of the journal, for another process to resume it. Further commands fail."""
        with self._lock.foreground(), closing(self._journal):
            self.expander.conclude()
            save_effects(self.path, self._effects, self.pairs_digest)

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Commands on edges.

    def expand(
        self,
        node: str,
        inputs: str = "qkv",
        keep: Sequence[str] | None = None,
        *,
        setting: str = "full",
        by_role: bool = False,
    ) -> Status:
        """Close those of the node's inputs that are open, keeping `keep`.

        None: those that reach the threshold, or (`by_role`) edges at roles. Exact effects are all
        computed first; `setting` "eap" goes by the estimates. What is closed already stays.
        """
        score = self.decider.by(setting, by_role, inputs)
        return self._carry_out(
            lambda state: edits.expand(state, node, inputs, keep, score),
            lambda change: kinds.Expand(node=node, inputs=inputs, setting=setting, change=change),
            f"{node} is expanded already.",
        )

    def expand_all(
        self,
        rule: str = "threshold",
        value: float | None = None,
        *,
        setting: str = EAP,
        by_role: bool = False,
        progress: Callable[[Progressed], None] | None = None,
        cancel: Stop | None = None,
    ) -> Status:
        """Expand all that is open by a rule, as one command; see `Expander.run`."""
        return self.expander.run(
            rule, value, setting, by_role=by_role, progress=progress, cancel=cancel
        )

    def toggle(self, edge: str, *, setting: str = "full") -> Status:
        """Keep or drop one edge; an open destination is first closed with its preview.

        Args:
            edge: its name, or that of one at a role: `m0->a9.h1<k>@S1`; `m0->a9.h1` is those into
                q, k and v together, which are dropped if all are kept.
            setting: of the effects by which what is open is closed, as of `expand`.
        """
        inputs = TOGETHER if is_joined(edge) else ""
        score = self.decider.by(setting, edge_of(edge) != edge, inputs)
        return self._carry_out(
            lambda state: edits.toggle(state, edge, score),
            lambda change: kinds.Toggle(edge=edge, setting=setting, change=change),
        )

    def keep_above(
        self, node: str, inputs: str = "qkv", setting: str = "full", *, by_role: bool = False
    ) -> Status:
        """Close these inputs and keep exactly what reaches the threshold, as `expand` does."""
        score = self.decider.by(setting, by_role, inputs)
        return self._carry_out(
            lambda state: edits.keep_above(state, node, inputs, score),
            lambda change: kinds.KeepAbove(
                node=node, inputs=inputs, setting=setting, threshold=self.threshold, change=change
            ),
        )

    def drop_all(self, node: str, inputs: str = "qkv") -> Status:
        """Close these inputs and drop every edge into them."""
        return self._carry_out(
            lambda state: edits.drop_all(state, node, inputs),
            lambda change: kinds.DropAll(node=node, inputs=inputs, change=change),
        )

    def keep_all(self, node: str, inputs: str = "qkv") -> Status:
        """Close these inputs and keep every edge into them."""
        return self._carry_out(
            lambda state: edits.keep_all(state, node, inputs),
            lambda change: kinds.KeepAll(node=node, inputs=inputs, change=change),
        )

    def toggle_node(self, node: str) -> Status:
        """Drop every kept edge out of and into a node; a second time restores them."""
        return self._carry_out(
            lambda state: edits.toggle_node(state, node),
            lambda change: kinds.ToggleNode(node=node, change=change),
        )

    def reopen(self, node: str, inputs: str = "qkv") -> Status:
        """Make these inputs of the node open again and forget their kept edges."""
        return self._carry_out(
            lambda state: edits.reopen(state, node, inputs),
            lambda change: kinds.Reopen(node=node, inputs=inputs, change=change),
            f"{node} is open already.",
        )

    def clear(self) -> Status:
        """Back to everything open; groups and notes stay."""
        return self._carry_out(edits.clear, lambda change: kinds.Clear(change=change))

    def load(
        self, path: Path, selection: FileSelection | None = None, *, called: str = ""
    ) -> Status:
        """Replace the circuit by that of a file, or by one selected from the file's scores.

        It is closed, unless the file says what is open. Groups and notes come with it, scores not;
        what it says is done to the model. It is told as `called`. Errors as of `load_chosen`.
        """
        from workbench.formats.chosen import load_chosen

        circuit, name = load_chosen(path, self.graph, selection), called or str(path)
        circuit.at = circuit.at.named(self._seen.runs.batch.roles.names)
        done = self.interventions.of_file(circuit)
        return self._carry_out(
            lambda state: edits.load(state, circuit, done),
            lambda change: kinds.Load(path=name, change=change),
            "This is the circuit already." if called else f"The circuit in {path} is this one.",
        )

    # Commands on what is shown and said.

    def set_threshold(self, value: float) -> Status:
        """What |score| an edge needs to be kept on expanding, in units of the metric."""
        return self._carry_out(
            lambda state: edits.set_threshold(state, value),
            lambda change: kinds.SetThreshold(value=float(value), change=change),
        )

    def note(self, target: str, text: str) -> Status:
        """Write a note on a node, an edge or ("") the whole circuit; an empty text removes it."""
        return self._carry_out(
            lambda state: edits.note(state, target, text),
            lambda change: kinds.Note(target=target, text=text, change=change),
        )

    # What the circuit is compared with. No steps of undo: the circuit stays as it is.

    def set_reference(self, path: Path) -> Status:
        """Compare the circuit with that of a file, from now on.

        The file's circuit is kept with the session, whatever becomes of the file.
        """
        from workbench.formats.chosen import load_chosen

        command = kinds.SetReference.of(path, load_chosen(path, self.graph))
        with self._lock.foreground():
            return self._perform(command, perf_counter())

    def remove_reference(self) -> Status:
        """Compare the circuit with nothing any more."""
        with self._lock.foreground():
            if self.reference is None:
                return self._idle("The circuit is not compared with any.")
            return self._perform(kinds.RemoveReference(), perf_counter())

    # Back and forth.

    def undo(self) -> Status:
        """Take back the last command; a run of threshold moves is one."""
        with self._lock.foreground():
            self.expander.conclude()
            return self._perform(kinds.Undo(), perf_counter())

    def redo(self) -> Status:
        """Bring back what was undone last."""
        with self._lock.foreground():
            self.expander.conclude()
            return self._perform(kinds.Redo(), perf_counter())

    def go_to(self, n: int) -> Status:
        """Go to another state; the present one stays on its branch.

        Undo then takes back the command that made that state, and redo goes on along the branch
        that was left last.

        Args:
            n: the state's number, or that of any entry of the journal: the state after it.

        Raises:
            WorkbenchError: there is none of this number.
        """
        with self._lock.foreground():
            started = perf_counter()
            if self._history.number_of(n) == self._history.present:
                return self._idle(f"This is {self._history.called(n)}.")
            self.expander.conclude()
            return self._perform(kinds.GoTo(state=n), started)

    def name_state(self, n: int, name: str) -> Status:
        """Give a state a name, by which it is found again; "" takes it away. No step of undo.

        Raises:
            WorkbenchError: there is no such state, or another one has the name already.
        """
        name = " ".join(name.split())
        with self._lock.foreground():
            started = perf_counter()
            number = self._history.number_of(n)
            if self._history.name_of(number) == name:
                return self._idle("The name is the same.")
            return self._perform(kinds.NameState(state=number, name=name), started)

    def export(self, path: Path, format: str = "circuit") -> tuple[str, ...]:
        """Write a file, 'circuit' (ours) or 'eap-ig'; returns a sentence on each thing it lacks."""
        with self._lock.foreground():
            self._effects.estimate()
            known = self._history.done, self._effects.eap
            lost = export(path, format, self._seen, self._opened, *known)
            self.exported.append(path)
            return lost

    # How a command is carried out.

    def _carry_out(
        self,
        edit: Callable[[State], State],
        command: Callable[[Change], Command],
        idle: str = "Nothing to change.",
    ) -> Status:
        """Carry out the command that makes of the state what `edit` does, else say `idle`."""

        def carried_out() -> Status:
            with self._lock.foreground():
                self.expander.give_way(edit)
                return self._apply(edit, command, idle)

        return self.decider.decided(carried_out)

    def _apply(
        self,
        edit: Callable[[State], State],
        command: Callable[[Change], Command],
        idle: str = "Nothing to change.",
        started: float | None = None,
    ) -> Status:
        """`_carry_out` in a turn that the caller has."""
        started = perf_counter() if started is None else started
        change = Change.between(self._history.state, edit(self._history.state))
        if not change:
            return self._idle(idle)
        return self._perform(command(change), started)

    def _idle(self, message: str) -> Status:
        """Nothing is to be done: say so."""
        return self._show(replace(self._seen.status, message=message, seconds=0.0))

    def _perform(self, command: Command, started: float) -> Status:
        """Apply, evaluate, write down, show; in this order, and back again if anything fails."""
        before = self._history.state
        change, after = self._history.effect(command)
        message = self._history.describe(command)
        status, runs = self._seen.status, self._seen.runs
        mark = self._journal.length
        try:
            if change.edits_value:
                status, runs = self._sets.evaluated(before, after, status)
            after = after.on_roles(runs.batch.roles.names)
            took = perf_counter() - started
            other = runs.task is not self._opened.task or bool(runs.interventions)
            line = entry(self._history.n_entries + 1, command, status, took, other_pairs=other)
            self._journal.append(line)
        except BaseException:
            # Ctrl-C included, even one that comes when the entry is written already.
            self._journal.take_back(mark)
            if change.edits_value:
                self._sets.stay()
            raise
        self._history.record(command, after, Measured.from_entry(line))
        self.log.append(LogEntry.of(command, change, self._seen.status, status))
        if change.edits_value:
            self._sets.go_to(runs)
            self._effects.circuit_changed()
            self._effects.pairs_changed(runs.digest)
        return self._show(
            replace(
                status,
                message=told(command, message, milestone(self._seen.status, status)),
                seconds=perf_counter() - started,
                can_undo=self._history.can_undo,
                can_redo=self._history.can_redo,
            ),
            runs,
        )

    def _show(self, status: Status, runs: PairRuns | None = None) -> Status:
        seen = Snapshot(self._history.state, status, runs or self._seen.runs)
        _ = seen.comparison  # made here, so that no screen waits for it
        self._seen = seen
        return status
