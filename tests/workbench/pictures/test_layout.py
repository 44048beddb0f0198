"""Where boxes and lines stand: nothing overlaps, no line runs through a box that is not its end."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from workbench.circuits.circuit import Circuit, RoleGroup, all_edges
from workbench.circuits.graph import Graph
from workbench.pictures.layout import Layout, lay_out
from workbench.pictures.routes import Path, Rect
from workbench.pictures.scene import scene_of

COLUMN, TALL = 241.0, 620.0


def measure(text: str, size: float, bold: bool) -> float:
    return len(text) * size * (0.68 if bold else 0.62)


def circuit(n_edges: int, seed: int = 0, shape: tuple[int, int] = (4, 4)) -> Circuit:
    """A random circuit without dead ends, of about so many edges."""
    graph, draw = Graph(*shape), np.random.default_rng(seed)
    possible = np.argwhere(all_edges(graph))
    made = Circuit.empty(graph)
    for s, d in possible[draw.permutation(len(possible))[: 3 * n_edges]]:
        made.mask[s, d] = True
        if made.pruned().n_edges >= n_edges:
            break
    made = made.pruned()
    made.scores = np.where(made.mask, draw.normal(size=made.mask.shape), np.nan).astype(np.float32)
    return made


def on_curve(path: Path, steps: int = 24) -> np.ndarray:
    """Points of a path: float [point, 2]."""
    t = np.linspace(0, 1, steps)[:, None]
    found = []
    for curve in path:
        a, b, c, d = (np.array(point) for point in curve)
        s = 1 - t
        found.append(s**3 * a + 3 * s**2 * t * b + 3 * s * t**2 * c + t**3 * d)
    return np.concatenate(found)


def apart(a: Rect, b: Rect) -> bool:
    return (
        a.x + a.width <= b.x + 1e-6
        or b.x + b.width <= a.x + 1e-6
        or a.top <= b.y + 1e-6
        or b.top <= a.y + 1e-6
    )


def laid_out(made: Circuit, groups_as: str = "colour", width: float = COLUMN) -> Layout:
    return lay_out(scene_of(made, groups_as), width, TALL, measure)


def check_boxes(found: Layout) -> None:
    rects = [box.rect for box in found.boxes]
    assert all(apart(a, b) for i, a in enumerate(rects) for b in rects[:i])
    for rect in rects:
        assert rect.x >= 0 and rect.x + rect.width <= found.width
        assert rect.y >= 0 and rect.top <= found.height


@pytest.mark.parametrize("n_edges", [1, 8, 30, 60])
@pytest.mark.parametrize("seed", range(4))
def test_no_line_runs_through_a_box(n_edges: int, seed: int) -> None:
    found = laid_out(circuit(n_edges, seed))
    check_boxes(found)
    for line, path in found.lines:
        points = on_curve(path)
        for box in found.boxes:
            if box.box.key not in (line.source, line.destination):
                rect = box.rect
                x, y = points[:, 0], points[:, 1]
                inside = (x > rect.x) & (x < rect.x + rect.width) & (y > rect.y) & (y < rect.top)
                assert not inside.any(), (line, box.box.key)


def test_lines_end_at_the_letter_of_their_input() -> None:
    made = Circuit.from_edges(Graph(2, 2), ["m0->a1.h0<q>", "m0->a1.h0<v>", "a1.h0->logits"])
    found = laid_out(made)
    boxes = {box.box.key: box for box in found.boxes}
    ends = {line.input: path[-1][3] for line, path in found.lines if line.destination == "a1.h0"}
    assert list(boxes["a1.h0"].ports) == ["q", "v"]
    for which in "qv":
        assert ends[which] == (boxes["a1.h0"].ports[which], boxes["a1.h0"].rect.y)
    assert ends["q"][0] < ends["v"][0]


def test_layers_stand_above_one_another() -> None:
    found = laid_out(circuit(60, 1))
    rows: dict[float, list[Rect]] = {}
    for box in found.boxes:
        rows.setdefault(box.box.layer, []).append(box.rect)
    layers = sorted(rows)
    for lower, upper in itertools.pairwise(layers):
        assert max(r.top for r in rows[lower]) < min(r.y for r in rows[upper])
    assert [name for name, _ in found.layers] == ["0", "1", "2", "3"]


def test_heads_that_feed_the_mlp_of_their_layer_stand_below_it() -> None:
    made = Circuit.from_edges(Graph(2, 2), ["a1.h0->m1", "m1->logits"])
    boxes = {box.box.key: box.rect for box in laid_out(made).boxes}
    assert boxes["a1.h0"].top < boxes["m1"].y


@pytest.mark.parametrize("shape", [(30, 9), (12, 12)])
def test_two_thousand_edges_still_have_a_place(shape: tuple[int, int]) -> None:
    graph = Graph(*shape)
    made = Circuit.empty(graph)
    possible = np.argwhere(all_edges(graph))
    draw = np.random.default_rng(3)
    for s, d in possible[draw.permutation(len(possible))[:2000]]:
        made.mask[s, d] = True
    found = laid_out(made, width=2 * COLUMN)
    check_boxes(found)
    assert len(found.lines) == 2000
    assert found.width == 2 * COLUMN


def test_wide_layers_take_several_rows() -> None:
    made = Circuit.full(Graph(2, 32))
    found = laid_out(made)
    check_boxes(found)
    assert found.width == COLUMN
    assert {box.label for box in found.boxes} >= {"h0", "h31", "m", "logits", "input"}


def test_the_logits_alone() -> None:
    found = laid_out(Circuit.start(Graph(2, 2)))
    assert [box.label for box in found.boxes] == ["logits"]
    assert found.boxes[0].box.open


def test_groups_as_boxes_with_summed_edges() -> None:
    made = circuit(40, 2)
    heads = [node for node in made.nodes() if ".h" in node]
    made.groups = (
        RoleGroup("first", "does a thing", tuple(heads[:3])),
        RoleGroup("second", "", tuple(heads[3:6])),
    )
    scene, scores = scene_of(made, "boxes"), made.scores
    assert scores is not None
    assert sum(line.n_edges for line in scene.lines) <= made.n_edges
    home = dict.fromkeys(heads[:3], "0") | dict.fromkeys(heads[3:6], "1")
    for line in scene.lines:
        if {line.source, line.destination} == {"0", "1"}:
            expected = [
                float(scores[s, d])
                for s, d in np.argwhere(made.mask)
                if home.get(made.graph.sources[s]) == line.source
                and home.get(made.graph.node_of(made.graph.destinations[d])) == line.destination
            ]
            assert line.n_edges == len(expected)
            assert line.score == pytest.approx(sum(expected), abs=1e-5)
    check_boxes(laid_out(made, "boxes"))
