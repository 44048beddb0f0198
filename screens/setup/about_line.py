"""The line on what has the focus in setup: the whole description of what is chosen there."""

from __future__ import annotations

from rich.text import Text
from textual.widget import Widget
from textual.widgets import Static

from screens.base.tokens import one_line
from screens.setup.known import Known
from screens.widgets.changes import put_text
from screens.widgets.choice import Choice
from workbench.experiment import ablations
from workbench.metrics.catalogue import METRICS

OTHERS = {
    ("metric", ""): "the metric that the task itself asks for",
    ("bos", ""): "a beginning-of-text token before every prompt if the tokenizer puts one there",
    ("bos", "yes"): "a beginning-of-text token before every prompt",
    ("bos", "no"): "no beginning-of-text token before the prompts",
    ("mismatch", "refuse"): "nothing is opened while there is a pair that cannot be used",
    ("mismatch", "drop"): "pairs whose prompts differ in their number of tokens are left out",
    ("mismatch", "bad"): "all pairs that cannot be used are left out",
}
"""(id of the choice, value) -> what it does; metrics and ablations have catalogues."""


class AboutLine(Static):
    """It wraps where it has to, and is gone where there is nothing to say."""

    def on_mount(self) -> None:
        self.display = False

    def tell(self, focused: Widget | None, known: Known, model: str, task: str) -> None:
        """Say what is chosen in the widget that has the focus."""
        words = _words(focused, known, model.strip(), task.strip())
        self.display = bool(words)
        put_text(self, Text(words))


def _words(focused: Widget | None, known: Known, model: str, task: str) -> str:
    of = "" if focused is None else focused.id or ""
    for ids, name, listed in (
        (("model", "models"), model, known.models),
        (("task", "tasks"), task, known.tasks),
    ):
        if of in ids:
            words = dict(listed).get(name, "")
            return f"{name}: {one_line(words)}" if words else ""
    if not isinstance(focused, Choice):
        return ""
    value = focused.value
    words = OTHERS.get((of, value), "")
    if of == "metric" and value:
        words = METRICS[value].definition
    elif of == "ablation" and value in ablations.ABLATIONS:
        words = ablations.ABLATIONS[value].words
    shown = focused.options[focused.index][1]
    return f"{shown}: {one_line(words)}" if words else ""
