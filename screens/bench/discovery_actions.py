"""Discoveries on the bench: what their keys do, and what is told at the end of one."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual.screen import Screen

from screens.base.numbers import count, percent, plain
from screens.base.worker import error_sentence
from screens.bench.keys import BY_NAME
from screens.bench.session_runner import SessionRunner
from screens.discovery.discovery_line import DiscoveryLine
from screens.discovery.proposal_strip import ProposalStrip
from screens.widgets.detaching import told
from workbench.errors import Cancelled
from workbench.session.views import Status

if TYPE_CHECKING:
    from screens.discovery.dialog import DiscoveryRequest
    from screens.discovery.results import ResultAnswer
    from workbench.discovery.selection import Selection
    from workbench.jobs.listing import Job
    from workbench.session.results import DiscoveryResult
    from workbench.session.session import Session


class DiscoveryActions:
    """Asks for discoveries, and lists, shows, takes, removes and exports their results."""

    def __init__(
        self,
        session: Session,
        runner: SessionRunner,
        screen: Screen[Any],
        *,
        line: DiscoveryLine,
        strip: ProposalStrip,
        command: Callable[[Callable[[], Status]], None],
        refresh: Callable[..., None],
    ) -> None:
        """For a bench.

        Args:
            screen: asks and notifies.
            line: runs the discoveries.
            strip: steps through what they propose.
            command: queues a command.
            refresh: shows the session as it stands; with `anew=True`, the table sorted again.
        """
        self.session = session
        self.runner = runner
        self._screen = screen
        self._line = line
        self._strip = strip
        self._command = command
        self._refresh = refresh
        self._asked: DiscoveryRequest | None = None

    # Running.

    def discover(self) -> None:
        """List the results; ask for a discovery if there are none."""
        if self.session.discoveries.results:
            self.list_results()
        else:
            self.ask_discovery()

    def ask_discovery(self) -> None:
        from screens.discovery.dialog import DiscoverDialog

        run = self._line.run
        if run is not None:
            stop = BY_NAME["stop_discovery"].shown
            self._screen.notify(
                f"{run.request.method} is still running; {stop} stops it and keeps what it found.",
                timeout=6,
            )
            return
        self._screen.app.push_screen(DiscoverDialog(self.session, self._asked), self._start)

    def _start(self, request: DiscoveryRequest | None) -> None:
        if request is None:
            return
        self._asked = request
        self._line.start(request)

    def detach(self) -> None:
        """Let the running discovery go on as a job; if none runs, ask for one to begin so."""
        from screens.discovery.dialog import DiscoverDialog

        run = self._line.run
        if run is not None:
            self._detach(run.request)
        else:
            dialog = DiscoverDialog(self.session, self._asked, detached=True)
            self._screen.app.push_screen(dialog, self._detach)

    def _detach(self, request: DiscoveryRequest | None) -> None:
        from workbench.jobs.detach import detach_discovery

        if request is None:
            return
        self._asked = request
        begun: list[Job] = []

        def begin() -> None:
            how = request.method, request.options, request.selection
            begun.append(detach_discovery(self.session, *how))

        def then() -> None:
            self._line.let_go()
            told(self._screen, begun[0])

        self.runner.other(begin, then)

    def stop_discovery(self) -> None:
        if not self._line.cancel():
            self._screen.notify(
                "No discovery is running; {key:bench.discover} starts one.", timeout=4
            )

    def found(self, held: DiscoveryResult) -> None:
        """A discovery is over, and this came of it."""
        kept = held.selected
        asked = "" if kept.asked is None else f"{count(kept.asked)} {kept.unit} asked for, "
        edges = "edges at roles" if kept.unit == "edges at roles" else "edges"
        words = f"{asked}{count(kept.kept)} {edges} kept"
        if held.faithfulness is not None:
            words += f", faithfulness {plain(held.faithfulness, 3)}"
        if self._strip.stepping:  # whoever steps through another result goes on there
            words += ". {key:bench.discover} lists the results."
        else:
            words += (
                ". {key:bench.step_proposal} steps through them, {key:bench.discover} lists the "
                "results."
            )
            self.in_turn(lambda: self.session.discoveries.show(held.number))
        if not kept.kept:
            words = (
                f"{asked}none kept: the chosen {kept.unit} do not join the input to the logits. "
                "{key:bench.discover} lists the results; there, {key:results.select} selects "
                "more, or greedily."
            )
        title = f"{held.name} is done"
        if held.failure:
            title = f"{held.name} failed after {percent(held.fraction)}; what it found is kept"
            words = f"{held.failure} {words}"
        elif not held.complete:
            title = f"{held.name} was stopped after {percent(held.fraction)}"
        self._screen.notify(
            words,
            title=title,
            severity="error" if held.failure else "information",
            timeout=12,
            markup=False,
        )

    def found_nothing(self, error: BaseException) -> None:
        """A discovery is over, and nothing came of it."""
        if isinstance(error, Cancelled):
            self._screen.notify("Stopped before it had found anything.", timeout=6)
        else:
            self._screen.notify(error_sentence(error), severity="error", timeout=10, markup=False)

    # The proposal.

    def decide(self, edges: list[str], accept: bool) -> None:
        """Accept or refuse these edges, in turn among the commands."""
        discoveries = self.session.discoveries
        if accept:
            self._command(lambda: discoveries.accept(edges))
        else:
            self.runner.other(lambda: discoveries.refuse(edges), self._refused)
        self._strip.queued(edges)

    def take_back(self, edge: str, accepted: bool) -> None:
        """Undo the last decision, and let the strip show its edge."""
        session = self.session

        def back() -> None:
            self._refused()
            self._strip.go_to_step(edge)

        refuse_no_more = partial(session.discoveries.refuse, [edge], False)
        self.runner.other(session.undo if accepted else refuse_no_more, back)

    def _refused(self) -> None:
        if not self.runner.busy:
            self._strip.decisions_came()
            self._refresh()

    # Results.

    def list_results(self) -> None:
        from screens.discovery.results import Results

        self._screen.app.push_screen(Results(self.session), self._answered)

    def _answered(self, answer: ResultAnswer | None) -> None:
        if answer is None:
            return
        session, number = self.session, answer.number
        if answer.wish == "new":
            self.ask_discovery()
        elif answer.wish == "take":
            self.in_turn(lambda: session.discoveries.show(number))
            self._command(lambda: session.discoveries.take(number))
        elif answer.wish == "step":
            self.in_turn(lambda: session.discoveries.show(number), self._strip.begin)
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
            self.changed()
            then()

        self.runner.other(call, done)

    def changed(self) -> None:
        """Other scores stand beside the candidates, or there is another proposal."""
        self._strip.forget_step()
        self._refresh(anew=True)

    def _remove(self, held: DiscoveryResult) -> None:
        from screens.widgets.dialogs import Confirm

        def go(yes: bool | None) -> None:
            if yes:
                self.in_turn(lambda: self.session.discoveries.remove(held.number))

        question = f"Remove the result {held.name}? Its scores are lost; the circuit stays."
        self._screen.app.push_screen(Confirm(question, "Remove"), go)

    def _select_again(self, held: DiscoveryResult) -> None:
        from screens.discovery.results import SelectAgain

        def go(selection: Selection | None) -> None:
            if selection is not None:
                chosen = selection
                self.in_turn(
                    lambda: self.session.discoveries.select_again(held.number, chosen),
                    self.list_results,
                )

        self._screen.app.push_screen(SelectAgain(self.session, held), go)

    def _export_result(self, held: DiscoveryResult) -> None:
        from screens.widgets.dialogs import Export

        def write(answer: tuple[Path, str] | None) -> None:
            if answer is not None:
                path, form = answer
                said = f"Written: {path}"
                self.runner.other(
                    lambda: self.session.discoveries.export(held.number, path, form),
                    lambda: self._screen.notify(said, timeout=8, markup=False),
                )

        name = held.name.replace(" (", "-").rstrip(")")
        dialog = Export(f"{name}.json", f"Export the circuit of {held.name} to")
        self._screen.app.push_screen(dialog, write)
