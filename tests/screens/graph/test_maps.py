"""The drawings of the graph screen as text."""

from __future__ import annotations

import pytest
from rich.style import Style

from screens.graph.group_map import draw_groups
from screens.graph.layer_map import draw_layers, trunk
from screens.graph.picture import Link, Picture
from workbench.circuits.circuit import RoleGroup


def plain(_: str) -> Style:
    return Style()


def picture(
    nodes: dict[str, int],
    links: tuple[tuple[str, str], ...] = (),
    groups: tuple[RoleGroup, ...] = (),
    n_layers: int = 12,
) -> Picture:
    order = sorted(nodes, key=lambda node: nodes[node])
    return Picture(
        n_layers=n_layers,
        layer={node: nodes[node] for node in order},
        state=dict.fromkeys(nodes, "expanded"),
        links=tuple(Link(s, d, "", 1, None) for s, d in links),
        groups=groups,
    )


SMALL = {"input": -1, "a0.h1": 0, "m0": 0, "a9.h1": 9, "a9.h6": 9, "m10": 10, "logits": 12}
LINKS = (
    ("input", "a0.h1"),
    ("a0.h1", "a9.h1"),
    ("a0.h1", "a9.h6"),
    ("m0", "a9.h6"),
    ("a9.h6", "m10"),
    ("a9.h6", "logits"),
    ("m10", "logits"),
)


def layers(drawn: Picture, cursor: str = "a9.h6", width: int = 60, **more: object) -> list[str]:
    options = {"shown": set(drawn.layer), "picked": ()} | more
    lines, _ = draw_layers(drawn, cursor=cursor, width=width, ink=plain, **options)  # type: ignore[arg-type]
    return [line.plain.rstrip() for line in lines]


def test_layers_from_the_logits_down_with_the_links_of_the_cursor() -> None:
    assert layers(picture(SMALL, LINKS)) == [
        "┌▲    ▲●logits",
        "│  ⋮ layer 11: no nodes",
        "├▲ 10 ▲●m10",
        "├─  9           ●a9.h1  ▸●a9.h6",
        "│  ⋮ layers 8 to 1: no nodes",
        "└▼  0 ▼●m0     ▼●a0.h1",
        "       ●input",
    ]


def test_only_what_is_shown_is_drawn() -> None:
    assert layers(picture(SMALL, LINKS), shown={"logits", "m10", "a9.h6"}) == [
        "┌▲    ▲●logits",
        "│  ⋮ layer 11: no nodes",
        "├▲ 10 ▲●m10",
        "└─  9          ▸●a9.h6",
    ]


def test_groups_and_picked_nodes_are_told_apart() -> None:
    groups = (RoleGroup("late", "", ("a9.h6", "m10")), RoleGroup("early", "", ("m0",)))
    rows = layers(picture(SMALL, LINKS, groups), picked=["a9.h1", "m0"])
    assert rows[3] == "├─  9             +a9.h1    ▸●a9.h6:A"
    assert rows[5] == "└▼  0 ▼+m0:B     ▼●a0.h1"


def test_a_wide_layer_takes_several_lines_and_the_cells_stay_in_columns() -> None:
    nodes = {f"a5.h{i}": 5 for i in range(32)} | {"m5": 5, "logits": 12}
    rows = layers(picture(nodes), cursor="logits", width=60)
    assert all(len(row) <= 60 for row in rows)
    wide = [row for row in rows if "a5." in row]
    assert len(wide) == 7
    assert wide[0].startswith("    5  ●m5")
    columns = {row.index("●a5") for row in wide[1:]}
    assert len(columns) == 1


@pytest.mark.parametrize("width", [20, 40, 80, 160])
def test_a_big_circuit_keeps_to_the_width(width: int) -> None:
    nodes = {"input": -1, "logits": 30}
    for layer in range(30):
        nodes |= {f"a{layer}.h{head}": layer for head in range(9)} | {f"m{layer}": layer}
    drawn = picture(nodes, (("a0.h0", "m29"),), n_layers=30)
    lines, spots = draw_layers(
        drawn, shown=set(nodes), cursor="a0.h0", picked=(), width=max(width, 30), ink=plain
    )
    assert max(line.cell_len for line in lines) <= max(width, 30)
    assert {spot.key for spot in spots} == set(nodes)
    for spot in spots:
        assert spot.key in lines[spot.y].plain[spot.x : spot.x + spot.width]


def test_the_trunk_runs_from_the_highest_to_the_lowest() -> None:
    assert trunk({}, 3) == {}
    assert trunk({1: "▲"}, None) == {}
    assert trunk({4: "▼"}, 2) == {2: "┌─", 3: "│", 4: "└▼"}
    assert trunk({0: "▲", 2: "▼"}, 1) == {0: "┌▲", 1: "├─", 2: "└▼"}


def groups(drawn: Picture, cursor: str, width: int = 60) -> list[str]:
    lines, spots = draw_groups(drawn, cursor=cursor, width=width, ink=plain)
    assert all(line.cell_len <= max(width, 32) for line in lines)
    for spot in spots:
        assert lines[spot.y].plain[spot.x] in "┌┏"
        assert lines[spot.y + spot.height - 1].plain[spot.x] in "└┗"
    return [line.plain.rstrip() for line in lines]


def test_groups_are_boxes_with_their_role_and_counted_edges() -> None:
    late = RoleGroup("late", "raise years above YY", ("a9.h6", "m10"))
    rows = groups(picture(SMALL, LINKS, (late,)), "0", 52)
    assert rows[:9] == [
        "┌▲2     ┌─ logits ─────────────────────────────────┐",
        "│       │ ▼ edges from A late: 2                   │",
        "│       └──────────────────────────────────────────┘",
        "├─      ┏━▸A late ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┓",
        "│       ┃ raise years above YY                     ┃",
        "│       ┃ 2 nodes, 1 edge among them: a9.h6 m10    ┃",
        "│       ┃ ▲ edges to logits: 2                     ┃",
        "│       ┃ ▼ edges from ungrouped: 2                ┃",
        "│       ┗━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┛",
    ]
    assert rows[9].startswith("└▼2     ┌─ ungrouped ─")


def test_edges_both_ways_are_both_counted() -> None:
    nodes = {"a0.h0": 0, "a1.h0": 1, "a2.h0": 2, "logits": 12}
    links = (("a0.h0", "a1.h0"), ("a1.h0", "a2.h0"))
    drawn = picture(nodes, links, (RoleGroup("ends", "", ("a0.h0", "a2.h0")),))
    assert any(row.startswith("└▲1▼1 ") for row in groups(drawn, "0"))


def test_words_of_a_group_are_harmless_and_long_lists_are_cut_between_names() -> None:
    nodes = {f"a{layer}.h{head}": layer for layer in range(12) for head in range(12)}
    nasty = RoleGroup("[red]\x1b[31m", "\u202eevil [@click=app.quit]x\nnew line", tuple(nodes))
    rows = groups(picture(nodes | {"logits": 12}, groups=(nasty,)), "0", 60)
    text = "\n".join(rows)
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "A [red]␛[31m" in text
    listed = next(row for row in rows if " more" in row)
    left_out = int(listed.split("…")[1].split()[0])
    names = [word for row in rows for word in row.split() if word.startswith("a") and ".h" in word]
    assert all(name in nodes for name in names)
    assert len(names) + left_out == len(nodes)
