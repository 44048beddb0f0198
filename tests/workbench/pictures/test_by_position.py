"""Pictures by position: columns are roles, lines start in their own and run through no box."""

from __future__ import annotations

import io
from pathlib import Path

import networkx as nx
import numpy as np
import pydot
import pytest

from tests.workbench.pictures.test_layout import (
    COLUMN,
    TALL,
    check_boxes,
    circuit,
    measure,
    on_curve,
)
from tests.workbench.pictures.test_role_graph import IOI
from tests.workbench.pictures.test_role_graph import circuit as at_roles
from workbench import draw_circuit
from workbench.circuits.circuit import Circuit, RoleGroup
from workbench.circuits.edge_roles import EdgeRoles
from workbench.cli.main import main
from workbench.errors import WorkbenchError
from workbench.formats import save_circuit
from workbench.pictures.columns import lay_out_columns
from workbench.pictures.draw import picture_of
from workbench.pictures.layout import Layout
from workbench.pictures.role_graph import role_graph
from workbench.pictures.scene import scene_of
from workbench.pictures.settings import DrawingSettings

ROLES = ("IO", "S1", "S1+1", "S2", "END")


def scattered(n_edges: int, seed: int) -> Circuit:
    """A random circuit, half of whose edges are at a role or two."""
    made, draw = circuit(n_edges, seed), np.random.default_rng(seed)
    kept = {
        edge: draw.choice(ROLES, int(draw.integers(1, 3)), replace=False)
        for edge in made.edges()
        if draw.random() < 0.5 and not edge.endswith("logits")
    }
    made.at = EdgeRoles(ROLES).with_all(kept)
    return made


def laid_out(made: Circuit, width: float = 2 * COLUMN) -> Layout:
    return lay_out_columns(scene_of(made, by_position=True), width, TALL, measure)


@pytest.mark.parametrize("n_edges", [1, 30, 120])
@pytest.mark.parametrize("seed", range(3))
def test_boxes_stand_in_their_column_and_no_line_runs_through_another(
    n_edges: int, seed: int
) -> None:
    made = scattered(n_edges, seed)
    scene, found = scene_of(made, by_position=True), laid_out(made)
    check_boxes(found)
    assert len(found.lines) == len(role_graph(made).edges)
    for placed in found.boxes:
        column = found.columns[scene.column_of[placed.box.key]]
        assert column.left <= placed.rect.x and placed.rect.x + placed.rect.width <= column.right
    boxes = {placed.box.key: placed for placed in found.boxes}
    for line, path in found.lines:
        assert path[0][0] == pytest.approx(
            (boxes[line.source].rect.middle, boxes[line.source].rect.top)
        )
        end = boxes[line.destination]
        port = end.ports.get(line.input, end.rect.middle)
        assert path[-1][3] == pytest.approx((port, end.rect.y))
        if n_edges > 30:
            continue  # lines then share what room there is
        points = on_curve(path)
        for placed in found.boxes:
            if placed.box.key not in (line.source, line.destination):
                rect = placed.rect
                x, y = points[:, 0], points[:, 1]
                inside = (x > rect.x) & (x < rect.x + rect.width) & (y > rect.y) & (y < rect.top)
                assert not inside.any(), (line, placed.box.key)


def test_columns_have_the_names_of_roles() -> None:
    made = at_roles(*IOI, "m0->a2.h1<k>")
    titles = [column.title for column in laid_out(made).columns]
    assert titles == ["all roles", "IO", "S1", "S2", "END"]
    svg = picture_of(made, "svg", DrawingSettings(by_position=True)).decode()
    assert all(f">{title}<" in svg for title in titles)
    assert picture_of(made, "svg", DrawingSettings(by_position=True)).decode() == svg


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the other parser's own
def test_dot_keeps_the_columns_in_order() -> None:
    text = picture_of(at_roles(*IOI), "dot", DrawingSettings(by_position=True)).decode()
    graph = next(iter(pydot.graph_from_dot_data(text) or ()), None)
    assert isinstance(graph, pydot.Dot)
    nodes = {node.get_name().strip('"'): node for node in graph.get_nodes()}
    assert nodes["a0.h1@S2"].get("token_role").strip('"') == "S2"
    assert '"column 0" -> "column 1" -> "column 2" -> "column 3" [style=invis]' in text
    assert len({nodes[f"column {number}"].get("group") for number in range(4)}) == 4


def test_graphml_names_nodes_with_their_roles() -> None:
    data = picture_of(at_roles(*IOI), "graphml", DrawingSettings(by_position=True))
    graph = nx.read_graphml(io.BytesIO(data), force_multigraph=True)
    assert graph.nodes["a2.h1@END"]["node"] == "a2.h1"
    assert graph.nodes["a2.h1@END"]["token_role"] == "END"
    edges = {(s, d): told["name"] for s, d, told in graph.edges(data=True)}
    assert edges["input@IO", "a2.h1@END"] == "input->a2.h1<v>@IO" and len(edges) == len(IOI)


def test_groups_keep_their_colours_and_have_no_boxes(tmp_path: Path) -> None:
    made = at_roles(*IOI)
    made.groups = (RoleGroup("mover", "copies", ("a2.h1",)),)
    scene = scene_of(made, by_position=True)
    assert scene.groups == {0: "A  mover: copies"}
    with pytest.raises(WorkbenchError, match="by position has single nodes"):
        draw_circuit(made, tmp_path / "c.svg", groups="boxes", by_position=True)


def test_the_command_draws_by_position(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_circuit(at_roles(*IOI, "m0->logits@S1"), tmp_path / "c.json")
    out = tmp_path / "c.svg"
    assert main(["draw", str(tmp_path / "c.json"), "-o", str(out), "--by-position"]) == 0
    assert "1 edge read nowhere" in out.read_text() and capsys.readouterr().out == f"{out}\n"
