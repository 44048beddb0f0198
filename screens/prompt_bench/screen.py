"""The prompt bench: a pair that one types, and what model and circuit make of it.

The list has the session's pairs, the fields one of them or a new one. What is typed and not kept
is a draft: it stays with its pair while one looks at others. Checks and computations go on in
threads; what comes late for another pair than the one that is shown is not shown.

Glossary: docs/glossary.md#prompt-bench.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container, Vertical
from textual.screen import Screen
from textual.timer import Timer
from textual.widgets import Input, Static

from screens.base.actions import Action
from screens.base.numbers import plain, signed
from screens.base.tokens import one_line
from screens.base.worker import Worker, error_sentence
from screens.prompt_bench.fields import PairFields
from screens.prompt_bench.keys import ACTIONS, BY_NAME, FOOTER, FOOTER_TYPING
from screens.prompt_bench.pair_list import PairList, PairRow, pair_rows
from screens.prompt_bench.text import draw_exam, draw_trial
from screens.widgets.changes import put_text
from screens.widgets.key_bar import KeyBar
from screens.widgets.line_list import LineList
from screens.widgets.text_pane import TextPane
from tasks.pair import Pair
from workbench.base.home import meant_path
from workbench.base.text import counted
from workbench.prompts.pair_exam import PairExam
from workbench.prompts.template import Filled, slots
from workbench.prompts.vocabulary import Vocabulary
from workbench.session.pair_drafts import NEW, DraftFile, Drafts
from workbench.session.views import Status

if TYPE_CHECKING:
    from workbench.circuits.circuit import Circuit
    from workbench.engine.trial_results import PairTrial, TokenChance
    from workbench.session.session import Session

TOKENS = 10
"""Likeliest tokens of a trial."""
SAVE = 0.3
"""Seconds after which what is typed is on the disk."""
CHOICE = 40
"""Likeliest tokens to choose answers from."""

TITLE = "Prompt bench  "


class PromptBench(Screen[None]):
    """The screen.

    Attributes:
        session: whose pairs these are.
        base: the pair of the set that the fields show or change; `NEW` for a new one.
        drafts: what is typed and not kept, by the pair that it changes.
        trials: what was evaluated, by pair, with the conditions then.
        exam: of what is typed; None until it came.
    """

    CSS_PATH = Path(__file__).with_name("screen.tcss")
    AUTO_FOCUS = "PairList"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (120, "-wide")]  # noqa: RUF012 - as the base class has it
    ACTIONS: ClassVar[tuple[Action, ...]] = ACTIONS
    BINDINGS: ClassVar[list[BindingType]] = [action.binding() for action in ACTIONS]

    def __init__(self, session: Session, start: int = 0) -> None:
        """`start`: index of the pair to begin at."""
        super().__init__()
        self.session = session
        self.base: Pair = NEW
        self._file = DraftFile(session.path)
        self.drafts: Drafts = {}
        self.trials: dict[Pair, tuple[PairTrial, tuple[Circuit, str]]] = {}
        self.exam: PairExam | None = None
        self._own = frozenset(session.loaded_pairs)
        self._start = start
        self._vocabulary: Vocabulary | None = None
        self._examined: Pair | None = None
        self._examining = False
        self._saving: Timer | None = None

    def compose(self) -> ComposeResult:
        yield Static(id="prompt-title")
        with Container(id="prompt-body"):
            yield PairList(id="pairs")
            with Vertical(id="typed"):
                yield PairFields(lambda: self._vocabulary, id="fields")
                with TextPane(id="said"):
                    yield Static(id="words")
        yield KeyBar(BY_NAME["help"], id="keys")

    def on_mount(self) -> None:
        self._doing = Worker(self, "prompt bench", owes=True)
        self._checking = Worker(self, "checks")
        self._doing.put(self._file.load, self._begin, self._failed)
        self.call_after_refresh(
            self._checking.put, self.session.pairs.vocabulary, self._know, lambda _: None
        )

    def _begin(self, drafts: Drafts) -> None:
        self.drafts = drafts
        self._renew(to=self._start)
        self._take(self.list.highlighted)

    def on_unmount(self) -> None:
        self._save()
        self._doing.stop()
        self._checking.stop()

    def _know(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary

    @property
    def list(self) -> PairList:
        return self.query_one(PairList)

    @property
    def fields(self) -> PairFields:
        return self.query_one(PairFields)

    @property
    def typing(self) -> bool:
        """A field has the focus."""
        return isinstance(self.focused, Input)

    @property
    def quiet(self) -> bool:
        """Nothing is computed or waited for."""
        return not (self._doing.waiting or self._checking.waiting)

    # Showing.

    def _renew(self, *, to: int | None = None) -> None:
        """Show the pairs as they stand now."""
        rows = pair_rows(self.session.pairs.all, self._own, self.drafts)
        self.list.show(rows, to=None if to is None else str(to))
        self._describe()

    def _describe(self) -> None:
        """Bring the title, the footer and the result up to date."""
        pairs, status = self.session.pairs.all, self.session.status()
        aside = sum(one.aside for one in pairs)
        words = [counted(len(pairs), "pair") + (f", {aside} aside" if aside else "")]
        if status.sample is not None:
            words[0] += f", {status.sample.pairs} in the sample"
        words.append(f"faithfulness {plain(status.faithfulness, 3)}")
        if self.base is NEW:
            words.append("typing a new pair")
        elif self.base in self.drafts:
            words.append(f"changed, not kept: {BY_NAME['keep'].shown} keeps")
        metric, model = self.session.task.metric, signed(status.model_metric, 3)
        words.append(f"{metric}: model {model} circuit {signed(status.circuit_metric, 3)}")
        # What has no room whole is left out, the metric first; the bench shows it too.
        for spare in (-1, 1):
            if len(TITLE + " · ".join(words)) > self.size.width - 2:
                del words[spare]
        put_text(self.query_one("#prompt-title", Static), Text(TITLE + " · ".join(words)))
        names = FOOTER_TYPING if self.typing else FOOTER
        self.query_one(KeyBar).offer([BY_NAME[name] for name in names])
        self._draw()

    def _draw(self) -> None:
        width = self.query_one("#said").size.width - 3
        if width < 20:
            return
        parts = [] if self.exam is None else [draw_exam(self.exam, width)]
        found = self.trials.get(self.fields.pair) or self.trials.get(self.base)
        if found is not None:
            trial, conditions = found
            old = trial.pair != self.fields.pair or conditions != self.session.pairs.conditions
            # What was just asked for stands first; while one types, what is typed does.
            parts.insert(1 if old else 0, draw_trial(trial, width, old=old))
        put_text(self.query_one("#words", Static), Text("\n").join(parts))

    def on_resize(self) -> None:
        self.call_after_refresh(self._describe)

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        self._describe()

    def _take(self, row: PairRow | None) -> None:
        """Let the fields show a pair of the list, with what is typed for it."""
        if row is not None:
            self._show(row.one.pair)

    def _show(self, base: Pair) -> None:
        self.base = base
        self.fields.put(self.drafts.get(base, base))
        self._examine()
        self._describe()

    def on_line_list_highlighted(self, event: LineList.Highlighted) -> None:
        if event.rows is self.list:
            self._take(self.list.highlighted)

    def on_line_list_chosen(self, event: LineList.Chosen) -> None:
        self.action_try_pair()

    # Typing.

    def on_pair_fields_changed(self) -> None:
        typed = self.fields.pair
        if typed == self.base:
            self.drafts.pop(self.base, None)
        else:
            self.drafts[self.base] = typed
        if self._saving is None:
            self._saving = self.set_timer(SAVE, self._save)
        self._renew()
        self._examine()

    def _save(self) -> None:
        """Write down what is typed and not kept."""
        self._saving = None
        self._checking.put(partial(self._file.save, dict(self.drafts)), *[lambda _: None] * 2)

    def on_pair_fields_submitted(self) -> None:
        self.action_try_pair()

    def _examine(self) -> None:
        """Check what is typed; asked for while one check runs: once more after it."""
        pair = self.fields.pair
        if pair == self._examined or self._examining:
            return
        self._examined, self._examining = pair, True

        def done(exam: PairExam) -> None:
            self.exam, self._examining = exam, False
            self._draw()
            self._examine()

        def failed(error: BaseException) -> None:
            self._examining = False
            self._failed(error)

        self._checking.put(partial(self.session.pairs.examine, pair), done, failed)

    def _failed(self, error: BaseException) -> None:
        self.notify(error_sentence(error), severity="error", markup=False, timeout=10)

    def _refused(self, error: BaseException) -> None:
        """As `_failed`; briefly where the examination of what is typed says it already."""
        exam = self.exam
        if exam is None or exam.usable or exam.pair != self.fields.pair:
            self._failed(error)
        else:
            self.notify("First mend what stands at ✗.", severity="warning", timeout=3)

    # What the keys do.

    def action_try_pair(self) -> None:
        """Evaluate what is typed; of a template, ask for its lists."""
        pair = self.fields.pair
        if slots(pair):
            self._ask_lists(pair)
            return
        conditions = self.session.pairs.conditions

        def done(trial: PairTrial) -> None:
            self.trials[pair] = (trial, conditions)
            self._draw()

        call = partial(self.session.pairs.try_pair, pair, k=TOKENS)
        self._doing.put(call, done, self._refused)

    def _ask_lists(self, template: Pair) -> None:
        from screens.prompt_bench.lists_dialog import AskLists, lists_of

        def fill(typed: str | None) -> None:
            if typed is None:
                return
            lists, number = lists_of(typed)

            def work() -> tuple[Filled, Status | None]:
                filled = self.session.pairs.fill(template, lists, number)
                if not filled.pairs:
                    return filled, None
                return filled, self.session.pairs.add(filled.pairs, "a template")

            self._doing.put(work, self._filled, self._failed)

        known = self.session.task.answer_labels
        self.app.push_screen(AskLists(slots(template), known), fill)

    def _filled(self, result: tuple[Filled, Status | None]) -> None:
        filled, _ = result
        said = f"{counted(len(filled.pairs), 'pair')} added"
        if filled.left_out:
            said += f", {len(filled.left_out):,} left out: {filled.left_out[0].said}"
        self.notify(one_line(f"{said}."), markup=False, timeout=10)
        self._renew()

    def action_keep(self) -> None:
        """Keep what is typed: as a change of its pair, or as a new one."""
        index = self._index()
        if index is None:
            self.action_keep_new()
            return
        typed, base = self.fields.pair, self.base
        self._command(partial(self.session.pairs.change, index, typed), keeps=(base, index))

    def action_keep_new(self) -> None:
        """Keep what is typed as a new pair."""
        base, index = self.base, len(self.session.pairs.all)
        typed = self.fields.pair
        self._command(partial(self.session.pairs.add, typed), keeps=(base, index))

    def _index(self) -> int | None:
        """Of the pair that is typed; None for a new one, or one that is not there any more."""
        row = self.list.highlighted
        if self.base is NEW:
            return None
        if row is not None and row.one.pair == self.base:
            return row.index
        pairs = [one.pair for one in self.session.pairs.all]
        return pairs.index(self.base) if self.base in pairs else None

    def _command(self, call: Callable[[], Status], keeps: tuple[Pair, int] | None = None) -> None:
        """Let the session do it; `keeps`: whose draft is kept by it, and where it is then."""

        def done(status: Status) -> None:
            if keeps is not None:
                self.drafts.pop(keeps[0], None)
                self._save()
            self._renew(to=None if keeps is None else keeps[1])
            if keeps is not None or self.base not in self.drafts:
                self._take(self.list.highlighted)
            if status.message:
                self.notify(one_line(status.message), markup=False, timeout=5)

        self._doing.put(call, done, self._failed if keeps is None else self._refused)

    def action_mend(self) -> None:
        """Do the first thing that mends what is wrong."""
        pair = self.fields.pair

        def done(exam: PairExam) -> None:
            if not exam.mends:
                self.notify("Nothing is known that would mend it.", timeout=4)
            elif self.fields.pair == pair:
                self.fields.put(exam.mends[0].pair)

        self._doing.put(partial(self.session.pairs.examine, pair), done, self._failed)

    def action_likeliest(self) -> None:
        """Choose answers, or wrong answers, from the likeliest tokens after the clean prompt."""
        from screens.prompt_bench.likeliest import Likeliest

        wrong = self.fields.name_focused == "wrong"
        pair = self.fields.pair
        prompt = pair.corrupted if wrong and pair.corrupted else pair.clean
        present = pair.wrong_answers if wrong else pair.answers
        title = f"Likeliest after the {'corrupted' if prompt != pair.clean else 'clean'} prompt"

        def take(chosen: tuple[str, ...] | None) -> None:
            if chosen is not None:
                now = self.fields.pair
                right, other = (now.answers, chosen) if wrong else (chosen, now.wrong_answers)
                self.fields.put(replace(now, answers=right, wrong_answers=other))

        def show(tokens: tuple[TokenChance, ...]) -> None:
            self.app.push_screen(Likeliest(title, tokens, present), take)

        call = partial(self.session.pairs.next_tokens, prompt, CHOICE)
        self._doing.put(call, show, self._failed)

    def action_new_pair(self) -> None:
        self._show(NEW)
        self.fields.begin()

    def action_pick(self) -> None:
        row = self.list.highlighted
        if row is not None:
            aside = row.one.used
            self._command(partial(self.session.pairs.put_aside, [row.index], aside))

    def action_only(self) -> None:
        row = self.list.highlighted
        if row is not None:
            self._command(partial(self.session.pairs.only, row.index))

    def action_duplicate(self) -> None:
        row = self.list.highlighted
        if row is not None:
            self._command(partial(self.session.pairs.duplicate, row.index))

    def action_remove(self) -> None:
        row = self.list.highlighted
        if row is not None:
            self._command(partial(self.session.pairs.remove, [row.index]))

    def action_undo(self) -> None:
        self._command(self.session.undo)

    def action_redo(self) -> None:
        self._command(self.session.redo)

    def action_write(self) -> None:
        """Ask where to save the pairs that are in use."""
        from screens.widgets.ask_path import AskPath
        from workbench.base.write_file import check_target

        def save(text: str | None) -> None:
            if text is not None:
                path = meant_path(text)
                self._doing.put(
                    lambda: self.session.pairs.save(path),
                    lambda n: self.notify(
                        f"{counted(n, 'pair')} saved: {path}", markup=False, timeout=8
                    ),
                    self._failed,
                )

        hint = "A task file: .jsonl, or a table, .csv or .tsv. A file of that name is replaced."
        self.app.push_screen(
            AskPath(
                "Save the pairs in use to",
                f"{Path(self.session.task.name).stem}-pairs.jsonl",
                hint=hint,
                check=check_target,
            ),
            save,
        )

    def action_leave(self) -> None:
        if self.typing:
            self.list.focus()
        else:
            self.dismiss(None)

    def action_help(self) -> None:
        from screens.help.screen import HelpScreen

        self.app.push_screen(HelpScreen())
