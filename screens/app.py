"""WorkbenchApp: opens a session, or asks which, and shows it on the bench.

The first frame is painted before anything heavy is imported: the session's module, and torch behind
it, come in with the thread that loads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from textual import events
from textual.app import SystemCommand
from textual.binding import Binding, BindingType
from textual.driver import Driver
from textual.filter import LineFilter
from textual.notifications import Notification, Notify, SeverityLevel
from textual.screen import ModalScreen, Screen

from screens.base.actions import keyed
from screens.base.colours import is_ansi, readable, without_colour
from screens.base.key_queue import KeyQueue
from screens.base.pauses import keep_short, set_aside
from screens.base.tokens import one_line
from screens.base.worker import leave_without_waiting, owed
from screens.error_log import ErrorLog
from screens.hang_up import end, heed_the_end
from screens.jobs_app import JobsApp
from screens.leaving import Leaving
from screens.navigation import (
    CloseSession,
    EntitleSession,
    GoToSession,
    OpenBeside,
    OpenSession,
    OpenTutorial,
    ResumeSession,
    SessionHeld,
    ShowBench,
    ShowSetup,
)
from screens.open_sessions import FRONT, OpenSessions
from screens.preferences.app_settings import take_up
from screens.preferences.theme_chooser import choose_theme
from screens.session_commands import entitle_session, offer_to_take_over, session_commands
from screens.terminal.driver import entitle, erases_in_colour, light_driver
from screens.terminal.line import Line
from screens.toasts import Toasts
from screens.widgets.too_small import fit_screen
from workbench.experiment.settings import ExperimentSettings

if TYPE_CHECKING:
    from screens.bench.screen import BenchScreen
    from screens.loading import Progress
    from workbench.checkpoints.sequence import Checkpoint
    from workbench.formats.chosen import FileSelection
    from workbench.session.session import Session
    from workbench.sweeps.cells import Sweep

LEAVING_KEYS = ("q", "ctrl+q")


class WorkbenchApp(JobsApp):
    """The app.

    Attributes:
        settings: what to open at the start; None: ask.
        resuming: the journal of the session to go on with; None: begin one.
        session: a session that is open already, made by a script.
        tutorial: take the tutorial: 'go on' where it was left, or 'restart'.
        circuit, selection: a file that all begins with, and how its scores are selected from.
        checkpoints: of the training that the model is on, if it is on one.
        sweep: show this sweep, and nothing else.
        sessions: those that are open, each with its bench.
        line: what stands between the app and the terminal.
    """

    TITLE = "Circuit Workbench"
    CSS_PATH = Path(__file__).with_name("app.tcss")
    ENABLE_COMMAND_PALETTE = True
    MODES: ClassVar[dict[str, str | Callable[[], Screen[Any]]]] = {FRONT: Screen}
    DEFAULT_MODE = FRONT
    search_themes = choose_theme
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+q", "quit", "Leave", show=False, priority=True),
        Binding("ctrl+l", "redraw", "Draw the screen anew", show=False, priority=True),
        Binding("ctrl+g", "overlay", "Letters to go to panels by", show=False, priority=True),
        Binding("ctrl+y", "prompt_bench", "The prompt bench", show=False, priority=True),
    ]

    def __init__(
        self,
        settings: ExperimentSettings | None = None,
        resume: Path | None = None,
        session: Session | None = None,
        tutorial: Literal["go on", "restart"] | None = None,
        circuit: Path | None = None,
        sweep: Sweep | None = None,
    ) -> None:
        self.line = Line(erases=erases_in_colour())
        super().__init__()
        self.animation_level = "none"  # each frame of an animation is a repaint over the line
        self.settings = settings
        self.circuit = circuit
        self.selection: FileSelection | None = None
        self.checkpoints: tuple[Checkpoint, ...] = ()
        self.resuming = resume
        self.session = session
        self.tutorial, self.sweep = tutorial, sweep
        self.sessions = OpenSessions(self)
        self._leaving = Leaving(self, self.sessions)
        self.error_log = ErrorLog()
        self.key_queue = KeyQueue(self, owed, self.sessions.heard, self.sessions.deciding)
        self.toasts = Toasts(self)

    @property
    def left(self) -> Session | None:
        """The session that was on the bench last."""
        return self.sessions.shown

    def run(self, *args: Any, **kwargs: Any) -> Any:
        """Run the app; the process can end right after it, whatever still computes."""
        try:
            return super().run(*args, **kwargs)
        finally:
            leave_without_waiting(self.return_code or 0)

    def get_driver_class(self) -> type[Driver]:
        return light_driver(super().get_driver_class(), self.line)

    def get_css_variables(self) -> dict[str, str]:
        variables = readable(super().get_css_variables(), ansi=is_ansi(self.current_theme))
        self.theme_variables = variables
        return variables

    def get_line_filters(self) -> Sequence[LineFilter]:
        return without_colour(super().get_line_filters(), ansi=is_ansi(self.current_theme))

    def on_mount(self) -> None:
        take_up(self)
        self.screen_change_signal.subscribe(self, self._changed)
        if self.session is not None:
            if not self.is_headless:
                set_aside()
            self.show_bench(self.session)
        elif self.sweep is not None:
            from screens.sweep.screen import SweepScreen

            self._show_front(SweepScreen(self.sweep, alone=True))
            self._entitle(f"Sweep {one_line(self.sweep.path.name)}")
        elif self.tutorial is not None:
            self.open_tutorial(restart=self.tutorial == "restart")
        elif self.resuming is not None:
            self.resume_session(self.resuming)
        elif self.settings is not None:
            self.open_session(self.settings)
        else:
            self.show_setup()
        self.call_after_refresh(self.error_log.open)
        if not self.is_headless:
            keep_short()
            heed_the_end(self, lambda: getattr(self._driver, "fileno", None), self._hang_up)

    def _hang_up(self) -> None:
        self.error_log.close()
        end(list(self.sessions), [bench.place.note for bench in self.sessions.benches])

    # Screens.

    def show_setup(self, settings: ExperimentSettings | None = None, complaint: str = "") -> None:
        """Ask what to open; `complaint` says why the last try failed."""
        from screens.setup.screen import SetupScreen

        shown = self.sessions.shown
        if settings is None:
            settings = self.settings if shown is None else shown.settings
        self._show_front(SetupScreen(settings, complaint, self.sessions.told))
        self._entitle("")

    def open_session(self, settings: ExperimentSettings) -> None:
        """Load what is asked for, then show it; a model that is loaded already is shared."""
        from screens.loading import begin

        self.settings = settings
        title = f"{one_line(settings.model)} · {one_line(settings.task)}"
        how = (self.circuit, list(self.sessions), self.selection, self.checkpoints)
        self._load(title, lambda say: begin(settings, say, *how))

    def resume_session(self, path: Path, *, take_over: bool = False) -> None:
        """Go on with a session: show it if it is open here, else load it.

        Args:
            path: its journal.
            take_over: end the process that holds it.
        """
        from screens.loading import go_on

        if self.go_to_session(path):
            return
        beside = list(self.sessions)

        def opening(say: Progress) -> Session:
            self.sessions.wait_for(path)
            return go_on(path, say, beside, take_over=take_over)

        self._load(f"Session {one_line(path.stem)}", opening)

    def open_tutorial(self, *, restart: bool = False) -> None:
        """Go on with the tutorial where it was left; `restart`: begin it anew."""
        from screens.tutorial.guided import GuidedBench, Opening

        open_now = [b for b in self.sessions.benches if isinstance(b, GuidedBench)]
        under_way = next((bench for bench in open_now if not bench.over), None)
        if under_way is not None and not restart:
            self.go_to_session(under_way.session.path)
            return
        opening = Opening(restart=restart, beside=list(self.sessions))

        def opened(say: Progress) -> Session:
            for bench in open_now:
                self.sessions.wait_for(bench.session.path)
            return opening.open(say)

        self._load("Tutorial", opened, lambda _: self._show_bench(opening.bench()))
        for bench in open_now:  # its journal is wanted, or done with
            self.sessions.close(bench.session.path)

    def show_bench(self, session: Session) -> None:
        from screens.bench.screen import BenchScreen

        if not self.go_to_session(session.path):
            self._show_bench(BenchScreen(session))

    def go_to_session(self, path: Path | None) -> bool:
        """Show a session that is open here as it was left; None: the one that was shown last."""
        went = self.sessions.go_back() if path is None else self.sessions.go_to(path)
        if went:
            self._entitle_by_session()
        return went

    def _show_bench(self, bench: BenchScreen) -> None:
        self.sessions.show(bench)
        self._entitle_by_session()

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

        self._show_front(Loading(title, logged, show))
        self._entitle(title)

    def _show_front(self, screen: Screen[Any]) -> None:
        self.sessions.show_front(screen)

    # The terminal's title.

    def _entitle(self, what: str) -> None:
        entitle(self._driver, " · ".join(filter(None, [what, self.TITLE])))

    def _entitle_by_session(self) -> None:
        bench = self.sessions.current
        if bench is not None:
            session = bench.session
            model_and_task = f"{session.model.name} · {session.task.name}"
            self._entitle(" · ".join(filter(None, [session.title, model_and_task])))

    # What screens ask for.

    def on_open_session(self, event: OpenSession) -> None:
        self.open_session(event.settings)

    def on_open_beside(self, event: OpenBeside) -> None:
        from screens.loading import begin_beside

        title = f"{one_line(event.settings.model)} · {one_line(event.settings.task)}"
        how = event.settings, list(self.sessions)
        self._load(title, lambda say: begin_beside(event.session, say, *how))

    def on_resume_session(self, event: ResumeSession) -> None:
        self.resume_session(event.path, take_over=event.take_over)

    def on_open_tutorial(self, event: OpenTutorial) -> None:
        self.open_tutorial(restart=event.restart)

    def on_show_setup(self, event: ShowSetup) -> None:
        self.show_setup(event.settings, event.complaint)

    def on_show_bench(self, event: ShowBench) -> None:
        self.show_bench(event.session)

    def on_go_to_session(self, event: GoToSession) -> None:
        self.go_to_session(event.path)

    def on_close_session(self, event: CloseSession) -> None:
        self.sessions.close(event.path)
        self._renew_list()

    def on_entitle_session(self, event: EntitleSession) -> None:
        entitle_session(self, self.sessions, event)
        self._entitle_by_session()
        self._renew_list()

    def _renew_list(self) -> None:
        """Let setup, if it is shown, look the sessions up again."""
        from screens.setup.screen import SetupScreen

        for screen in self.screen_stack:
            if isinstance(screen, SetupScreen):
                screen.renew_sessions()

    def on_session_held(self, event: SessionHeld) -> None:
        self.show_setup(complaint=str(event.error))
        offer_to_take_over(self, event.error)

    # Leaving.

    async def action_quit(self) -> None:
        """Leave, after what was asked for already is done; a second time at once."""
        self._leaving.leave()

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

    def action_prompt_bench(self) -> None:
        """Type a pair of prompts and see what the circuit makes of it; once more: back."""
        from screens.prompt_bench.screen import PromptBench

        bench = self.sessions.current
        if bench is None:
            self.notify("Open a model and a task first, or go back to a session.", timeout=5)
        elif isinstance(self.screen, PromptBench):
            self.screen.dismiss(None)
        elif not any(isinstance(screen, PromptBench) for screen in self.screen_stack):
            self.push_screen(PromptBench(bench.session, bench.panels.readouts.pair or 0))

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
        told = Notification(keyed(message), title, severity, seconds, markup=markup)
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

    async def action_copy(self) -> None:
        """Ask what to copy of what has the focus."""
        from screens.widgets.copy_dialog import offer_copies

        await offer_copies(self)

    def action_redraw(self) -> None:
        """Write the whole screen again, after something else wrote to the terminal."""
        self.line.forget()
        self.refresh()

    # Commands.

    def action_command_palette(self) -> None:
        """Find everything that one can do or go to."""
        from screens.palette.screen import Palette

        if not isinstance(self.screen, ModalScreen):
            self.push_screen(Palette(self, self.screen))

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        for title, sentence, call in session_commands(self, self.sessions):
            yield SystemCommand(title, sentence, call)
        for command in super().get_system_commands(screen):
            if command.title in ("Theme", "Quit"):
                yield command
        yield SystemCommand(
            "Screenshot", "Write what is on the screen to an SVG file here.", self.action_screenshot
        )

    def action_screenshot(self, filename: str | None = None, path: str | None = None) -> None:
        """Write the screen to a file of the folder that one is in, and say its name."""
        from screens.screenshot import write_screenshot

        write_screenshot(self, filename, path)

    def on_unmount(self) -> None:
        self.error_log.close()
