"""Setup: which model, which task, how many pairs; or a former session to go on with.

Lists, sessions and prompts are looked up in threads: the first frame waits for none of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from rich.style import Style
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import Screen
from textual.timer import Timer
from textual.widgets import Button, Input, Static

from screens.base.actions import Action
from screens.base.numbers import count
from screens.base.tokens import one_line
from screens.base.worker import Worker, error_sentence
from screens.navigation import GoToSession, OpenSession, OpenTutorial
from screens.setup.about_line import AboutLine
from screens.setup.complaint_line import ComplaintLine
from screens.setup.keys import (
    BACK,
    HELP,
    NEXT,
    OPEN,
    PAIR,
    PAIR_BEFORE,
    QUIT,
    SESSION_ACTIONS,
    SETUP_ACTIONS,
    TUTORIAL,
)
from screens.setup.known import Known, look_up, look_up_sessions
from screens.setup.session_actions import SessionActions
from screens.setup.session_list import SessionList
from screens.setup.session_row import OpenHere, SessionRow, memory_told
from screens.widgets.ask_title import ask_title
from screens.widgets.changes import put_title
from screens.widgets.choice import Choice
from screens.widgets.key_bar import KeyBar
from screens.widgets.line_list import LineList
from screens.widgets.name_list import NameList, NameSuggester
from screens.widgets.text_pane import TextPane
from workbench.config.config import config
from workbench.errors import WorkbenchError
from workbench.experiment import ablations
from workbench.experiment.settings import ExperimentSettings
from workbench.metrics.catalogue import METRICS
from workbench.session.about import SessionAbout

if TYPE_CHECKING:
    from workbench.prompts.preview import TaskPreview

ABLATIONS = tuple((name, name) for name in ablations.ABLATIONS)
BAD_PAIRS = (("refuse", "refuse"), ("drop", "drop unequal"), ("bad", "drop all"))
"""What becomes of pairs that cannot be used: `mismatch`, or `drop_bad`."""
SETTLE = 0.4
"""Seconds without another key before the prompts are looked up."""
DEFAULT_PAIRS = "32/all"
"""What no number of pairs means: of a built-in task so many, of a file all."""


LOOKED_UP = 1.0
"""Seconds that keys wait for the list of sessions, since the focus may go there."""


class SetupScreen(Screen[None]):
    """The first screen of a bare `workbench`, and where a failed loading leads back to."""

    CSS_PATH = Path(__file__).with_name("screen.tcss")
    AUTO_FOCUS = "#model"
    ACTIONS: ClassVar[tuple[Action, ...]] = (*SETUP_ACTIONS, *SESSION_ACTIONS)
    BINDINGS: ClassVar[list[BindingType]] = [
        *(action.binding() for action in SETUP_ACTIONS if action not in (PAIR, PAIR_BEFORE)),
        *(replace(action.binding(), priority=True) for action in (PAIR, PAIR_BEFORE)),
    ]

    def __init__(
        self,
        settings: ExperimentSettings | None = None,
        complaint: str = "",
        open_here: Callable[[], tuple[OpenHere, ...]] = tuple,
    ) -> None:
        """A new setup.

        Args:
            settings: what the fields say at first.
            complaint: why the last try failed.
            open_here: tells which sessions are open in the app.
        """
        super().__init__()
        self.open_here = open_here
        self.settings = settings or config().settings
        self.complaint = complaint
        self.preview: TaskPreview | None = None
        self._said = ""  # of the prompts, in place of them
        self.pair = 0
        self.known = Known()
        self._settling: Timer | None = None
        self._asked = 0

    def compose(self) -> ComposeResult:
        asked = self.settings
        with Horizontal(id="title"):
            yield Static(Text("Circuit Workbench"), id="name")
            click = Style(meta={"@click": f"screen.{TUTORIAL.call}"}, underline=True)
            link = Text.assemble("New here? ", (f"Tutorial ({TUTORIAL.shown})", click))
            yield Static(link, id="new-here")
        with Horizontal(id="what"):
            with Vertical(id="model-box", classes="field"):
                suggester = NameSuggester(lambda: self.known.models)
                hint = "hub id, folder, .gguf file or short name"
                yield Input(asked.model, id="model", placeholder=hint, suggester=suggester)
                yield NameList(id="models")
            with Vertical(id="task-box", classes="field"):
                suggester = NameSuggester(lambda: self.known.tasks)
                hint = "a task below, or a .jsonl, .json or .csv file"
                yield Input(asked.task, id="task", placeholder=hint, suggester=suggester)
                yield NameList(id="tasks")
        with Horizontal(id="how"):
            yield Static(Text("Pairs "), classes="label")
            pairs = "" if asked.pairs is None else str(asked.pairs)
            yield Input(pairs, id="pairs", placeholder=DEFAULT_PAIRS, type="integer", max_length=6)
            yield Static(Text("Seed "), classes="label")
            yield Input(str(asked.seed), id="seed", type="integer", max_length=9)
            metrics = [("", "task's own"), *((name, name) for name in METRICS)]
            yield Choice("Metric", metrics, asked.metric or "", id="metric")
            bos = {None: "", True: "yes", False: "no"}[asked.bos]
            options = [("", "tokenizer's"), ("yes", "yes"), ("no", "no")]
            yield Choice("BOS", options, bos, id="bos")
        with Horizontal(id="how-else"):
            yield Choice("Ablation", ABLATIONS, asked.ablation, id="ablation")
            bad = "bad" if asked.drop_bad else asked.mismatch
            yield Choice("Bad pairs", BAD_PAIRS, bad, id="mismatch")
            yield Button("Open", id="open", variant="primary", compact=True)
        with Horizontal(id="how-means"):
            yield Static(Text("Means over "), classes="label")
            hint = "the task's own clean prompts, or those of a task or file named here"
            yield Input(asked.means or "", id="means", placeholder=hint)
        # Below all that is clicked, which therefore stays where it is.
        yield AboutLine(id="about")
        yield ComplaintLine(self.complaint)
        with TextPane(id="prompts"):
            yield Static(id="prompts-text")
        yield SessionList(id="sessions")
        yield KeyBar(QUIT, id="keys")

    def on_mount(self) -> None:
        for entry in self.query(Input):
            entry.cursor_blink = False
        put_title(self.query_one("#model-box"), "Model")
        put_title(self.query_one("#task-box"), "Task")
        put_title(self.query_one("#prompts"), "Prompts")
        self._offer_keys()
        self._offer_means()
        self.looking = Worker(self, "setup")
        # What a key asked for, and on which the next one may depend.
        self.doing = Worker(self, "sessions", owes=True, patience=LOOKED_UP)
        self.acting = SessionActions(
            self, self.doing, complain=self._complain, renew=self.renew_sessions
        )
        self.call_after_refresh(self.renew_sessions)
        self.call_after_refresh(
            self.looking.put,
            look_up,
            self._looked_up,
            lambda error: self._complain(error_sentence(error)),
        )
        self._later()

    def on_unmount(self) -> None:
        self.looking.stop()
        self.doing.stop()

    @property
    def quiet(self) -> bool:
        """Nothing is looked up or waited for."""
        waiting = self.looking.waiting + self.doing.waiting
        return self._settling is None and waiting == 0

    # Lists.

    def _looked_up(self, known: Known) -> None:
        self.known = known
        self.query_one("#models", NameList).show(known.models)
        self.query_one("#tasks", NameList).show(known.tasks)
        self._tell()
        model, task = self.query_one("#model", Input), self.query_one("#task", Input)
        if not model.value and known.models:
            model.value = known.models[0][0]
        if not task.value and known.tasks:
            task.value = known.tasks[0][0]
        self.query_one(ComplaintLine).filled_in()

    def _show_sessions(self, found: tuple[SessionRow, ...]) -> None:
        sessions = self.query_one("#sessions", SessionList)
        put_title(sessions, "Go on with a session")
        told = memory_told([row.here for row in found if row.here is not None])
        if sessions.border_subtitle != told:
            sessions.border_subtitle = told
        sessions.show(found)
        sessions.display = bool(found)

    def renew_sessions(self) -> None:
        """Look the sessions up; again when one was named, closed or deleted."""
        open_here = self.open_here()
        self.doing.put(
            lambda: look_up_sessions(open_here),
            self._show_sessions,
            lambda error: self._complain(error_sentence(error)),
        )

    def on_descendant_focus(self) -> None:
        self._offer_keys()
        self._tell()

    def _tell(self) -> None:
        model, task = (self.query_one(f"#{of}", Input).value for of in ("model", "task"))
        self.query_one(AboutLine).tell(self.focused, self.known, model, task)

    def _offer_keys(self) -> None:
        back = (BACK,) if self.open_here() else ()
        of_list = SESSION_ACTIONS if isinstance(self.focused, SessionList) else ()
        bar = self.query_one("#keys", KeyBar)
        bar.offer((*back, *of_list, OPEN, NEXT, PAIR, TUTORIAL, HELP))

    def on_line_list_highlighted(self, event: LineList.Highlighted) -> None:
        if isinstance(event.rows, NameList) and event.rows.has_focus and event.row is not None:
            self._take(event.rows, event.row[0])

    def on_line_list_chosen(self, event: LineList.Chosen) -> None:
        if isinstance(event.rows, SessionList):
            self.acting.go_on(event.row)
        elif isinstance(event.rows, NameList):
            self._take(event.rows, event.row[0])

    def _take(self, names: NameList, name: str) -> None:
        entry = self.query_one("#model" if names.id == "models" else "#task", Input)
        entry.value = name
        entry.cursor_position = len(name)

    def on_name_list_clicked(self, event: NameList.Clicked) -> None:
        self._take(event.names, event.name)

    def action_go_on(self) -> None:
        if (row := self._session()) is not None:
            self.acting.go_on(row)

    def action_entitle(self) -> None:
        if (row := self._session()) is not None:
            session = row.summary
            about = SessionAbout(session.title, session.tags)
            ask_title(self.app, session.path, about)

    def action_remove(self) -> None:
        if (row := self._session()) is not None:
            self.acting.remove(row)

    def _session(self) -> SessionRow | None:
        return self.query_one("#sessions", SessionList).highlighted

    def action_back(self) -> None:
        if self.open_here():
            self.post_message(GoToSession())

    # What is asked for.

    def asked(self) -> ExperimentSettings:
        """What the fields say. Raises WorkbenchError if they say nothing that can be opened."""
        model = self.query_one("#model", Input).value.strip()
        task = self.query_one("#task", Input).value.strip()
        if not model:
            raise WorkbenchError("Choose a model: type a name, or take one of the list.")
        if not task:
            raise WorkbenchError("Choose a task: type a file's name, or take one of the list.")
        pairs, seed = self.query_one("#pairs", Input).value, self.query_one("#seed", Input).value
        try:
            n_pairs = int(pairs) if pairs.strip() else None
            n_seed = int(seed) if seed.strip() else 0
        except ValueError:
            raise WorkbenchError("Pairs and seed are whole numbers.") from None
        if n_pairs is not None and n_pairs < 1:
            raise WorkbenchError("There has to be at least one pair.")
        bos = {"": None, "yes": True, "no": False}[self.query_one("#bos", Choice).value]
        mismatch = self.query_one("#mismatch", Choice).value
        ablation = self.query_one("#ablation", Choice).value
        takes_means = ablation in ablations.names_of_means()
        return replace(
            self.settings,
            model=model,
            task=task,
            pairs=n_pairs,
            seed=n_seed,
            metric=self.query_one("#metric", Choice).value or None,
            bos=bos,
            mismatch="drop" if mismatch == "drop" else "refuse",
            drop_bad=mismatch == "bad",
            ablation=ablation,
            means=self.query_one("#means", Input).value.strip() or None if takes_means else None,
        )

    @on(Input.Submitted)
    @on(Button.Pressed, "#open")
    def action_open(self) -> None:
        try:
            settings = self.asked()
        except WorkbenchError as error:
            self._complain(str(error))
            return
        # A name that leads nowhere is said here, where it can be mended.
        self.doing.put(
            settings.checked,
            self._open,
            lambda error: self._complain(error_sentence(error)),
        )

    def _open(self, settings: ExperimentSettings) -> None:
        self.post_message(OpenSession(settings))

    def action_tutorial(self) -> None:
        self.post_message(OpenTutorial())

    def _complain(self, said: str) -> None:
        self.query_one(ComplaintLine).say(said)
        self._draw_prompts()

    # Prompts.

    @on(Choice.Changed, "#ablation")
    def _offer_means(self) -> None:
        takes_means = self.query_one("#ablation", Choice).value in ablations.names_of_means()
        self.query_one("#how-means").display = takes_means

    @on(Input.Changed)
    @on(Choice.Changed)
    def _later(self) -> None:
        self._tell()
        self.query_one(ComplaintLine).changed()
        if self._settling is not None:
            self._settling.stop()
        self._settling = self.set_timer(SETTLE, self._look_at_prompts)

    def _look_at_prompts(self) -> None:
        self._settling = None
        try:
            settings = self.asked()
        except WorkbenchError as error:
            self._show_prompts(None, str(error))
            return
        self._asked += 1
        asked = self._asked

        def work() -> tuple[TaskPreview | None, str]:
            from workbench.experiment.kept_abilities import ability_told
            from workbench.prompts.preview import preview_task

            if asked != self._asked:
                return None, ""
            preview = preview_task(
                settings.model,
                settings.task,
                pairs=settings.pairs,
                seed=settings.seed,
                metric=settings.metric,
                bos=settings.bos,
                revision=settings.revision,
                corrupted=settings.needs_corrupted,
            )
            return preview, ability_told(settings.model, settings.task)

        def done(found: tuple[TaskPreview | None, str]) -> None:
            if asked == self._asked:
                self._show_prompts(*found)

        def failed(error: BaseException) -> None:
            if asked == self._asked:
                self._show_prompts(None, error_sentence(error))

        self.looking.put(work, done, failed)

    def _show_prompts(self, preview: TaskPreview | None, said: str) -> None:
        self.preview = preview
        self.pair = 0
        self._said = said
        self._draw_prompts()

    def action_pair(self, by: int) -> None:
        if self.preview is not None and self.preview.pairs:
            self.pair = (self.pair + by) % len(self.preview.pairs)
            self._draw_prompts()

    def on_resize(self) -> None:
        if self.preview is not None:
            self.call_after_refresh(self._draw_prompts)

    def _draw_prompts(self) -> None:
        from screens.widgets.prompts import draw_pair

        view, box = self.query_one("#prompts-text", Static), self.query_one("#prompts")
        preview = self.preview
        if preview is None:
            put_title(box, "Prompts")
            above = self._said == self.query_one(ComplaintLine).said  # it is said already
            view.update(Text("" if above else self._said))
            return
        total = preview.n_pairs + sum(preview.bad.values())
        of = f" of {count(total)}" if preview.n_pairs else ""
        put_title(box, f"Prompts: pair {self.pair + 1}{of} · metric {preview.metric}")
        # What the model was found to do of the task comes first: it decides.
        told = [one_line(self._said)] if self._said else []
        notes = [*told, one_line(preview.description), *map(one_line, preview.notes)]
        notes += [f"Warning: {one_line(warning)}" for warning in preview.warnings]
        if preview.bad:
            notes.insert(0, one_line(self._bad_pairs(preview)))
        width = max(40, view.size.width)
        text = draw_pair(preview.pairs[self.pair], width)
        for note in notes:
            text.append("\n" + note, "dim")
        # Where there is room, the pairs after it.
        room = box.size.height - text.plain.count("\n") - 1
        for index in range(self.pair + 1, len(preview.pairs)):
            more = draw_pair(preview.pairs[index], width)
            room -= more.plain.count("\n") + 3
            if room < 0:
                break
            text.append(f"\n\npair {index + 1}\n", "dim").append_text(more)
        view.update(text)

    def _bad_pairs(self, preview: TaskPreview) -> str:
        """What there is of pairs that cannot be used, and what becomes of them."""
        become = self.query_one("#mismatch", Choice).value
        if become == "bad" or (become == "drop" and set(preview.bad) == {"unequal"}):
            return f"{preview.bad_told}: left out."
        return f"{preview.bad_told}: mend them, or choose 'drop all'. {preview.first_bad}".strip()

    def action_help(self) -> None:
        from screens.help.screen import HelpScreen

        self.app.push_screen(HelpScreen("setup"))
