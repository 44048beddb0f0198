"""WorkbenchApp: opens a session, or asks which, and shows it on the bench.

The first frame is painted before anything heavy is imported: the session's module, and torch behind
it, come in with the thread that loads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, runtime_checkable

from textual import events
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.driver import Driver
from textual.notifications import Notification, Notify, SeverityLevel
from textual.screen import ModalScreen, Screen

from screens.base.key_queue import KeyQueue
from screens.base.tokens import one_line
from screens.base.worker import leave_without_waiting, owed
from screens.error_log import ErrorLog
from screens.navigation import OpenSession, OpenTutorial, ResumeSession, ShowBench, ShowSetup
from screens.terminal.driver import light_driver
from screens.terminal.line import Line
from screens.toasts import Toasts
from screens.widgets.too_small import fit_screen
from workbench.errors import WorkbenchError
from workbench.experiment.settings import ExperimentSettings

if TYPE_CHECKING:
    from screens.loading import Progress
    from workbench.session.session import Session

LEAVING_KEYS = ("q", "ctrl+q")


@runtime_checkable
class Leaving(Protocol):
    """A screen that has something to finish before the app may end."""

    def leave(self) -> None: ...


class WorkbenchApp(App[None]):
    """The app.

    Attributes:
        settings: what to open at the start; None: ask.
        resuming: the journal of the session to go on with; None: begin one.
        session: a session that is open already, made by a script.
        tutorial: take the tutorial: 'go on' where it was left, or 'restart'.
        circuit: a circuit file that whatever is opened begins with.
        left: the session that was on the bench last.
        line: what stands between the app and the terminal.
    """

    TITLE = "Circuit Workbench"
    CSS_PATH = Path(__file__).with_name("app.tcss")
    ENABLE_COMMAND_PALETTE = True
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+q", "quit", "Leave", show=False, priority=True),
        Binding("ctrl+l", "redraw", "Draw the screen anew", show=False, priority=True),
        Binding("ctrl+g", "overlay", "Letters to go to panels by", show=False, priority=True),
    ]

    def __init__(
        self,
        settings: ExperimentSettings | None = None,
        resume: Path | None = None,
        session: Session | None = None,
        tutorial: Literal["go on", "restart"] | None = None,
        circuit: Path | None = None,
    ) -> None:
        self.line = Line()
        super().__init__()
        self.animation_level = "none"  # each frame of an animation is a repaint over the line
        self.settings = settings
        self.circuit = circuit
        self.resuming = resume
        self.session = session
        self.tutorial = tutorial
        self.left: Session | None = None
        self.error_log = ErrorLog()
        self.key_queue = KeyQueue(self, owed)
        self.toasts = Toasts(self)

    def run(self, *args: Any, **kwargs: Any) -> Any:
        """Run the app; the process can end right after it, whatever still computes."""
        try:
            return super().run(*args, **kwargs)
        finally:
            leave_without_waiting(self.return_code or 0)

    def get_driver_class(self) -> type[Driver]:
        return light_driver(super().get_driver_class(), self.line)

    def on_mount(self) -> None:
        self.screen_change_signal.subscribe(self, self._changed)
        if self.session is not None:
            self.show_bench(self.session)
        elif self.tutorial is not None:
            self.open_tutorial(restart=self.tutorial == "restart")
        elif self.resuming is not None:
            self.resume_session(self.resuming)
        elif self.settings is not None:
            self.open_session(self.settings)
        else:
            self.show_setup()
        self.call_after_refresh(self.error_log.open)

    # Screens.

    def show_setup(self, settings: ExperimentSettings | None = None, complaint: str = "") -> None:
        """Ask what to open; `complaint` says why the last try failed."""
        from screens.setup.screen import SetupScreen

        self._show(SetupScreen(settings or self.settings, complaint))

    def open_session(self, settings: ExperimentSettings) -> None:
        """Load what is asked for, then show it."""
        from screens.loading import begin

        self.settings = settings
        title = f"{one_line(settings.model)} · {one_line(settings.task)}"
        self._load(title, lambda say: begin(settings, say, self.circuit))

    def resume_session(self, path: Path) -> None:
        """Load the model and task of a journal and go on where it ends."""
        from screens.loading import go_on

        self._load(f"Session {one_line(path.stem)}", lambda say: go_on(path, say))

    def open_tutorial(self, *, restart: bool = False) -> None:
        """Go on with the tutorial where it was left; `restart`: begin it anew."""
        from screens.tutorial.guided import Opening

        opening = Opening(restart=restart)
        self._load("Tutorial", opening.open, lambda _: self._show(opening.bench()))

    def show_bench(self, session: Session) -> None:
        from screens.bench.screen import BenchScreen

        self._show(BenchScreen(session))

    def _load(
        self,
        title: str,
        opening: Callable[[Progress], Session],
        show: Callable[[Session], None] | None = None,
    ) -> None:
        """Run `opening` in a thread behind the screen that says how far it is."""
        from screens.loading import Loading

        def logged(say: Progress) -> Session:
            self.error_log.open()  # what goes wrong while loading belongs into it too
            return opening(say)

        self._show(Loading(title, logged, show))

    def _show(self, screen: Screen[Any]) -> None:
        """Make this the only screen above the empty one beneath."""
        self.left = getattr(screen, "session", self.left)
        while len(self.screen_stack) > 2:  # a dialog over what is replaced
            self.pop_screen()
        if len(self.screen_stack) > 1:
            self.switch_screen(screen)
        else:
            self.push_screen(screen)

    # What screens ask for.

    def on_open_session(self, event: OpenSession) -> None:
        self.open_session(event.settings)

    def on_resume_session(self, event: ResumeSession) -> None:
        self.resume_session(event.path)

    def on_open_tutorial(self, event: OpenTutorial) -> None:
        self.open_tutorial(restart=event.restart)

    def on_show_setup(self, event: ShowSetup) -> None:
        self.show_setup(event.settings, event.complaint)

    def on_show_bench(self, event: ShowBench) -> None:
        self.show_bench(event.session)

    # Leaving.

    async def action_quit(self) -> None:
        """Leave, after what was asked for already is done; a second time at once."""
        leave = next((s.leave for s in self.screen_stack if isinstance(s, Leaving)), self.exit)
        leave()

    def action_help(self) -> None:
        """Explain whatever has the focus."""
        from screens.help.screen import HelpScreen

        if not isinstance(self.screen, HelpScreen):
            self.push_screen(HelpScreen())

    def action_overlay(self) -> None:
        """Put a letter on every panel and control, to go there by it."""
        from screens.widgets.overlay import Overlay, targets

        def go(to: Callable[[], object] | None) -> None:
            if to is not None:
                to()

        if isinstance(self.screen, Overlay):
            self.screen.dismiss(None)
        elif places := targets(self.screen):
            self.push_screen(Overlay(places), go)

    def action_clear_notifications(self) -> None:
        self.clear_notifications()

    # Toasts.

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: SeverityLevel = "information",
        timeout: float | None = None,
        markup: bool = True,
    ) -> None:
        seconds = self.NOTIFICATION_TIMEOUT if timeout is None else timeout
        told = Notification(message, title, severity, seconds, markup=markup)
        if not self.toasts.holds(told):
            self.post_message(Notify(told))

    # The size of the terminal.

    def on_resize(self, event: events.Resize) -> None:
        self.line.resize(event.size.width, event.size.height)
        for screen in self.screen_stack:
            fit_screen(screen, event.size.width, event.size.height)

    async def on_event(self, event: events.Event) -> None:
        """Nothing is typed blindly: what cannot be seen hears no key but those that leave."""
        typed = isinstance(event, events.Key | events.Paste)
        leaving = isinstance(event, events.Key) and event.key in LEAVING_KEYS
        if self.key_queue.holds(event):
            return
        if typed and not leaving and self.screen.has_class("-too-small"):
            return
        await super().on_event(event)

    def _changed(self, screen: Screen[Any]) -> None:
        fit_screen(screen, self.size.width, self.size.height)
        self.toasts.changed(screen)

    def refresh(
        self, *, repaint: bool = True, layout: bool = False, recompose: bool = False
    ) -> WorkbenchApp:
        self.line.forget()
        return super().refresh(repaint=repaint, layout=layout, recompose=recompose)

    def action_redraw(self) -> None:
        """Write the whole screen again, after something else wrote to the terminal."""
        self.refresh()

    # Commands.

    def action_command_palette(self) -> None:
        """Find everything that one can do or go to."""
        from screens.palette.screen import Palette

        if not isinstance(self.screen, ModalScreen):
            self.push_screen(Palette(self, self.screen))

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        for command in super().get_system_commands(screen):
            if command.title in ("Theme", "Quit"):
                yield command
        yield SystemCommand(
            "Screenshot", "Write what is on the screen to an SVG file here.", self.action_screenshot
        )

    def action_screenshot(self, filename: str | None = None, path: str | None = None) -> None:
        """Write the screen to a file of the folder that one is in, and say its name."""
        from workbench.base.write_file import write_bytes

        folder = Path(path or ".").absolute()
        names = (f"workbench-{number}.svg" for number in count(1))
        written = folder / (filename or next(n for n in names if not (folder / n).exists()))
        try:
            write_bytes(written, self.export_screenshot().encode())
        except WorkbenchError as error:
            self.notify(str(error), severity="error", markup=False, timeout=10)
        else:
            self.notify(f"Written: {written}", markup=False, timeout=8)

    def on_unmount(self) -> None:
        self.error_log.close()
