"""The drawing of the circuit as a widget, with the styles of what is drawn."""

from __future__ import annotations

from typing import ClassVar

from rich.style import Style

from screens.graph.canvas import Canvas


class Map(Canvas):
    """The circuit, by layers or by groups; `GraphScreen` says which and draws it."""

    HELP = """\
The circuit, back from the logits on top to the embeddings at the bottom: a layer is a line, its MLP
first. For the node under the cursor, ▲ marks what it feeds and ▼ what feeds it; the line on the
left leads there. The letter behind a node is its group.

Pick nodes with **{key:graph.pick}**, then **{key:graph.assign}** puts them into a group and says
what its nodes do (its role); **{key:graph.groups}** draws the groups instead of the nodes, with the
edges between them counted, and **{key:graph.between}** keeps or drops all edges from one group or
node to another. **{key:graph.focus_paths}** leaves only the paths from the node to the
logits.

**{key:graph.by_role}** draws nodes at the token roles where they write: a column is a role, its
line the residual stream there; attention runs across, from the roles that a head looks at. What
heads read at all roles stands in a column of its own, on the left.

+ marks a picked node, ? a node from which no kept edge leads to the logits; the other marks are
those of the circuit's tree.
"""
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "map--cursor",
        "map--near",
        "map--quiet",
        "map--picked",
        "map--frontier",
        "map--box",
        "map--plain",
        "map--title",
    }
    DEFAULT_CSS = """
    Map {
        & > .map--cursor { text-style: bold reverse; }
        & > .map--near { color: $text-primary; text-style: bold; }
        & > .map--quiet { color: $text-muted; }
        & > .map--picked { color: $text-success; text-style: bold; }
        & > .map--frontier { color: $text-warning; }
        & > .map--box { color: $border-blurred; }
        & > .map--plain { color: $foreground; }
        & > .map--title { color: $foreground; text-style: bold; }
    }
    """

    def ink(self, name: str) -> Style:
        """A component's style without its background."""
        style = self.get_component_rich_style(f"map--{name}")
        return Style(color=style.color, bold=style.bold, dim=style.dim, reverse=style.reverse)
