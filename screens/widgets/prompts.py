"""A pair of prompts token by token, the clean one above the corrupted one."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, ClassVar

from rich.cells import cell_len
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Static

from screens.base.actions import keyed
from screens.base.numbers import percent, signed
from screens.base.tokens import fit, one_line, show_token
from screens.widgets.copying import Copies
from screens.widgets.dialog_keys import PROMPTS
from screens.widgets.dialogs import Dialog
from screens.widgets.keys import COPYING
from screens.widgets.search import MARK
from workbench.base.table import Table
from workbench.prompts.roles import BETWEEN

if TYPE_CHECKING:
    from workbench.prompts.preview import PromptView
    from workbench.session.session import Session

LABEL = 10  # cells of "corrupted "
ANSWERS_SHOWN = 8


def draw_pair(pair: PromptView, width: int) -> Text:
    """Both prompts in columns of tokens, wrapped at `width`; carets stand where they differ."""
    text = draw_columns(list(zip_longest(pair.clean, pair.corrupted)), width, pair.roles)
    for label, words in (("answers", pair.answers), ("wrong", pair.wrong_answers)):
        text.append(f"\n{label:<{LABEL}}", "dim")
        text.append(fit(_listed(words), max(10, width - LABEL)))
    text.rstrip()
    return text


def draw_columns(
    both: Sequence[tuple[str | None, str | None]], width: int, roles: Sequence[str] = ()
) -> Text:
    """Tokens of two prompts above one another; None where one of them has none.

    Args:
        both: the tokens of each position.
        width: in cells, at which lines are wrapped.
        roles: of each position; what stands between two roles is left without its name.
    """
    named = _role_names(roles, len(both))
    columns = [
        (*(show_token(token) if token is not None else "" for token in pair), name)
        for pair, name in zip(both, named, strict=True)
    ]
    same = [clean == other for clean, other in both]
    text = Text(no_wrap=True)
    start = 0
    while start < len(columns):
        end, used = start, LABEL
        while end < len(columns):
            cells = max(map(cell_len, columns[end])) + 1
            if used + cells > width and end > start:
                break
            used += cells
            end += 1
        for row, label in ((2, "role"), (0, "clean"), (1, "corrupted"), (3, "")):
            if (row == 3 and all(same[start:end])) or (row == 2 and not any(named[start:end])):
                continue
            text.append(f"{label:<{LABEL}}", "dim")
            for i in range(start, end):
                cells = max(map(cell_len, columns[i]))
                if row == 2:
                    text.append(fit(named[i], cells + 1), "dim")
                elif row < 2:
                    text.append(fit(columns[i][row], cells), "" if same[i] else "bold underline")
                    text.append("│", "dim")
                else:
                    text.append(fit("" if same[i] else "^" * cells, cells + 1), "bold")
            text.append("\n")
        start = end
    text.right_crop(1)
    return text


def _role_names(roles: Sequence[str], n: int) -> list[str]:
    """The name of each position's role where it begins; none of what lies between roles."""
    names = [
        "" if BETWEEN in name or name == before else name
        for before, name in zip(("", *roles), roles, strict=False)
    ]
    return [*names, *[""] * (n - len(names))]


def _listed(words: Sequence[str]) -> str:
    shown = " ".join(show_token(word) for word in words[:ANSWERS_SHOWN])
    more = len(words) - ANSWERS_SHOWN
    return shown + (f" … {more} more" if more > 0 else "")


KEYS = (
    "{key:prompts.previous} {key:prompts.next} another pair · {key:list.search} search · "
    "{key:list.copy} copy · enter or esc: close"
)


class PromptsDialog(Dialog[None]):
    """The task: what it measures, how well the model does it, and its prompts one by one."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "leave", show=False),
        *(action.binding() for action in PROMPTS),
        *(action.binding() for action in COPYING),
    ]

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self.index = 0

    def compose(self) -> ComposeResult:
        with Vertical(classes="box wide"):
            yield Static(Text(f"The task: {one_line(self.session.task.name)}"), classes="title")
            with VerticalScroll(classes="text"):
                yield Static(self._about(), id="task")
                yield Static(id="pair")
            yield Static(Text(keyed(KEYS)), classes="keys")

    def on_mount(self) -> None:
        self.call_after_refresh(self._draw)

    def on_resize(self) -> None:
        self._draw()

    def copies(self) -> Copies:
        """All pairs as a table, the one that is shown, and its prompts."""
        session = self.session
        pairs = session.by_pair.pairs
        columns = ("pair", "clean", "corrupted", "answers", "wrong_answers")
        rows = tuple(
            (i, one.clean, one.corrupted, "|".join(one.answers), "|".join(one.wrong_answers))
            for i, one in enumerate(pairs, 1)
        )
        shown = pairs[self.index]
        names = (("clean", shown.clean), ("corrupted", shown.corrupted))
        return Copies(names, (Table("prompts of the task", columns, rows),), self.index)

    def action_turn(self, by: int) -> None:
        self.index = (self.index + by) % self.session.task.n_pairs
        self._draw()

    # A search goes through the prompts of all pairs, of which one is shown.

    def search_lines(self) -> list[str]:
        lines = []
        for index in range(self.session.task.n_pairs):
            pair = self.session.prompts(index)
            said = (pair.clean, pair.corrupted, pair.answers, pair.wrong_answers)
            lines.append("\n".join("".join(tokens) for tokens in said))
        return lines

    def search_at(self) -> int:
        return self.index

    def search_show(self, line: int) -> None:
        self.index = line
        self._draw()

    def search_mark(self, words: str) -> None:
        self.sought = words
        self._draw()

    def _about(self) -> Text:
        task = self.session.task
        lines = [one_line(task.description)]
        lines.append(f"Metric {task.metric}: {task.metric_definition}.")
        clean = f"{signed(task.model_metric)}, accuracy {percent(task.model_accuracy)}"
        other = f"{signed(task.corrupted_metric)}, {percent(task.corrupted_accuracy)}"
        lines.append(f"The model: {task.metric} {clean}; on the corrupted prompts {other}.")
        lines.append(
            "A BOS token stands before every prompt." if task.bos else "No BOS token is prepended."
        )
        lines += [one_line(note) for note in task.notes]
        lines += [f"Warning: {one_line(warning)}" for warning in task.warnings]
        return Text("\n".join(lines))

    def _draw(self) -> None:
        view = self.query_one("#pair", Static)
        text = Text(f"\nPair {self.index + 1} of {self.session.task.n_pairs}\n", "bold")
        pair = draw_pair(self.session.prompts(self.index), max(40, view.size.width))
        shown = Text.assemble(text, pair)
        if self.sought:
            shown.highlight_words(self.sought.split(), MARK, case_sensitive=False)
        view.update(shown)
