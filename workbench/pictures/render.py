"""A layout as SVG, PDF or PNG, by matplotlib: at the size of the paper, text as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from workbench.pictures.columns import lay_out_columns
from workbench.pictures.figure import Drawing, styled
from workbench.pictures.key import SAMPLE, Entry, key_of
from workbench.pictures.layout import (
    LABEL,
    LABEL_LINE,
    SMALL,
    SMALL_LINE,
    Column,
    Layout,
    PlacedBox,
    lay_out,
)
from workbench.pictures.looks import (
    ABOVE,
    BELOW,
    DASHES,
    FAINT,
    HAIRLINE,
    HUES,
    INK,
    QUIET,
    UNKNOWN,
    Stroke,
    fill,
    split,
    stroke,
    tint,
)
from workbench.pictures.routes import Path, Point
from workbench.pictures.scene import Line, Scene
from workbench.pictures.settings import COLUMN, PAGE, TALL, DrawingSettings

POINTS = 72 / 2.54
"""Points of a centimetre."""
ARROWS = 160
"""Lines up to which each has a head; with more of them the heads would hide the boxes."""
FONT = "DejaVu Sans"
"""Comes with matplotlib, so that measures are the same everywhere."""


def drawing_of(scene: Scene, settings: DrawingSettings) -> Drawing:
    """The picture, which can become a file of any of the three formats."""
    import matplotlib as mpl

    with styled():
        # What a reader of the SVG without the first takes in its place is about as wide.
        mpl.rcParams["font.sans-serif"] = [FONT, "Verdana", "Arial", "sans-serif"]
        layout = _chosen(scene, settings)
        return Drawing.of(_figure(scene, layout, settings))


def _chosen(scene: Scene, settings: DrawingSettings) -> Layout:
    """The layout in the width that was asked for, or in the smallest that will do."""
    tall = TALL * POINTS
    laid_out = lay_out_columns if scene.columns else lay_out
    if settings.width is not None:
        return laid_out(scene, settings.width * POINTS, tall, measure)
    layout = laid_out(scene, COLUMN * POINTS, tall, measure)
    too_large = layout.height > tall * 1.02 or layout.width > COLUMN * POINTS + 1
    if too_large or len(split(scene, settings.strongest)[1]) > 250:
        layout = laid_out(scene, PAGE * POINTS, tall, measure)
    return layout


def measure(text: str, size: float, bold: bool) -> float:
    """Width of a text in points."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    weight = "bold" if bold else "normal"
    font = get_font(findfont(FontProperties(family=FONT, weight=weight)))
    font.set_size(size, 72)
    font.set_text(text)
    return float(font.get_width_height()[0]) / 64


def _figure(scene: Scene, layout: Layout, settings: DrawingSettings) -> Any:
    from matplotlib.figure import Figure

    entries, below = key_of(scene, settings, layout.width - 4, measure)
    above = LABEL_LINE + 4 if settings.title else 0.0
    height = layout.height + below + above
    figure = Figure(figsize=(layout.width / 72, height / 72))
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set_xlim(0, layout.width)
    ax.set_ylim(-below, layout.height + above)
    ax.axis("off")
    if settings.title:
        y = layout.height + above - LABEL_LINE
        _text(ax, (layout.width / 2, y), settings.title, LABEL, bold=True, ha="center")
    for number, column in enumerate(layout.columns):
        _column(ax, column, first=number == 0)
    full = set(map(id, split(scene, settings.strongest)[1]))
    _hairlines(ax, [path for line, path in layout.lines if id(line) not in full])
    drawn = [(line, path) for line, path in layout.lines if id(line) in full]
    for line, path in drawn:
        _line(ax, line, path, stroke(line, scene.largest), arrow=len(drawn) <= ARROWS)
    for name, y in layout.layers:
        _text(ax, (2, y - SMALL * 0.36), name, SMALL, color=QUIET)
    for box in layout.boxes:
        _box(ax, box)
    for line, path in drawn:
        if line.n_edges > 1:
            _count(ax, line, path)
    for entry in entries:
        _entry(ax, entry)
    return figure


def _column(ax: Any, column: Column, *, first: bool) -> None:
    """Its title above it, and a line on its left."""
    middle = (column.left + column.right) / 2
    _text(ax, (middle, column.top + 2), column.title, SMALL, bold=True, ha="center")
    if not first:
        ax.plot((column.left,) * 2, (0, column.top), color=FAINT, linewidth=HAIRLINE, dashes=DASHES)


def _text(ax: Any, at: Point, text: str, size: float, *, bold: bool = False, **look: Any) -> None:
    """A line of text from `at` on, on its base line."""
    look = {"color": INK, "weight": "bold" if bold else "normal"} | look
    ax.text(*at, text, size=size, **look)


def _curves(paths: Sequence[Path]) -> Any:
    from matplotlib.path import Path as Curves

    points: list[Any] = []
    codes: list[Any] = []
    for path in paths:
        points.append(path[0][0])
        codes.append(Curves.MOVETO)
        for curve in path:
            points += curve[1:]
            codes += [Curves.CURVE4] * 3
    return Curves(points, codes)


