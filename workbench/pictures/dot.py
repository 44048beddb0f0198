"""A scene in the DOT language of Graphviz: ranks by layer, widths, colours.

`dot -Tpdf FILE.dot` draws it; every edge has its score, so that other tools can use it too.
"""

from __future__ import annotations

from collections import defaultdict

from workbench.pictures.looks import FAINT, HAIRLINE, fill, split, stroke
from workbench.pictures.scene import Box, Line, Scene
from workbench.pictures.settings import DrawingSettings


def to_dot(scene: Scene, settings: DrawingSettings) -> str:
    """The text of the file."""
    lines = [
        "digraph circuit {",
        "  rankdir=BT;",
        '  graph [fontname="Helvetica", nodesep=0.12, ranksep=0.3];',
        '  node [shape=box, style="rounded,filled", fontname="Helvetica", fontsize=10, '
        "height=0.2, margin=0.05];",
        '  edge [fontname="Helvetica", fontsize=8, arrowsize=0.5];',
    ]
    if settings.title:
        lines.append(f"  label={_quoted(settings.title)}; labelloc=t;")
    ranks: dict[int, list[str]] = defaultdict(list)
    for box in scene.boxes:
        lines.append(f"  {_quoted(box.key)} [{_node(scene, box)}];")
        ranks[round(box.layer)].append(_quoted(box.key))
    lines += _columns(scene)
    for keys in (ranks[layer] for layer in sorted(ranks)):
        lines.append(f"  {{ rank=same; {'; '.join(keys)}; }}")
    faint, full = split(scene, settings.strongest)
    lines += [f"  {_edge(line)}, color={_quoted(FAINT)}, penwidth={HAIRLINE}];" for line in faint]
    for line in full:
        its = stroke(line, scene.largest)
        style = ", style=dashed" if its.dashed else ""
        lines.append(
            f"  {_edge(line)}, color={_quoted(its.colour)}, penwidth={its.width:.2f}{style}];"
        )
    return "\n".join([*lines, "}"]) + "\n"


def _columns(scene: Scene) -> list[str]:
    """The titles of columns in a row of their own, in order, and what keeps the columns apart."""
    if not scene.columns:
        return []
    titles = [_quoted(f"column {number}") for number in range(len(scene.columns))]
    lines = [
        f"  {title} [label={_quoted(name)}, shape=plaintext, style=solid, group=c{number}];"
        for number, (title, name) in enumerate(zip(titles, scene.columns, strict=True))
    ]
    lines.append(f"  {{ rank=sink; {'; '.join(titles)}; }}")
    if len(titles) > 1:
        lines.append(f"  {' -> '.join(titles)} [style=invis];")
    # A column hangs together by lines that are not seen, from its lowest box up to its title.
    for number, title in enumerate(titles):
        own = [box for box in scene.boxes if scene.column_of[box.key] == number]
        layers = {box.layer: _quoted(box.key) for box in own}
        chain = [*(layers[layer] for layer in sorted(layers)), title]
        lines.append(f"  {' -> '.join(chain)} [style=invis, weight=20];")
    return lines


def _node(scene: Scene, box: Box) -> str:
    label = "\n".join((box.label, *box.lines))
    told = [f"label={_quoted(label)}", f"fillcolor={_quoted(fill(box))}", f"kind={box.kind}"]
    if box.group is not None and box.group in scene.groups:
        told.append(f"group_title={_quoted(scene.groups[box.group])}")
    if scene.columns:
        column = scene.column_of[box.key]
        told += [f"group=c{column}", f"token_role={_quoted(scene.columns[column])}"]
    if box.open:
        told.append('style="rounded,filled,dashed"')
    return ", ".join(told)


def _edge(line: Line) -> str:
    told = [f"{_quoted(line.source)} -> {_quoted(line.destination)} [edges={line.n_edges}"]
    if line.score is not None:
        told.append(f"score={_quoted(repr(line.score))}")
    if line.input:
        told.append(f"input={line.input}, headlabel={line.input}")
    if line.n_edges > 1:
        told.append(f'label="{line.n_edges}"')
    return ", ".join(told)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
