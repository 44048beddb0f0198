"""The frontier: nodes that are kept but not wholly expanded, the most promising first."""

from __future__ import annotations

from collections.abc import Sequence

from rich.style import Style
from rich.text import Text
from textual.widgets import Static

from screens.base.actions import keyed
from screens.widgets.changes import put_text

SHOWN = 40  # names that can stand in its lines at most


class Frontier(Static):
    """Names that can be clicked; what does not fit its lines is counted."""

    DEFAULT_CSS = """
    Frontier {
        dock: bottom;
        height: 3;
        padding: 0 1;
        color: $text-muted;
        border-top: solid $border-blurred;
        &.-first { height: auto; max-height: 4; }
    }
    """

    def show_nodes(self, nodes: Sequence[str], *, closed: bool) -> None:
        # Beside the logits alone stands a hint, which wraps in a narrow panel.
        self.set_class(nodes == ["logits"], "-first")
        if not nodes:
            words = "nothing: the circuit is closed" if closed else "nothing that is kept"
            put_text(self, Text(f"◌ to expand: {words}."))
            return
        text = Text(f"◌ to expand ({len(nodes)}): ")
        for node in nodes[:SHOWN]:
            text.append(node, Style(meta={"@click": f"screen.choose('{node}')"}, underline=True))
            text.append(" ")
        if len(nodes) > SHOWN:
            text.append("…")
        if nodes == ["logits"]:
            text.append(
                keyed("\n{key:bench.expand} keeps the edges into them that pass the threshold.")
            )
        put_text(self, text)
