"""The strip with a cut through all kept edges: what is left of them, and its faithfulness.

It has the focus while the cut is moved. How many edges stay is shown at once; the faithfulness is
computed away from the screen, and of many cuts passed on the way only the last one's is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.binding import BindingType
from textual.strip import Strip
from textual.widget import Widget

from screens.base.actions import keyed
from screens.base.numbers import ABSENT, PENDING, count, digits_for, plain
from screens.base.tokens import one_line
from screens.base.worker import Worker, error_sentence
from screens.bench.rule_keys import PRUNING_ACTIONS
from screens.widgets.decisions import Decisions
from screens.widgets.sparkline import strip_of
from workbench.errors import Cancelled
from workbench.session.pruning import Cuts
from workbench.session.views import Status

if TYPE_CHECKING:
    from workbench.session.session import Session

KEYS = (
    "{key:bench.prune_less} {key:bench.prune_more} cut · "
    "{key:pruning.prune_back} {key:pruning.prune_finer} one edge · {key:pruning.prune_score} "
    "score · "
    "{key:pruning.prune_make} prune · {key:pruning.prune_end} leave"
)
COARSE = 32
"""Presses of a key that lead through all cuts."""


class PruningStrip(Widget, can_focus=True):
    """Two lines: the cut with what is left, and the faithfulness of the cuts tried."""

    ALLOW_SELECT = False
    KEYS_OF: ClassVar[str] = "pruning"
    HELP = """\
