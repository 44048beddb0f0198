"""What can be copied of a readout: its values as a table, and its plot."""

from __future__ import annotations

from screens.readouts.requests import ReadoutResult
from screens.widgets.copying import Copies
from workbench.pictures.figure import Drawing
from workbench.readouts.shapes import Rows
from workbench.readouts.tables import table_of


def readout_copies(result: ReadoutResult, node: str | None) -> Copies:
    """The result's table and plot, and the name of the node that it is of."""
    table = table_of(result)

    def plot() -> Drawing:
        from workbench.readouts.plots import plot_of

        drawing = plot_of(result)
        assert drawing is not None
        return drawing

    return Copies(
        names=(("node", node),) if node else (),
        tables=(table,),
        plots=() if isinstance(result, Rows) else ((table.title, plot),),
    )
