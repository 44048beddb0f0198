"""The tree by itself: guides, folding, deep circuits, going to a node."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from screens.bench.circuit_tree import CircuitTree
from screens.bench.tree_layout import DEEPEST, TreeLayout
from tests.support.tiny_sessions import Host
from workbench.circuits.tree import TreeRow

State = Literal["open", "partly", "expanded", "dead", "input"]


def row(
    name: str,
    depth: int,
    into: str | None = None,
    state: State = "expanded",
    repeated: bool = False,
) -> TreeRow:
    parent = None if into is None else into.split("<")[0]
    edge = None if into is None else f"{name}->{into}"
    return TreeRow(name, depth, parent, edge, into, 0.5 / (depth + 1), state, repeated, None)


ROWS = [
    row("logits", 0),
    row("m1", 1, "logits"),
    row("a0.h0", 2, "m1", "open"),
    row("input", 2, "m1", "input"),
    row("a1.h0", 1, "logits", "partly"),
    row("a0.h0", 2, "a1.h0<v>", "open", True),
    row("m0", 1, "logits", "dead"),
]


def lines(tree: CircuitTree, width: int = 40) -> list[str]:
    return [str(tree.line(r, width, False)) for r in tree.rows]


async def test_guides_marks_and_effects() -> None:
    app = Host(CircuitTree)
    async with app.run_test(size=(40, 20)):
        tree = app.query_one(CircuitTree)
        tree.show_tree(TreeLayout.of(ROWS))
        text = lines(tree)
        assert [line.split("  ")[0].rstrip() for line in text] == [
            " ● logits",
            " ├ ● m1",
            " │ ├ ◌ a0.h0",
            " │ └ ■ input",
            " ├ ◐ a1.h0",
            " │ └ v ◌ a0.h0 ↑",
            " └ ✗ m0",
        ]
        assert text[1].endswith("+0.2500")
        assert {len(line) for line in text} == {39}


async def test_a_number_is_never_cut_and_says_when_it_is_an_estimate() -> None:
    """Roles, names and what is done to a node give way, in the narrowest tree too."""
    long = replace(
        row("a23.h13", 1, "m1"),
        effect=-0.12345,
        estimated=True,
        role="raise years above YY",
        at=tuple(f"role{i}" for i in range(9)),
        edge="a23.h13->m1@role1",
    )
    deep = [row("logits", 0), *(replace(long, depth=depth) for depth in range(1, 12))]
    deep = [replace(one, edge=f"{one.name}->m{i}") for i, one in enumerate(deep)]
    app = Host(CircuitTree)
    async with app.run_test(size=(40, 20)):
        tree = app.query_one(CircuitTree)
        tree.show_tree(TreeLayout.of(deep))
        tree.mark_interventions({"a23.h13": "+[·Mary]"})
        tree.mark_notes(["a23.h13"])
        for width in (22, 28, 36, 60, 90):
            for line in lines(tree, width)[1:]:
                assert line.endswith(" ~−0.1235"), width
                assert len(line) < width
        assert "a23.h13 @" in lines(tree, 60)[1]
        assert lines(tree, 36)[1].split()[2].startswith("a23")
        tree.show_tree(TreeLayout.of([replace(one, estimated=False) for one in deep]))
        assert "~" not in "".join(lines(tree))


async def test_in_a_wide_tree_words_stand_whole_beside_the_numbers() -> None:
    role = "raise the years above YY, and lower those below it"
    rows = [row("logits", 0), replace(row("m1", 1, "logits"), role=role)]
    app = Host(CircuitTree)
    async with app.run_test(size=(40, 20)):
        tree = app.query_one(CircuitTree)
        tree.show_tree(TreeLayout.of(rows))
        assert lines(tree, 120)[1].endswith(f"+0.2500  {role}")
        assert "raise the years" in lines(tree, 78)[1] and lines(tree, 78)[1].endswith("+0.2500")


async def test_of_the_first_keys_only_the_keys_are_bold() -> None:
    app = Host(CircuitTree)
    async with app.run_test(size=(30, 40)):
        tree = app.query_one(CircuitTree)
        tree.show_tree(TreeLayout.of([row("logits", 0, state="open")]))
        lines = tree.below(30)
        assert not any(str(line.style) for line in lines)
        bold = {line.plain[span.start : span.end].strip() for line in lines for span in line.spans}
        assert bold == {"e", "2", "D", "p", "?"}


async def test_folding_hides_what_feeds_a_node() -> None:
    app = Host(CircuitTree)
    async with app.run_test(size=(40, 20)) as pilot:
        tree = app.query_one(CircuitTree)
        tree.focus()
        tree.show_tree(TreeLayout.of(ROWS))
        tree.move_to(2)
        await pilot.press("h")
        assert tree.highlighted == ROWS[1], "first to the parent"
        await pilot.press("left")
        assert [r.name for r in tree.rows] == ["logits", "m1", "a1.h0", "a0.h0", "m0"]
        assert "▹" in lines(tree)[1]
        tree.show_tree(TreeLayout.of([*ROWS, row("input", 1, "logits", "input")]))
        assert len(tree.rows) == 6, "it stays folded"
        await pilot.press("l")
        assert len(tree.rows) == 8
        tree.move_to(5)
        await pilot.press("right")
        assert tree.highlighted == ROWS[2], "from a repeated row to where it is listed"


async def test_going_to_a_node_unfolds_what_hides_it() -> None:
    app = Host(CircuitTree)
    async with app.run_test(size=(40, 20)):
        tree = app.query_one(CircuitTree)
        tree.show_tree(TreeLayout.of(ROWS))
        tree.move_to(1)
        tree.action_fold()
        assert tree.go_to("a0.h0")
        assert tree.highlighted == ROWS[2], "the row that lists it, not the repeated one"
        assert not tree.go_to("a5.h5")
        assert tree.highlighted == ROWS[2]


async def test_a_deep_circuit_keeps_its_names_on_the_screen() -> None:
    chain = [row("logits", 0)]
    for depth in range(1, 60):
        into = "logits" if depth == 1 else chain[-1].name
        chain.append(row(f"m{60 - depth}", depth, into))
    app = Host(CircuitTree)
    async with app.run_test(size=(36, 80)):
        tree = app.query_one(CircuitTree)
        tree.show_tree(TreeLayout.of(chain))
        for shown, line in zip(tree.rows, lines(tree, 36), strict=True):
            assert shown.name in line
            assert len(line) <= 36
        assert f"{DEEPEST + 5}…" in lines(tree, 36)[DEEPEST + 5]


async def test_the_cursor_survives_the_loss_of_its_row() -> None:
    app = Host(CircuitTree)
    async with app.run_test(size=(40, 20)):
        tree = app.query_one(CircuitTree)
        tree.show_tree(TreeLayout.of(ROWS))
        tree.move_to(6)
        tree.show_tree(TreeLayout.of(ROWS[:3]))
        assert tree.highlighted == ROWS[2]
        tree.show_tree(TreeLayout.of([]))
        assert tree.highlighted is None