def _hairlines(ax: Any, paths: list[Path]) -> None:
    """All in one stroke, what they share once, so that a file of thousands is small."""
    from matplotlib.patches import PathPatch

    curves = list(dict.fromkeys((curve,) for path in paths for curve in path))
    if curves:
        ax.add_patch(PathPatch(_curves(curves), fill=False, edgecolor=FAINT, linewidth=HAIRLINE))


def _line(ax: Any, line: Line, path: Path, its: Stroke, *, arrow: bool) -> None:
    from matplotlib.patches import PathPatch, Polygon

    curves, style = _curves([path]), {"fill": False, "linewidth": its.width, "capstyle": "butt"}
    if its.dashed:  # what runs below must not look through the gaps
        ax.add_patch(PathPatch(curves, edgecolor="white", **style))
        style["linestyle"] = (0, DASHES)
    ax.add_patch(PathPatch(curves, edgecolor=its.colour, **style))
    if not arrow:
        return
    (x, y), (cx, cy) = path[-1][3], path[-1][2]
    length, half = 2.6 + 0.9 * its.width, 0.9 + 0.65 * its.width
    norm = ((x - cx) ** 2 + (y - cy) ** 2) ** 0.5 or 1.0
    dx, dy = (x - cx) / norm, (y - cy) / norm
    back = (x - dx * length, y - dy * length)
    points = [
        (x, y),
        (back[0] - dy * half, back[1] + dx * half),
        (back[0] + dy * half, back[1] - dx * half),
    ]
    ax.add_patch(Polygon(points, closed=True, facecolor=its.colour, edgecolor="none"))


def _box(ax: Any, placed: PlacedBox) -> None:
    from matplotlib.patches import FancyBboxPatch

    box, rect = placed.box, placed.rect
    strong = box.kind in ("input", "logits")
    ax.add_patch(
        FancyBboxPatch(
            (rect.x + 0.5, rect.y + 0.5),
            rect.width - 1,
            rect.height - 1,
            boxstyle="round,pad=0,rounding_size=2",
            facecolor=fill(box),
            edgecolor=INK,
            linewidth=0.9 if strong else 0.5,
            linestyle=(0, (2, 1.2)) if box.open else "solid",
        )
    )
    y = rect.top - LABEL_LINE + 2.2
    bold = strong or box.kind in ("group", "rest")
    if placed.letter:
        gap = measure(placed.letter, SMALL, True) + 2.5
        label = measure(placed.label, LABEL, bold)
        x = rect.middle - (label + gap) / 2
        _text(ax, (x, y), placed.label, LABEL, bold=bold)
        _text(ax, (x + label + 2.5, y), placed.letter, SMALL, bold=True)
    else:
        _text(ax, (rect.middle, y), placed.label, LABEL, bold=bold, ha="center")
    for i, words in enumerate(placed.lines):
        at = rect.top - LABEL_LINE - SMALL_LINE * (i + 1) + 1.6
        _text(ax, (rect.middle, at), words, SMALL, ha="center")
    for which, x in placed.ports.items():
        _text(ax, (x, rect.y + 2.4), which, SMALL, ha="center")


def _count(ax: Any, line: Line, path: Path) -> None:
    """How many edges a line stands for, on its middle."""
    a, b, c, d = path[len(path) // 2]
    x = (a[0] + 3 * b[0] + 3 * c[0] + d[0]) / 8
    y = (a[1] + 3 * b[1] + 3 * c[1] + d[1]) / 8
    frame = {"facecolor": "white", "edgecolor": "none", "pad": 0.6}
    _text(ax, (x, y), f"{line.n_edges:,}", SMALL, ha="center", va="center", bbox=frame)


def _entry(ax: Any, entry: Entry) -> None:
    from matplotlib.patches import Rectangle

    x, y = entry.x + 2, -entry.y
    samples = {
        "below": Stroke(BELOW, 1.4),
        "above": Stroke(ABOVE, 1.4, True),
        "unknown": Stroke(UNKNOWN, 0.8),
        "hairline": Stroke(FAINT, HAIRLINE),
    }
    if entry.sample in samples:
        end = ((x, y + 2.2), (x + 5, y + 2.2), (x + 10, y + 2.2), (x + SAMPLE, y + 2.2))
        _line(ax, Line("", ""), (end,), samples[entry.sample], arrow=False)
    elif entry.sample:
        colour = tint(HUES[entry.group % len(HUES)]) if entry.sample == "group" else "white"
        style: Any = (0, (2, 1.2)) if entry.sample == "open" else "solid"
        ax.add_patch(
            Rectangle(
                (x + 4, y - 1), 10, 6.5, facecolor=colour, edgecolor=INK, linewidth=0.5,
                linestyle=style,
            )
        )  # fmt: skip
    before = SAMPLE + 3 if entry.sample else 0.0
    for i, words in enumerate(entry.lines):
        _text(ax, (x + before, y - i * SMALL_LINE), words, SMALL)
