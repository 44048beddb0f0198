"""Figures of matplotlib that look the same everywhere, and the files that they become.

The same values always give the same bytes. Matplotlib is imported when something is drawn; its
user's own settings play no part. Text stays text: in SVG as such, in PDF with its font embedded.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from workbench.errors import WorkbenchError

BLUE, ORANGE, GREY, FAINT = "#0072b2", "#d55e00", "#777777", "#dddddd"
"""Of the colours by Okabe and Ito that all eyes tell apart; nothing is told by colour alone."""
DPI = 300
"""Dots per inch of a PNG, unless told otherwise."""
STYLE: dict[str, Any] = {
    "svg.hashsalt": "circuit-workbench",  # names in the file are then the same each time
    "svg.fonttype": "none",  # text stays text
    "pdf.fonttype": 42,  # a font whose text can be searched and copied; publishers refuse type 3
    "text.parse_math": False,  # a token may be a dollar sign
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.titlesize": 9,
    "axes.labelcolor": "#333333",
    "xtick.color": "#333333",
    "ytick.color": "#333333",
    "legend.frameon": False,
    "legend.fontsize": 8,
    "figure.facecolor": "white",
}


class Drawing(str):
    """A picture: the text of its SVG, which can become a file of another format.

    Attributes:
        figure: of matplotlib, that it is made from; None where only the SVG is known.
    """

    figure: Any = None

    @classmethod
    def of(cls, figure: Any) -> Drawing:
        """The drawing of a figure, by our own style."""
        text = _saved(figure, "svg", DPI).decode("utf-8")
        drawing = cls(text[text.index("<svg") :].strip())
        drawing.figure = figure
        return drawing

    def file(self, format: str, dpi: int = DPI) -> bytes:
        """The content of a file: svg, pdf or png.

        Raises:
            WorkbenchError: it is known as SVG only, or cannot be of that format.
        """
        if format == "svg":
            return f'<?xml version="1.0" encoding="utf-8"?>\n{self}\n'.encode()
        if format not in ("pdf", "png"):
            raise WorkbenchError(
                "A plot is written as SVG, PDF or PNG: give a name that ends in .svg, .pdf or .png."
            )
        if self.figure is None:
            raise WorkbenchError("This picture comes as SVG only: give a name that ends in .svg.")
        with styled():
            return _saved(self.figure, format, dpi)


@contextmanager
def styled() -> Iterator[None]:
    """Within it matplotlib draws by our style, whatever its user has set."""
    import matplotlib as mpl

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)
        yield


@contextmanager
def axes(width: float, height: float) -> Iterator[tuple[Any, Callable[[], Drawing]]]:
    """Axes to draw on, and what gives the drawing when that is done; sizes in inches."""
    with stacked(width, height, 1) as ((ax,), done):
        yield ax, done


@contextmanager
def stacked(
    width: float, height: float, n: int
) -> Iterator[tuple[Sequence[Any], Callable[[], Drawing]]]:
    """The same of n axes, one below the other, with one horizontal axis; sizes are of all."""
    from matplotlib.figure import Figure

    made: list[Drawing] = []
    with styled():
        figure = Figure(figsize=(width, height), layout="constrained")
        found = figure.subplots(n, sharex=True, squeeze=False)[:, 0]
        yield tuple(found), lambda: made[0]
        made.append(Drawing.of(figure))


def _saved(figure: Any, format: str, dpi: int) -> bytes:
    dates = {"svg": "Date", "pdf": "CreationDate"}
    metadata: dict[str, Any] = {"Creator": None} if format != "png" else {"Software": None}
    if format in dates:
        metadata[dates[format]] = None
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # A character that the font lacks becomes an empty box; in SVG the reader's fonts have it.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure.savefig(buffer, format=format, dpi=dpi, metadata=metadata)
    return buffer.getvalue()
