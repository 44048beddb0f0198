"""The middle panel: which edges these are, what their numbers mean, the table, the filter."""

from __future__ import annotations

from rich.style import Style
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.events import Key
from textual.widgets import Input, Static

from screens.base.marks import NOTED, SETTINGS
from screens.base.numbers import count
from screens.base.tokens import one_line
from screens.bench.candidates import Candidates
from screens.bench.edge_filter import HELP
from screens.bench.keys import BY_NAME
from screens.bench.session_runner import EdgesView, Sweep
from screens.widgets.changes import put_text
from workbench.circuits.names import TOGETHER, kind_of

OLD = "effects of other pairs or metric, coming anew…"
"""What stands in the place of the progress until they are."""

INPUTS = ("qkv", "q", "k", "v", TOGETHER)


class EdgesPanel(Vertical):
    """Owns the words around the table; the table owns its rows."""

    DEFAULT_CSS = """
    EdgesPanel {
        & > #about { height: 3; padding: 0 1; text-wrap: nowrap; text-overflow: ellipsis; }
        &.-filtered > #about { height: 4; }
        & > #edges { height: 1fr; }
        & > #warning { display: none; height: 1; padding: 0 1; text-style: bold; }
        &.-warned > #warning { display: block; }
        & > #filter { display: none; border: none; height: 1; padding: 0 1; background: $boost; }
        &.-filtering > #filter { display: block; }
        & > #filter-help { display: none; color: $text-muted; padding: 0 1; height: auto; }
        &.-filtering > #filter-help { display: block; }
    }
    """

    old = False
    """The effects are of other pairs."""
    warning = ""
    """Of the node under the cursor, that its total effect hides its direct one."""

    def compose(self) -> ComposeResult:
        yield Static(id="about")
        yield Candidates(id="edges")
        yield Static(id="warning")  # below: the rows stay where they are when it comes
        entry = Input(id="filter", placeholder="filter: words that must all hold")
        entry.cursor_blink = False
        yield entry
        yield Static(Text(HELP), id="filter-help")

    @property
    def table(self) -> Candidates:
        return self.query_one("#edges", Candidates)

    def describe(
        self,
        view: EdgesView,
        *,
        state: str,
        metric: str,
        threshold: float,
        note: str,
        sweep: Sweep | None,
        stopped: bool,
    ) -> None:
        """Say what the table shows. `state` is a sentence on the node: open, expanded, not kept."""
        table = self.table
        text = Text()
        text.append(view.node, "bold")
        if kind_of(view.node) == "head":
            for name in INPUTS:
                shown, chosen = name.replace("qkv", "q,k,v"), name == view.inputs
                style = _link(f"screen.inputs('{name}')", chosen)
                text.append(f" [{shown}]" if chosen else f"  {shown} ", style)
        text.append("  " + state, "dim")
        if note:
            text.append(f"  {NOTED} {one_line(note)}")
        name, definition = SETTINGS[view.setting]
        text.append("\n")
        text.append(name, _link("screen.setting()"))
        text.append(": " + definition.format(metric=metric), "dim")
        above = sum(c.preview for c in table.all)
        text.append("\nthreshold ", "dim")
        text.append(f"{threshold:.3g}", _link("screen.threshold_exactly()"))
        text.append(f": {count(above)} of {count(len(table.all))} pass")
        if self.old:
            text.append(f"   {OLD}", "bold")
        else:
            text.append("   " + self._progress(sweep, stopped))
        if table.filter:
            text.append(
                f"\nfilter: {one_line(table.filter.words)} ({count(len(table.rows))})", "bold"
            )
        self.set_class(bool(table.filter), "-filtered")
        self.set_class(bool(self.warning), "-warned")
        put_text(self.query_one("#about", Static), text, layout=False)
        put_text(self.query_one("#warning", Static), Text(one_line(self.warning)), layout=False)

    def _progress(self, sweep: Sweep | None, stopped: bool) -> str:
        known = sum(c.exact is not None for c in self.table.all)
        total = len(self.table.all)
        cancel = BY_NAME["cancel"].shown
        if self.table.sweeping and known < total:
            return f"exact {count(known)}/{count(total)}… ({cancel} stops)"
        if sweep is not None:
            progress = f" {count(sweep.done)}/{count(sweep.total)}" if sweep.total else ""
            return f"drop costs{progress}… ({cancel} stops)"
        if known == total:
            sorts = f" · {BY_NAME['sort'].shown} puts them in order" if self.table.behind else ""
            return f"exact: all {count(total)}{sorts}" if total else ""
        return f"exact {count(known)}/{count(total)}{f' ({cancel} goes on)' if stopped else ''}"

    # The filter's input.

    def ask_filter(self) -> None:
        entry = self.query_one("#filter", Input)
        entry.value = self.table.filter.words
        self.add_class("-filtering")
        entry.focus()

    def close_filter(self) -> None:
        self.remove_class("-filtering")
        self.table.focus()

    @on(Input.Changed, "#filter")
    def _filter(self, event: Input.Changed) -> None:
        event.stop()
        help_text = self.query_one("#filter-help", Static)
        try:
            self.table.set_filter(event.value)
        except ValueError as error:
            help_text.update(Text(str(error)))
        else:
            help_text.update(Text(HELP))
        self.post_message(Candidates.Sorted())

    @on(Input.Submitted, "#filter")
    def _filtered(self, event: Input.Submitted) -> None:
        event.stop()
        self.close_filter()

    def on_key(self, event: Key) -> None:
        if event.key == "escape":
            entry = self.query_one("#filter", Input)
            if self.has_class("-filtering") or self.table.filter:
                event.stop()
                entry.value = ""
                self.table.set_filter("")
                self.post_message(Candidates.Sorted())
                self.close_filter()


def _link(action: str, strong: bool = True) -> Style:
    return Style(bold=strong, dim=not strong, meta={"@click": action})
