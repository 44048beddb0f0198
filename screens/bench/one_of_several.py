"""A bench as one of several: what it is called, what it would lose, and its end."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from textual.screen import Screen

from screens.base.tokens import one_line
from screens.bench.status_bar import StatusBar

if TYPE_CHECKING:
    from screens.bench.rule_strips import RuleStrips
    from screens.bench.session_runner import SessionRunner
    from screens.bench.shown_edges import ShownEdges
    from screens.discovery.discovery_line import DiscoveryLine
    from workbench.session.session import Session


class OneOfSeveral(Screen[None]):
    """What the app asks of each bench, whether it is shown or not."""

    session: Session
    runner: SessionRunner
    shown: ShownEdges

    @property
    def discovery(self) -> DiscoveryLine:
        """The line of the discovery under way."""
        raise NotImplementedError

    @property
    def rules(self) -> RuleStrips:
        """The lines of what changes many edges by one number."""
        raise NotImplementedError

    @property
    def name_of_session(self) -> str:
        """The session's title, or else its model and task."""
        session = self.session
        if session.title:
            return one_line(session.title)
        return f"{one_line(session.model.name)} · {one_line(session.task.name)}"

    def heard(self) -> None:
        """A key has had its effect."""
        self.shown.heard()

    def show_title(self) -> None:
        """Show what the session is called."""
        self.query_one(StatusBar).entitle(self.session.title)

    @property
    def under_way(self) -> str:
        """The method of discovery that is running; empty if none is."""
        run = self.discovery.run if self.is_mounted else None
        return "" if run is None else run.request.method

    @property
    def busy(self) -> bool:
        """A command waits or is carried out."""
        return self.runner.busy or self.rules.line.running

    def finish(self, then: Callable[[], None]) -> None:
        """Call `then` once all commands that wait are done; sweeps are given up."""
        self.runner.cancel()
        self.runner.other(self.session.expander.end, then)

    def notify(self, message: str, *, title: str = "", **how: Any) -> None:
        """As Textual's; while another session is shown, with the name of this one."""
        if self not in self.app.screen_stack:
            title = " · ".join(filter(None, [title, self.name_of_session]))
        super().notify(message, title=title, **how)

    async def action_quit(self) -> None:
        await self.app.action_quit()