A **cut** goes through all edges that you keep, those kept by hand too: what is weaker by the named
score is dropped, and what is a dead end without it. Edges at token roles go role by role, and so do
whole ones while the bench tells edges apart by role. The strip shows the exact **faithfulness** of
the cuts that were tried so far, from the weakest edge to the strongest. Nothing is changed before
you press enter, and one undo takes it back.
"""
    COMPONENT_CLASSES: ClassVar[set[str]] = {"pruning-strip--quiet"}
    BINDINGS: ClassVar[list[BindingType]] = [
        action.binding(of_screen=True) for action in PRUNING_ACTIONS
    ]
    DEFAULT_CSS = """
    PruningStrip {
        display: none;
        height: 2;
        background: $boost;
        border-left: outer $primary;
        &.-open { display: block; }
        &:focus { background: $primary 20%; border-left: outer $accent; }
        & > .pruning-strip--quiet { color: $text-muted; }
    }
    """

    def __init__(
        self,
        session: Session,
        *,
        command: Callable[[Callable[[], Status]], None],
        decisions: Decisions,
    ) -> None:
        """For a session.

        Args:
            command: queues a command of it.
            decisions: where it is told that scores are computed first, for which keys wait.
        """
        super().__init__()
        self._decisions = decisions
        self.session = session
        self.cuts: Cuts | None = None
        self.at = 0
        self.known: dict[int, float | None] = {}
        self._left = 0
        self._by_role = self._computing = False
        self._command = command
        self._before: Widget | None = None
        self._wanted: tuple[Cuts, int] | None = None

    def on_mount(self) -> None:
        self._thread = Worker(self, "pruning")

    def on_unmount(self) -> None:
        self._thread.stop()

    @property
    def idle(self) -> bool:
        """Nothing is computed for it."""
        return not self._thread.waiting

    def act(self, what: str) -> None:
        """What a key of the strip does; the first one that moves the cut opens it."""
        if self.cuts is None:
            if what not in ("more", "less"):
                return
            if not self._open(lambda: self.act(what)):
                return
        self.renew()
        if self.cuts is None:
            return
        n = len(self.cuts.levels)
        coarse = max(1, n // COARSE)
        steps = {"more": coarse, "less": -coarse, "finer": 1, "back": -1}
        if what in steps:
            self._go_to(max(0, min(n - 1, self.at + steps[what])))
        elif what == "score":
            by_role = self._by_role
            names = self.session.pruner.offered(by_role=by_role)
            name = self.cuts.score
            following = names[(names.index(name) + 1) % len(names)] if name in names else names[0]
            self._with(following, lambda: self._take(self._cuts(following)))
        elif what == "make":
            cuts, at = self.cuts, self.at
            self._command(lambda: self.session.pruner.prune(cuts, at))
            self.end()
        elif what == "end":
            self.end()

    def _open(self, then: Callable[[], None]) -> bool:
        """Open with all cuts, now or once they can be made: `then` is called after that."""
        score = self.session.pruner.offered()[0]
        if not self.session.pruner.ready(score, by_role=self._by_role):
            self._with(score, then)
            return False
        cuts = self._cuts(score)
        if not cuts.levels:
            self.notify("No edge is kept yet: there is nothing to prune.", timeout=5)
            return False
        self.app.clear_notifications()  # they would lie over what is to be decided on
        self._before = self.screen.focused
        self._take(cuts)
        self.set_class(True, "-open")
        self.focus()
        return True

    def _cuts(self, score: str) -> Cuts:
        return self.session.pruner.cuts(score, by_role=self._by_role)

    def _with(self, score: str, then: Callable[[], object]) -> None:
        """Go on once a score is known of every kept edge; computed away from the screen."""
        by_role, session = self._by_role, self.session
        if session.pruner.ready(score, by_role=by_role):
            then()
            return
        if self._computing:
            return
        self._computing = True
        decision = self._decisions.begin()

        def moved(_: object, done: int, total: int) -> None:
            decision.done, decision.total = done, total
            self._thread.deliver(self._decisions.moved)

        def work() -> Cuts:
            with session.decider.watched(decision.cancel, moved):
                return session.pruner.cuts(score, by_role=by_role)

        def end() -> None:
            self._computing = False
            self._decisions.end(decision)
            self._decisions.moved()

        def done(_: Cuts) -> None:
            end()
            if self.screen.is_current:
                then()

        def failed(error: BaseException) -> None:
            end()
            if not isinstance(error, Cancelled):
                self._failed(error)

        self._thread.put(work, done, failed)

    def _failed(self, error: BaseException) -> None:
        self.notify(error_sentence(error), severity="error", timeout=10, markup=False)

    def end(self) -> None:
        """Leave the circuit as it is."""
        focused, before = self.has_focus, self._before
        self.cuts = self._wanted = self._before = None
        self.session.pruner.forget()
        self.set_class(False, "-open")
        if focused and before is not None and before.is_attached:
            before.focus()

    def look(self, *, by_role: bool) -> None:
        """As `renew`; `by_role`: the bench tells edges apart by role."""
        self._by_role = by_role
        self.renew()

    def renew(self) -> None:
        """The circuit may have been changed: cut through what it is now, by the same score."""
        cuts, by_role = self.cuts, self._by_role
        if cuts is None:
            return
        if cuts.revision == self.session.status().revision and cuts.by_role == by_role:
            return
        names = self.session.pruner.offered(by_role=by_role)
        score = cuts.score if cuts.score in names else names[0]
        if not self.session.pruner.ready(score, by_role=by_role):
            self._with(score, self.renew)
            return
        new = self._cuts(score)
        if new.levels:
            self._take(new)
        else:
            self.end()

    def _take(self, cuts: Cuts) -> None:
        """Begin with these cuts, about where the ones before were left."""
        share = self.at / len(self.cuts.levels) if self.cuts is not None else 0.0
        self.cuts, self.known = cuts, {}
        self._go_to(min(len(cuts.levels) - 1, round(share * len(cuts.levels))))

    def _go_to(self, at: int) -> None:
        assert self.cuts is not None
        self.at = at
        self._left = self.cuts.left(self.cuts.after(at))
        if at not in self.known:
            self._ask(self.cuts, at)
        self.refresh()

    def _ask(self, cuts: Cuts, at: int) -> None:
        wanted = self._wanted = (cuts, at)

        def work() -> float | None:
            if self._wanted is not wanted:  # another cut was gone to meanwhile
                raise Cancelled
            return self.session.pruner.faithfulness(cuts, at)

        def done(share: float | None) -> None:
            if self.cuts is cuts:
                self.known[at] = share
                self.refresh()

        def failed(error: BaseException) -> None:
            if not isinstance(error, Cancelled):
                self._failed(error)

        self._thread.put(work, done, failed)

    # Drawing.

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        text = Text()
        if self.cuts is not None:
            text = self._numbers(self.cuts) if y == 0 else self._shares(self.cuts, width)
        strip = Strip(text.render(self.app.console, end="")).adjust_cell_length(width)
        return strip.apply_style(self.rich_style)

    def _numbers(self, cuts: Cuts) -> Text:
        level = cuts.levels[self.at]
        share = self.known.get(self.at)
        told = PENDING if self.at not in self.known else ABSENT if share is None else ""
        text = Text.assemble(
            " prune by ", (one_line(cuts.score), "bold"),
            f" ≥ {plain(level, digits_for(cuts.levels[-1]))}  ",
            f"{count(self._left)} of {count(cuts.n_kept)} edges{' by role' if cuts.parts else ''}",
            "  faithfulness ",
            (told or plain(share, 4), "bold"),
        )  # fmt: skip
        if not cuts.parts and (cuts.circuit.at or cuts.by_role):
            text.append("  all edges go whole")
        if cuts.unscored:
            text.append(f"  {count(cuts.unscored)} without a score stay")
        return text

    def _shares(self, cuts: Cuts, width: int) -> Text:
        n = len(cuts.levels)
        keys = keyed(KEYS)
        cells = min(n, max(10, width - len(keys) - 5))
        strip = strip_of([self.known.get(cut) for cut in range(n)], cells)
        here = min(cells - 1, self.at * cells // n)
        quiet = self.get_component_rich_style("pruning-strip--quiet")
        return Text.assemble(
            " ", strip[:here], (strip[here], "reverse"), strip[here + 1 :], "  ", (keys, quiet)
        )
