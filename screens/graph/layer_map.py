"""The circuit by layers, as lines of text: the logits on top, the embeddings below.

A layer is one line, or several where it has many nodes; its MLP stands first, then its heads.
Layers without nodes are one line together. The links of the node under the cursor are told by marks
beside the nodes (`▲` what it feeds, `▼` what feeds it) and by a trunk on the left that runs from
the highest of them to the lowest, so that they are found in a circuit of any size.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from rich.style import Style
from rich.text import Text

from screens.base.marks import MARKS, NOTED
from screens.graph.canvas import Spot
from screens.graph.picture import UNREACHED, Picture, letter
from workbench.circuits.names import kind_of

FEEDS = "▲"
FED_BY = "▼"
CURSOR = "▸"
PICKED = "+"
NO_PATH = "?"
"""State mark of a node from which nothing reaches the logits."""
SKIPPED = "⋮"
GUTTER = 3
LABEL = 3
GAP = 1

Ink = Callable[[str], Style]
"""Gives a style by name: 'cursor', 'near', 'quiet', 'picked', 'frontier'."""


@dataclass(frozen=True)
class _Cell:
    node: str
    x: int
    line: int


def draw_layers(
    picture: Picture,
    *,
    shown: Collection[str],
    cursor: str | None,
    picked: Collection[str],
    width: int,
    ink: Ink,
) -> tuple[list[Text], list[Spot]]:
    """Lines and spots of the layers.

    Args:
        shown: the nodes to draw; the others are left out.
        cursor: the node whose links are marked.
        picked: nodes that are chosen for a group.
        width: cells to fill; a circuit with wide layers takes more lines, not more cells.
    """
    widest = max((len(node) for node in shown), default=6)
    # Two marks before the name; the group's letter and the mark of a note behind it.
    cell = 2 + widest + tag_width(picture, shown) + GAP
    columns = max(2, (width - GUTTER - LABEL) // cell)
    labels: list[str] = []
    cells: list[_Cell] = []
    before: int | None = None
    for layer in range(picture.n_layers, -2, -1):
        nodes = [node for node in picture.layer if picture.layer[node] == layer and node in shown]
        if not nodes:
            continue
        if before is not None and before - layer > 1:
            labels.append(_skipped(before - 1, layer + 1))
        before = layer
        places = _places(nodes, columns)
        for line, column, node in places:
            cells.append(_Cell(node, GUTTER + LABEL + column * cell, len(labels) + line))
        n_lines = 1 + max(line for line, _, _ in places)
        name = str(layer) if 0 <= layer < picture.n_layers else ""
        labels += [name] + [""] * (n_lines - 1)
    feeds = {link.destination for link in picture.feeds.get(cursor or "", ())}
    fed_by = {link.source for link in picture.fed_by.get(cursor or "", ())}
    near = {one.line: FEEDS for one in cells if one.node in feeds}
    near |= {one.line: FED_BY for one in cells if one.node in fed_by}
    marks = trunk(near, next((one.line for one in cells if one.node == cursor), None))
    lines = [Text(no_wrap=True) for _ in labels]
    spots = []
    for y, name in enumerate(labels):
        lines[y].append(f"{marks.get(y, ''):<{GUTTER}}", ink("near"))
        label = name if name.startswith(SKIPPED) else f"{name:>{LABEL - 1}} "
        lines[y].append(label, ink("quiet"))
    for one in cells:
        lines[one.line].append(" " * (one.x - lines[one.line].cell_len))
        lines[one.line].append_text(
            node_text(picture, one.node, cursor, feeds, fed_by, picked, cell - GAP, ink)
        )
        spots.append(Spot(one.node, one.x, one.line, cell - GAP))
    return lines, spots


def tag_width(picture: Picture, shown: Collection[str]) -> int:
    """Cells behind a node's name: of its group's letter, and of the mark of a note."""
    return (2 if picture.groups else 0) + (not picture.notes.keys().isdisjoint(shown))


def _places(nodes: list[str], columns: int) -> list[tuple[int, int, str]]:
    """Line, column and node: the MLP in the first column, the heads in the others."""
    mlp = [node for node in nodes if kind_of(node) == "mlp"]
    heads = [node for node in nodes if kind_of(node) == "head"]
    others = [node for node in nodes if node not in mlp and node not in heads]
    places = [(0, 0, node) for node in [*mlp, *others]]
    for i, node in enumerate(heads):
        line, column = divmod(i, columns - 1)
        places.append((line, 1 + column, node))
    return places


def _skipped(first: int, last: int) -> str:
    """Layers, from the higher to the lower, of which no node is drawn."""
    if first == last:
        return f"{SKIPPED} layer {first}: no nodes"
    return f"{SKIPPED} layers {first} to {last}: no nodes"


def trunk(near: Mapping[int, str], here: int | None) -> dict[int, str]:
    """The line in the gutter that joins the lines `near`, through the cursor's line `here`.

    From the highest of them to the lowest, each with its mark: what to write, by line.
    """
    if here is None or not near:
        return {}
    top, bottom = min(*near, here), max(*near, here)
    marks = {}
    for line in range(top, bottom + 1):
        branch = "┌" if line == top else "└" if line == bottom else "├"
        marks[line] = branch + near[line] if line in near else "│"
        if line == here:
            marks[line] = branch + "─"
    return marks


def node_text(
    picture: Picture,
    node: str,
    cursor: str | None,
    feeds: Collection[str],
    fed_by: Collection[str],
    picked: Collection[str],
    cells: int,
    ink: Ink,
    name: str | None = None,
) -> Text:
    """A node with its marks, in this many cells; `name` is what is written, if not its name."""
    if node == cursor:
        mark, style = CURSOR, ink("cursor")
    elif node in feeds:
        mark, style = FEEDS, ink("near")
    elif node in fed_by:
        mark, style = FED_BY, ink("near")
    else:
        mark, style = " ", Style()
    state = picture.state[node]
    text = Text(mark, style, no_wrap=True)
    sign = NO_PATH if state == UNREACHED else MARKS.get(state, " ")
    if node in picked:
        text.append(PICKED, ink("picked"))
    else:
        text.append(sign, ink("frontier") if state in ("open", "partly") else Style())
    text.append(node if name is None else name)
    if (group := picture.group_of.get(node)) is not None:
        text.append(f":{letter(group)}", ink("quiet") if node != cursor else Style())
    if node in picture.notes:
        text.append(NOTED, ink("quiet") if node != cursor else Style())
    text.append(" " * max(0, cells - text.cell_len))
    return text
