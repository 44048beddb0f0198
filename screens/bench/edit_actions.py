"""Edits on the bench: what keys that change circuit, notes and threshold do."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from textual.screen import Screen

from screens.base.numbers import digits_for, plain
from screens.bench.candidates import Candidates
from screens.bench.cursor import Cursor
from screens.bench.session_runner import AT_ONCE
from workbench.circuits.parts import edge_of
from workbench.session.views import Candidate, Status

if TYPE_CHECKING:
    from workbench.session.session import Session

STEP = 10 ** (1 / 8)
"""Factor of one press of a threshold key: eight of them are a power of ten."""


class EditActions:
    """Makes commands of what the user wishes where the cursor is.

    Attributes:
        threshold: as the user wants it, before the session has it.
    """

    def __init__(
        self,
        session: Session,
        screen: Screen[Any],
        table: Candidates,
        *,
        command: Callable[..., None],
        cursor: Callable[[], Cursor],
        describe: Callable[[], None],
    ) -> None:
        """For a bench.

        Args:
            screen: asks and notifies.
            table: of edges, whose marks change at once.
            command: queues a command, as `SessionRunner.command`.
            cursor: says where the user is.
            describe: brings the words on the screen up to date.
        """
        self.session = session
        self.threshold = session.threshold
        self._screen = screen
        self._table = table
        self._command = command
        self._cursor = cursor
        self._describe = describe

    # The circuit.

    def expand(self) -> None:
        view = self._cursor().chosen
        how: dict[str, Any] = {"setting": view.setting, "by_role": view.by_role}
        self._command(lambda: self.session.expand(view.node, view.inputs, **how), decides=True)

    def keep_or_drop(self) -> None:
        at = self._cursor()
        if at.in_table is not None:
            self.toggle(at.in_table)
        elif at.panel == "circuit":
            row = at.row
            if row is None or row.edge is None:
                self._screen.notify("The logits are the root: there is no edge to drop.", timeout=4)
                return
            self._command(partial(self.session.toggle, row.edge, setting=at.view.setting))

    def head_inputs(self) -> None:
        """Keep or drop what leads from the edge's source into q, k and v of the head."""
        at = self._cursor()
        edge = at.in_table.edge if at.in_table is not None else None
        if at.panel == "circuit" and at.row is not None:
            edge = at.row.edge
        if edge is None:
            self._screen.notify("Go to an edge first: in the table of edges, or below a node.")
            return
        toggle = partial(self.session.toggle_inputs, edge, setting=at.view.setting)
        self._command(toggle, decides=True)

    def keep_above(self) -> None:
        view = self._cursor().chosen
        asked = view.node, view.inputs, view.setting
        keep = partial(self.session.keep_above, *asked, by_role=view.by_role)
        self._command(keep, decides=True)

    def drop_all(self) -> None:
        view = self._cursor().chosen
        self._command(partial(self.session.drop_all, view.node, view.inputs))

    def keep_all(self) -> None:
        view = self._cursor().chosen
        self._command(partial(self.session.keep_all, view.node, view.inputs))

    def toggle_node(self) -> None:
        self._command(partial(self.session.toggle_node, self._cursor().source))

    def together(self) -> None:
        """Drop the node under the cursor with those that make up for it; computed first."""
        at = self._cursor()
        node, session, setting = at.source, self.session, at.view.setting

        def drop() -> Status:
            found = session.node_effects.repair_of(node)
            return session.drop_together(found.together(node), setting=setting)

        self._command(drop, decides=True)

    def reopen(self) -> None:
        view = self._cursor().chosen
        self._command(partial(self.session.reopen, view.node, view.inputs))

    def undo(self) -> None:
        self._command(self.session.undo)

    def redo(self) -> None:
        self._command(self.session.redo)

    def clear(self) -> None:
        from screens.widgets.dialogs import Confirm

        def go(yes: bool | None) -> None:
            if yes:
                self._command(self.session.clear)

        question = "Start over with only the logits, open? Undo brings the circuit back."
        self._screen.app.push_screen(Confirm(question, "Start over"), go)

    def toggle(self, edge: Candidate) -> None:
        """Keep or drop an edge; the mark changes at once, the numbers when they are computed."""
        table = self._table
        table.in_flight[edge.edge] = not table.in_flight.get(
            edge.edge, edge.kept or (edge.open and edge.preview)
        )
        self._screen.set_timer(AT_ONCE, table.mark_in_flight)
        setting = self._cursor().view.setting
        toggle = partial(self.session.toggle, edge.edge, setting=setting)
        self._command(toggle, decides=edge.open)

    # The threshold.

    def threshold_up(self) -> None:
        self.set_threshold((self.threshold or 1e-4) * STEP)

    def threshold_down(self) -> None:
        self.set_threshold(self.threshold / STEP)

    def set_threshold(self, value: float) -> None:
        """Show the new threshold at once; the preview follows when the session has it."""
        value = float(f"{value:.3g}")
        self.threshold = value
        self._command(lambda: self.session.set_threshold(value), edits=False)
        self._screen.set_timer(AT_ONCE, self._describe)

    def threshold_exactly(self) -> None:
        from screens.widgets.dialogs import Ask

        def check(text: str) -> str | None:
            try:
                value = float(text.replace("−", "-"))
            except ValueError:
                return "That is no number; type one such as 0.05."
            return (
                None if 0 <= value < float("inf") else "The threshold is 0 or larger, and finite."
            )

        def go(text: str | None) -> None:
            if text is not None:
                self.set_threshold(float(text))

        hint = f"An edge reaches it if |effect on {self.session.task.metric}| is at least this."
        value = plain(self.threshold, max(4, digits_for(self.threshold)))
        self._screen.app.push_screen(Ask("Threshold", value, hint=hint, check=check), go)

    # Notes and files.

    def note(self) -> None:
        from screens.widgets.dialogs import Ask

        at = self._cursor()
        target = edge_of(at.in_table.edge) if at.in_table is not None else at.node

        def write(text: str | None) -> None:
            if text is not None:
                note = partial(self.session.note, target, text.strip())
                self._command(note, edits=False)

        now = self.session.circuit.notes.get(target, "")
        hint = "It goes into the exported circuit. An empty note removes it."
        self._screen.app.push_screen(Ask(f"Note on {target}", now, hint=hint), write)

    def load(self) -> None:
        from screens.widgets.ask_path import AskPath
        from workbench.formats.chosen import asked_for, load_chosen

        def check(text: str) -> object:
            path, selection = asked_for(text)
            return load_chosen(path, self.session.graph, selection)

        def load(text: str | None) -> None:
            if text is not None:
                path, selection = asked_for(text)
                self._command(lambda: self.session.load(path, selection))

        hint = (
            "A circuit file of any format; of one with scores alone, FILE --edges N --select "
            "greedy. Undo brings the present circuit back."
        )
        dialog = AskPath("Load a circuit from", hint=hint, check=check)
        self._screen.app.push_screen(dialog, load)
