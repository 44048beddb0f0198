"""What can be copied of the graph: the links of a node, all nodes, all links."""

from __future__ import annotations

from screens.graph.picture import Picture
from screens.widgets.copying import Copies
from workbench.base.table import Table


def graph_copies(picture: Picture, node: str, links: Table) -> Copies:
    """The node under the cursor, its links, and the whole circuit."""
    nodes = tuple(
        (
            *(name, layer, picture.state[name]),
            *_group(picture, name),
            picture.notes.get(name),
        )
        for name, layer in picture.layer.items()
    )
    every = tuple(
        (link.source, link.destination, link.inputs, link.n_edges, link.effect, link.estimated)
        for link in picture.links
    )
    return Copies(
        names=(("node", node),),
        tables=(
            links,
            Table(
                "nodes of the circuit", ("node", "layer", "state", "group", "role", "note"), nodes
            ),
            Table("links of the circuit", links.columns, every),
        ),
    )


def _group(picture: Picture, node: str) -> tuple[str | None, str | None]:
    number = picture.group_of.get(node)
    if number is None:
        return None, None
    return picture.groups[number].name, picture.groups[number].role
