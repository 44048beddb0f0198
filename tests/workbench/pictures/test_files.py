"""The files that pictures become: what a reader, or another program, finds in them."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import networkx as nx
import numpy as np
import pydot
import pytest
from matplotlib.image import imread

from tests.workbench.pictures.test_layout import circuit
from workbench import draw_circuit, save_circuit
from workbench.circuits.circuit import Circuit, RoleGroup, all_edges
from workbench.circuits.graph import Graph
from workbench.errors import WorkbenchError
from workbench.pictures.draw import picture_of
from workbench.pictures.settings import FORMATS, DrawingSettings

SVG = "{http://www.w3.org/2000/svg}"
GROUPS = (
    RoleGroup('name "movers" <&>', "copies the name\x1b[31m that is not repeated", ("a3.h1",)),
    RoleGroup("second", "", ("a0.h0", "a1.h2")),
)


def score(made: Circuit, edge: str) -> float:
    assert made.scores is not None
    return float(made.scores[made.graph.parse_edge(edge)])


@pytest.fixture
def made() -> Circuit:
    made = Circuit.from_edges(
        Graph(4, 4),
        [
            "input->a0.h0<v>",
            "a0.h0->a1.h2<q>",
            "a0.h0->a1.h2<k>",
            "a1.h2->a3.h1<v>",
            "a0.h0->a3.h1<v>",
            "a3.h1->m3",
            "m3->logits",
        ],
    )
    values = np.linspace(-3, 1, made.n_edges, dtype=np.float32)
    made.scores = np.full(made.mask.shape, np.nan, dtype=np.float32)
    made.scores[made.mask] = values
    made.groups = GROUPS
    made.notes = {"a3.h1": "a note \\ with $signs$ \x07", "": "on all of it"}
    return made


def texts(svg: bytes) -> list[str]:
    found = ElementTree.fromstring(svg).iter(f"{SVG}text")
    return ["".join(element.itertext()) for element in found]


def test_svg_has_every_name_as_text_of_six_points_or_more(made: Circuit) -> None:
    svg = picture_of(made, "svg", DrawingSettings(notes=True, title="A $title$"))
    found = texts(svg)
    assert set(made.nodes()) <= set(found)
    assert {"q", "k", "v", "A", "B", "A $title$"} <= set(found)
    assert any('name "movers" <&>' in text for text in found)
    assert "\x1b" not in svg.decode() and "\x07" not in svg.decode()
    sizes = [
        float(size) for size in re.findall(r"font(?:-size)?: (?:\w+ )*([0-9.]+)px", svg.decode())
    ]
    assert sizes and min(sizes) >= 6
    root = ElementTree.fromstring(svg)
    # One unit is a point, so that the sizes are those on paper.
    assert float(root.attrib["width"].removesuffix("pt")) == pytest.approx(
        8.5 * 72 / 2.54, abs=0.01
    )
    assert root.attrib["viewBox"].split()[2] == root.attrib["width"].removesuffix("pt")


def test_the_sign_is_told_by_colour_and_by_dashes_and_the_size_by_width(made: Circuit) -> None:
    svg = picture_of(made, "svg", DrawingSettings(key=False)).decode()
    strokes = re.findall(r'style="fill: none; ([^"]*)"', svg)
    whole = [s for s in strokes if "#0072b2" in s]
    dashed = [s for s in strokes if "#d55e00" in s]
    scores = np.array([score(made, edge) for edge in made.edges()])
    assert len(whole) == (scores < 0).sum() and len(dashed) == (scores > 0).sum()
    assert all("dasharray" in s for s in dashed) and not any("dasharray" in s for s in whole)
    widths = sorted(float(re.search(r"stroke-width: ([0-9.]+)", s)[1]) for s in whole)  # type: ignore[index]
    share = np.sort(np.abs(scores[scores < 0])) / np.abs(scores).max()
    assert widths == pytest.approx(list(0.4 + 2.0 * share), abs=1e-3)


def test_pdf_has_a_font_whose_text_can_be_searched(made: Circuit) -> None:
    pdf = picture_of(made, "pdf", DrawingSettings())
    assert pdf.startswith(b"%PDF")
    assert b"/FontFile2" in pdf and b"/Type3" not in pdf
    assert b"CreationDate" not in pdf


def test_png_is_as_large_as_the_paper_says(made: Circuit) -> None:
    image = imread(io.BytesIO(picture_of(made, "png", DrawingSettings(width=10, dpi=254))))
    assert image.shape[1] == 1000


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("groups", ["colour", "boxes", "none"])
def test_the_same_circuit_gives_the_same_bytes(made: Circuit, form: str, groups: str) -> None:
    settings = DrawingSettings(groups=groups)  # type: ignore[arg-type]
    assert picture_of(made, form, settings) == picture_of(made.copy(), form, settings)


def test_graphml_is_read_by_networkx_with_all_values(made: Circuit) -> None:
    graph = nx.read_graphml(
        io.BytesIO(picture_of(made, "graphml", DrawingSettings())), force_multigraph=True
    )
    assert set(graph.nodes) == set(made.nodes())
    assert graph.nodes["a3.h1"]["kind"] == "head"
    assert graph.nodes["a1.h2"]["group"] == "second"
    edges = {values["name"]: values for *_, values in graph.edges(data=True)}
    assert set(edges) == set(made.edges())
    for edge, values in edges.items():
        assert values["score"] == score(made, edge)
    assert edges["a0.h0->a1.h2<k>"]["input"] == "k"


def test_graphml_of_groups(made: Circuit) -> None:
    data = picture_of(made, "graphml", DrawingSettings(groups="boxes"))
    graph = nx.read_graphml(io.BytesIO(data))
    assert graph.nodes["1"]["nodes"] == "a0.h0 a1.h2"
    assert graph.edges["1", "0"]["n_edges"] == 2
    assert graph.edges["1", "0"]["score"] == pytest.approx(
        score(made, "a1.h2->a3.h1<v>") + score(made, "a0.h0->a3.h1<v>")
    )


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the other parser's own
@pytest.mark.parametrize("groups", ["colour", "boxes", "none"])
def test_dot_is_read_by_another_parser(made: Circuit, groups: str) -> None:
    text = picture_of(made, "dot", DrawingSettings(groups=groups)).decode()  # type: ignore[arg-type]
    graph = next(iter(pydot.graph_from_dot_data(text) or ()), None)
    assert isinstance(graph, pydot.Dot)
    assert graph.get("rankdir") == "BT"
    if groups == "boxes":
        assert {node.get_name() for node in graph.get_nodes()} >= {'"0"', '"1"', '"rest"'}
        return
    edges = [
        (
            str(edge.get_source()).strip('"'),
            str(edge.get_destination()).strip('"'),
            edge.get("input"),
        )
        for edge in graph.get_edges()
    ]
    named = [f"{s}->{d}" + (f"<{i}>" if i else "") for s, d, i in edges]
    assert sorted(named) == sorted(made.edges())
    ranks = [
        {node.get_name().strip('"') for node in part.get_nodes()} for part in graph.get_subgraphs()
    ]
    assert ranks == [{"input"}, {"a0.h0"}, {"a1.h2"}, {"a3.h1", "m3"}, {"logits"}]


def test_two_thousand_edges_make_a_bounded_file() -> None:
    graph = Graph(30, 9)
    large = Circuit.empty(graph)
    possible = np.argwhere(all_edges(graph))
    draw = np.random.default_rng(0)
    for s, d in possible[draw.permutation(len(possible))[:2000]]:
        large.mask[s, d] = True
    large.scores = np.where(large.mask, draw.normal(size=large.mask.shape), np.nan).astype("f4")
    svg = picture_of(large, "svg", DrawingSettings())
    assert len(svg) < 4e6
    assert "the 1,700 weakest edges" in texts(svg)
    assert len(picture_of(large, "pdf", DrawingSettings())) < 1e6


def test_a_script_draws_a_file_from_a_file(tmp_path: Path) -> None:
    source, target = tmp_path / "circuit.json", tmp_path / "picture.svg"
    save_circuit(circuit(20), source)
    draw_circuit(source, target, groups="none", width=12)
    assert b"<svg" in target.read_bytes()


@pytest.mark.parametrize(
    ("name", "choices", "words"),
    [
        ("picture.tif", {}, "says no format of pictures"),
        ("nowhere/picture.svg", {}, "its folder does not exist"),
        ("picture.svg", {"width": 1}, "3 to 200 cm wide"),
        ("picture.svg", {"groups": "stars"}, "choose colour, boxes or none"),
        ("picture.svg", {"dpi": 1}, "dots per inch"),
    ],
)
def test_what_cannot_be_drawn_is_one_sentence(
    tmp_path: Path, name: str, choices: dict[str, Any], words: str
) -> None:
    with pytest.raises(WorkbenchError, match=words):
        draw_circuit(Circuit.start(Graph(2, 2)), tmp_path / name, **choices)
    assert not list(tmp_path.iterdir())
