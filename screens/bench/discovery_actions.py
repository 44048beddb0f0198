"""What the keys of discovery do on the bench: run, stop, list, show, take, remove, export."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from textual.timer import Timer

from screens.base.numbers import count, percent, plain
from screens.base.worker import error_sentence
from screens.bench.stepping import Stepping
from screens.discovery.runner import Discoverer, DiscoveryLine
from workbench.errors import Cancelled

if TYPE_CHECKING:
    from screens.discovery.dialog import DiscoveryRequest
    from screens.discovery.results import ResultAnswer
    from workbench.discovery.selection import Selection
    from workbench.session.results import DiscoveryResult

TICK = 0.5
"""Seconds between two looks at the clock while a discovery runs."""


class DiscoveryActions(Stepping):
    """The part of `Bench` that is about discoveries."""

    def begin_discoveries(self) -> None:
        """When the bench is mounted."""
        self.discoverer = Discoverer(
            self.session,
            self,
            moved=self._show_run,
            done=self._found,
            failed=self._found_nothing,
        )
        self._asked: DiscoveryRequest | None = None
        self._ticking: Timer | None = None
        self.begin_stepping()

    def end_discoveries(self) -> None:
        """When the bench goes."""
        self.discoverer.stop()
        self.what_ifs.stop()

    # Running.

    def action_discover(self) -> None:
        """List the results; ask for a discovery if there are none."""
        if self.session.discoveries.results:
            self.list_results()
        else:
            self.ask_discovery()

    def ask_discovery(self) -> None:
        from screens.discovery.dialog import DiscoverDialog

        run = self.discoverer.run
        if run is not None:
            self.notify(
                f"{run.request.method} is still running; S stops it and keeps what it found.",
                timeout=6,
            )
            return
        self.app.push_screen(DiscoverDialog(self.session, self._asked), self._start)

    def _start(self, request: DiscoveryRequest | None) -> None:
        if request is None:
            return
        self._asked = request
        self.discoverer.start(request)
        self._ticking = self.set_interval(TICK, self._show_run)
        self._show_run()

    def action_stop_discovery(self) -> None:
        if not self.discoverer.cancel():
            self.notify("No discovery is running; D starts one.", timeout=4)
        self._show_run()

    def confirm_leaving(self) -> None:
        """Leaving would end what runs."""
        from screens.widgets.dialogs import Confirm

        def go(yes: bool | None) -> None:
            if yes:
                self.app.exit()

        run = self.discoverer.run
        assert run is not None
        question = f"{run.request.method} is still running, and what it found would be lost."
        self.app.push_screen(Confirm(question, "Leave", "Stay"), go)

    def _show_run(self) -> None:
        self.query_one(DiscoveryLine).show(self.discoverer.run)

    def _over(self) -> None:
        if self._ticking is not None:
            self._ticking.stop()
            self._ticking = None
        self._show_run()

    def _found(self, held: DiscoveryResult) -> None:
        self._over()
        kept = held.selected
        asked = "" if kept.asked is None else f"{count(kept.asked)} {kept.unit} asked for, "
        words = f"{asked}{count(kept.kept)} edges kept"
        if held.faithfulness is not None:
            words += f", faithfulness {plain(held.faithfulness, 3)}"
        if self.stepping:  # whoever steps through another result goes on there
            words += ". D lists the results."
        else:
            words += ". P steps through them, D lists the results."
            self.in_turn(lambda: self.session.discoveries.show(held.number))
        if not kept.kept:
            words = (
                f"{asked}none kept: the chosen {kept.unit} do not join the input to the logits. "
                "D lists the results; there, e selects more, or greedily."
            )
        title = f"{held.name} is done"
        if held.failure:
            title = f"{held.name} failed after {percent(held.fraction)}; what it found is kept"
            words = f"{held.failure} {words}"
        elif not held.complete:
            title = f"{held.name} was stopped after {percent(held.fraction)}"
        self.notify(
            words,
            title=title,
            severity="error" if held.failure else "information",
            timeout=12,
            markup=False,
        )

    def _found_nothing(self, error: BaseException) -> None:
        self._over()
        if isinstance(error, Cancelled):
            self.notify("Stopped before it had found anything.", timeout=6)
        else:
            self.notify(error_sentence(error), severity="error", timeout=10, markup=False)

    def results_changed(self) -> None:
        """Other scores stand beside the candidates, or another proposal."""
        self.forget_step()
        self.refresh_all(anew=True)

    # Results.

    def list_results(self) -> None:
        from screens.discovery.results import Results

        self.app.push_screen(Results(self.session), self._answered)

    def _answered(self, answer: ResultAnswer | None) -> None:
        if answer is None:
            return
        session, number = self.session, answer.number
        if answer.wish == "new":
            self.ask_discovery()
        elif answer.wish == "take":
            self.in_turn(lambda: session.discoveries.show(number))
            self.command(lambda: session.discoveries.take(number))
        elif answer.wish == "step":
            self.in_turn(lambda: session.discoveries.show(number), self.action_step_proposal)
        elif answer.wish == "show":
            self.in_turn(lambda: session.discoveries.show(number))
        elif answer.wish == "hide":
            self.in_turn(lambda: session.discoveries.show(None))
        elif answer.wish == "remove":
            self._remove(session.discoveries.result(number))
        elif answer.wish == "select":
            self._select_again(session.discoveries.result(number))
        elif answer.wish == "export":
            self._export_result(session.discoveries.result(number))

    def in_turn(self, call: Callable[[], object], then: Callable[[], None] = lambda: None) -> None:
        """Do something to the results in its turn among the commands, and show what came of it."""

        def done() -> None:
            self.results_changed()
            then()

        self.runner.other(call, done)

    def _remove(self, held: DiscoveryResult) -> None:
        from screens.widgets.dialogs import Confirm

        def go(yes: bool | None) -> None:
            if yes:
                self.in_turn(lambda: self.session.discoveries.remove(held.number))

        question = f"Remove the result {held.name}? Its scores are lost; the circuit stays."
        self.app.push_screen(Confirm(question, "Remove"), go)

    def _select_again(self, held: DiscoveryResult) -> None:
        from screens.discovery.results import SelectAgain

        def go(selection: Selection | None) -> None:
            if selection is not None:
                chosen = selection
                self.in_turn(
                    lambda: self.session.discoveries.select_again(held.number, chosen),
                    self.list_results,
                )

        self.app.push_screen(SelectAgain(self.session, held), go)

    def _export_result(self, held: DiscoveryResult) -> None:
        from screens.widgets.dialogs import Export

        def write(answer: tuple[Path, str] | None) -> None:
            if answer is not None:
                path, form = answer
                said = f"Written: {path}"
                self.runner.other(
                    lambda: self.session.discoveries.export(held.number, path, form),
                    lambda: self.notify(said, timeout=8, markup=False),
                )

        name = held.name.replace(" (", "-").rstrip(")")
        dialog = Export(f"{name}.json", f"Export the circuit of {held.name} to")
        self.app.push_screen(dialog, write)
