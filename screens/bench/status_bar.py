"""The status bar: where the session stands, always on the screen."""

from __future__ import annotations

import re
from typing import ClassVar

from rich.style import Style
from rich.text import Text
from textual.strip import Strip
from textual.timer import Timer
from textual.widget import Widget

from screens.base.actions import keyed
from screens.base.numbers import (
    PENDING,
    count,
    digits_for,
    percent,
    plain,
    seconds,
    shorten,
    signed,
)
from screens.base.reference_marks import counted, shares
from screens.base.tokens import ELLIPSIS, fit, one_line
from workbench.circuits.comparison import Comparison
from workbench.models.info import ModelInfo
from workbench.session.views import Status, TaskInfo

LEAST_MESSAGE = 14  # cells below which a message would be no more than its ends
LEAST_TITLE = 8  # cells below which a session's title would be no more than its ends
NARROW = 79  # columns from which three lines hold everything
WIDE = 130  # columns from which two lines hold everything
HOLD = 0.15  # seconds before numbers look as if they will change: most have changed by then


class StatusBar(Widget):
    """Model, task, metric, faithfulness and size of the circuit, in two to four lines.

    While the circuit is compared with a reference, one more line says how they agree.

    Attributes:
        comparison: of the circuit with its reference; None if there is none.
        title: of the session; empty if it has none.
        pending: edits are under way: what they will change is shown dim, unless they are soon done.
        settling: of the scores of all pairs, where those shown are of a sample, the share done;
            None while they are not computed.
    """

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "status-bar--label",
        "status-bar--strong",
        "status-bar--open",
    }
    DEFAULT_CSS = """
    StatusBar {
        height: 3;
        background: $panel;
        color: $foreground;
        & > .status-bar--label { color: $text-muted; }
        & > .status-bar--strong { text-style: bold; }
        & > .status-bar--open { color: $text-warning; text-style: bold; }
    }
    """

    def __init__(self, model: ModelInfo, task: TaskInfo, status: Status, *, id: str | None = None):
        super().__init__(id=id)
        self.model_info = model
        self.task_info = task
        self.status = status
        self.pending = False
        self.settling: float | None = None
        self._agreed = (float("nan"), float("nan"))  # accuracy and KL that were known last
        self._dim = False
        self._hold: Timer | None = None
        self.comparison: Comparison | None = None
        self.title = ""
        self._reference_name = ""

    def update(
        self, status: Status | None = None, *, pending: bool, task: TaskInfo | None = None
    ) -> None:
        if task is not None:
            self.task_info = task
        if status is not None:
            self.status = status
        if self.pending and not pending and self._hold is not None:
            self._hold.stop()
            self._hold = None
        elif pending and self._hold is None:
            self._hold = self.set_timer(HOLD, self._dims)
        self.pending = pending
        self._dim = self._dim and pending
        if status is not None or not pending:
            self.refresh()

    def settled(self, status: Status, far: float | None) -> None:
        """Scores of all pairs came, or so far are they; None: they are not computed."""
        self.settling = far
        if not self.pending:
            self.update(status, pending=False)

    def agreed(self) -> None:
        """Accuracy and KL of what is shown are known now."""
        self.refresh()

    def _dims(self) -> None:
        self._dim = self.pending
        self.refresh()

    def entitle(self, title: str) -> None:
        """Say what the session is called, before model and task."""
        if title != self.title:
            self.title = title
            self.refresh()

    def show_comparison(self, comparison: Comparison | None, name: str) -> None:
        """Say how the circuit agrees with the reference of this name; None: nothing of it."""
        self.comparison, self._reference_name = comparison, name
        self.on_resize()
        self.refresh()

    def on_resize(self) -> None:
        width = self.size.width
        lines = 2 if width >= WIDE else 3 if width >= NARROW else 4
        self.styles.height = lines + (self.comparison is not None)

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        lines = self._wide(width) if width >= WIDE else self._narrow(width)
        if self.comparison is not None:
            lines.append(self._beside(self.comparison, width))
        text = lines[y] if y < len(lines) else Text()
        strip = Strip(text.render(self.app.console, end="")).adjust_cell_length(width)
        return strip.apply_style(self.rich_style)

    # Pieces.

    def _item(
        self, label: str, value: str, *, moving: bool = False, style: str = "", coming: bool = False
    ) -> Text:
        text = Text()
        if label:
            text.append(label + " ", self.get_component_rich_style("status-bar--label"))
        if coming or (moving and self._dim):
            text.append(value + PENDING, "dim")
        else:
            text.append(
                value, self.get_component_rich_style(f"status-bar--{style}") if style else ""
            )
        return text

    def _who(self, width: int, *, brief: bool = False, without: int = 0) -> Text:
        """Model, task and how it is run: as much of it as there is room for, or is asked for.

        `without`: so many of pairs and task are left out.
        """
        task = self.task_info
        sample = self.status.sample
        of = "" if sample is None else f" of {count(sample.of)}"
        always = [one_line(task.name), f"{count(task.n_pairs)}{of} pairs"][: 2 - without]
        n = len(task.interventions)
        many = f"{n} interventions" if n > 1 else "1 intervention"
        always += [keyed(f"{many}: {{key:bench.interventions}}")] if n else []
        always += [keyed("warnings: {key:bench.prompts}")] if task.warnings else []
        more = [] if task.seed is None else [f"seed {task.seed}"]
        more += [task.ablation, "BOS" if task.bos else "no BOS"]
        more = [] if brief or self.title else more
        model = one_line(self.model_info.name)
        while more and len(" · ".join([model, *always, *more])) > width:
            more.pop()
        rest = "".join(f" · {part}" for part in [*always, *more])
        model = shorten(model, max(8, width - len(rest)))
        strong = self.get_component_rich_style("status-bar--strong")
        room = width - len(model) - len(rest) - 3
        if self.title and room >= LEAST_TITLE:
            named = shorten(one_line(self.title), room) + " · "
            return Text.assemble(
                (named, strong), (model, Style(meta={"@click": "screen.model()"})), rest
            )
        return Text.assemble((model, strong + Style(meta={"@click": "screen.model()"})), rest)

    def _openness(self) -> Text:
        status = self.status
        if status.closed:
            return self._item("", "CLOSED", moving=True, style="strong")
        inputs = "input" if status.open_destinations == 1 else "inputs"
        return self._item(
            "", f"OPEN: {count(status.open_destinations)} {inputs}", moving=True, style="open"
        )

    def _metrics(self) -> list[Text]:
        status = self.status
        values = (status.model_metric, status.corrupted_metric, status.circuit_metric)
        digits = min(4, digits_for(max(abs(v) for v in values)))
        digits = 3 if digits > 3 and max(abs(v) for v in values) >= 1 else digits
        return [
            self._item(f"{self.task_info.metric}: model", signed(values[0], digits)),
            self._item("corrupted", signed(values[1], digits)),
            self._item("circuit", signed(values[2], digits), moving=True, style="strong"),
        ]

    def _faithfulness(self) -> Text:
        status = self.status
        if status.faithfulness is None:
            return self._item("faithfulness", "undefined", moving=True, style="strong")
        text = self._item(
            "faithfulness", plain(status.faithfulness, 4), moving=True, style="strong"
        )
        margin = None if status.sample is None else status.sample.margin
        if margin is not None and not self._dim:
            text.append(f" ±{plain(margin, 3)}")
        if status.change is not None and not self._dim:
            text.append(f" ({signed(status.change, 4)})")
        return text

    def _of_all(self) -> list[Text]:
        """Where the numbers are of a sample: the faithfulness on all pairs, or how far it is."""
        sample = self.status.sample
        if sample is None:
            return []
        if sample.whole is None:
            far = "not known" if self.settling is None else f"{self.settling:.0%} done"
            return [self._item(f"all {count(sample.of)}:", far, moving=True)]
        share = sample.whole.faithfulness
        value = "undefined" if share is None else plain(share, 4)
        return [self._item(f"all {count(sample.whole.pairs)}:", value, moving=True, style="strong")]

    def _rest(self, of: str, *, took: bool = True) -> list[Text]:
        """Edges, nodes, and how long the last command took; `took`: with this word before it."""
        status = self.status
        return [
            self._item("edges", f"{count(status.edges)}{of}{self._all_edges()}", moving=True),
            self._item("nodes", f"{count(status.nodes)}{of}{count(status.all_nodes)}", moving=True),
            self._item("took" if took else "", seconds(status.seconds), moving=True),
        ]

    def _all_edges(self) -> str:
        """How many there are, and how many of the kept ones are at some roles only."""
        at = f" ({count(self.status.at_roles)} by role)" if self.status.at_roles else ""
        return f"{count(self.status.all_edges)}{at}"

    def _agreement(self) -> list[Text]:
        """Accuracy and KL; those of before look so until the new ones are known."""
        agreement = self.status.agreement
        if agreement.known:
            self._agreed = agreement.read()
        accuracy, kl = self._agreed
        coming = not agreement.known
        first = coming and accuracy != accuracy  # nothing is known of before
        said = ("", "") if first else (percent(accuracy), plain(kl, 4))
        return [
            self._item(name, number, moving=True, coming=coming)
            for name, number in zip(("accuracy", "KL"), said, strict=True)
        ]

    def _append_message(self, text: Text, width: int) -> None:
        said = whole_sentences(one_line(self.status.message), width)
        text.append("   " + said, self.get_component_rich_style("status-bar--label"))

    def _beside_message(self, width: int) -> Text:
        """Model and task with the last message, which stands whole if it can: they give way."""
        if not self.status.message:
            return self._who(width)
        for without in range(3 if self.size.width >= NARROW else 1):
            who = self._who(width, brief=True, without=without)
            space = width - who.cell_len - 4
            said = whole_sentences(one_line(self.status.message), space)
            if said and not said.endswith(ELLIPSIS):
                break
        if space >= LEAST_MESSAGE:
            self._append_message(who, space)
        return who

    def _beside(self, comparison: Comparison, width: int) -> Text:
        """Edges kept of the reference's, what differs, and as many further numbers as fit."""
        edges, nodes = comparison.edges, comparison.nodes
        text = self._item("reference", counted(edges), moving=True, style="strong")
        further = [self._item(name, value, moving=True) for name, value in shares(edges)]
        further.append(self._item("nodes", counted(nodes), moving=True))
        further.append(self._item("from", one_line(self._reference_name)))
        for item in further:
            if text.cell_len + 2 + item.cell_len < width:
                text.append("  ").append_text(item)
        return text

    # Lines.

    def _narrow(self, width: int) -> list[Text]:
        right = self._openness()
        agreement = self._agreement()
        who = self._beside_message(width - right.cell_len - 2)
        if width < NARROW:
            return [
                _ends(who, right, width),
                _spread(self._metrics(), width),
                _spread([self._faithfulness(), *self._of_all(), agreement[1]], width),
                _spread([*self._rest("/"), agreement[0]], width),
            ]
        last = [self._faithfulness(), *self._of_all(), agreement[1], *self._rest("/")]
        if _joined(last, " ").cell_len > width:
            last[-1] = self._rest("/", took=False)[-1]
        return [
            _ends(who, right, width),
            _spread(self._metrics() + agreement[:1], width),
            _spread(last, width),
        ]

    def _wide(self, width: int) -> list[Text]:
        rest = self._rest(" of ")
        metrics = _joined([*self._metrics(), *self._agreement()], "   ")
        room = width - metrics.cell_len - 4
        head = _ends(self._who(room), metrics, width)
        tail = _joined([self._openness(), *rest], "   ")
        left = _joined([self._faithfulness(), *self._of_all()], "   ")
        space = width - left.cell_len - tail.cell_len - 6
        if space >= LEAST_MESSAGE:
            self._append_message(left, space)
        return [head, _ends(left, tail, width)]


def whole_sentences(words: str, width: int) -> str:
    """As many sentences as fit, the first ones; of one that is too long, its beginning."""
    if len(words) <= width:
        return words
    sentences = re.split(r"(?<=[.!?]) ", words)
    while len(sentences) > 1 and len(" ".join(sentences)) > width:
        sentences.pop()
    return fit(" ".join(sentences), width).rstrip()


def _joined(items: list[Text], gap: str) -> Text:
    return Text(gap).join(items)


def _spread(items: list[Text], width: int) -> Text:
    """Items with two blanks between, or one where two do not fit; then without the last ones."""
    text = _joined(items, "  ")
    if text.cell_len > width - 1:
        text = _joined(items, " ")
    while text.cell_len > width and len(items) > 1:
        items = items[:-1]
        text = _joined(items, " ")
    return text


def _ends(left: Text, right: Text, width: int) -> Text:
    """One at the left end, one at the right, a blank beside each edge of the screen."""
    gap = width - left.cell_len - right.cell_len - 1
    return Text.assemble(left, " " * max(1, gap), right)
