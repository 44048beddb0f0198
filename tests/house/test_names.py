"""Names of nodes, and the rule that only the graph takes them apart or knows where heads stand."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from workbench.circuits.names import (
    Name,
    edge_ends,
    head_name,
    input_of,
    is_edge,
    kind_of,
    layer_of_heads,
    mlp_name,
    parse_name,
)

ROOT = Path(__file__).resolve().parents[2]
THEIR_OWN = (
    "workbench/circuits/graph.py",
    "workbench/circuits/names.py",
    "workbench/formats/dialects.py",  # the names of other tools
)

# What a name consists of, given to a method of str or looked for in one.
PIECES = {"->", "<", ">", ".h", "a", "m", "<q>", "<k>", "<v>", "q>", "k>", "v>"}
TAKES_APART = {
    "split",
    "rsplit",
    "partition",
    "rpartition",
    "startswith",
    "endswith",
    "removeprefix",
    "removesuffix",
    "find",
    "rfind",
    "index",
    "strip",
    "lstrip",
    "rstrip",
}
NAME_PATTERN = re.compile(r"\[am\]|(?<![\\\w])[am]\(?(\\d|\[0-9\])|\\\.h|<\(?\[qkv\]")


def texts(node: ast.AST) -> set[str]:
    """The text constants that an expression is, or that a tuple, list, set or f-string holds."""
    if isinstance(node, ast.JoinedStr):
        return set().union(*map(texts, node.values))
    if isinstance(node, (ast.Tuple, ast.List, ast.Set)):
        return set().union(*map(texts, node.elts))
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return {node.value}
    return set()


def is_heads(node: ast.AST) -> bool:
    return getattr(node, "attr", getattr(node, "id", "")) == "n_heads"


def takes_name_apart(node: ast.AST) -> bool:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        given = set().union(*map(texts, node.args)) if node.args else set()
        if isinstance(node.func.value, ast.Name) and node.func.value.id == "re":
            return any(NAME_PATTERN.search(text) for text in given)
        return node.func.attr in TAKES_APART and bool(given & PIECES)
    if isinstance(node, ast.Compare):
        if isinstance(node.ops[0], (ast.In, ast.NotIn)) and texts(node.left) & {"->", ".h"}:
            return True
        wanted = set().union(*map(texts, node.comparators))
        return isinstance(node.left, ast.Subscript) and bool(wanted & {"a", "m"})
    return False


def builds_name(node: ast.AST) -> bool:
    """f"a{layer}.h{head}" or f"m{layer}"."""
    if not isinstance(node, ast.JoinedStr) or len(node.values) < 2:
        return False
    fixed = "".join(str(v.value) if isinstance(v, ast.Constant) else "\0" for v in node.values)
    return re.match(r"a\0\.h|m\0(->|$)", fixed) is not None


def computes_place(node: ast.AST) -> bool:
    """3 * n_heads, n_heads + 1, which * n_heads, first : first + n_heads, // n_heads, % n_heads."""
    if isinstance(node, ast.BinOp):
        sides = (node.left, node.right)
        if isinstance(node.op, (ast.Mod, ast.FloorDiv)):
            return is_heads(node.right)
        if any(map(is_heads, sides)):
            other = sides[is_heads(sides[0])]
            three_or_one = isinstance(other, ast.Constant) and other.value in (1, 3)
            if isinstance(node.op, ast.Add):
                return three_or_one
            named = isinstance(other, ast.Name) and other.id in ("which", "layer", "index")
            return isinstance(node.op, ast.Mult) and (three_or_one or named)
    if isinstance(node, ast.Slice) and isinstance(node.upper, ast.BinOp):
        return isinstance(node.upper.op, ast.Add) and is_heads(node.upper.right)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "divmod":
        return any(is_heads(part) for part in ast.walk(node.args[1]))
    return False


def broken(source: str, *, weights: bool = False) -> Iterator[int]:
    """Lines that break the rule; `weights`: where heads lie in a tensor is the file's subject."""
    for node in ast.walk(ast.parse(source)):
        if takes_name_apart(node) or builds_name(node) or (computes_place(node) and not weights):
            yield getattr(node, "lineno", 0) or node.upper.lineno  # type: ignore[attr-defined]


def test_only_the_graph_knows_names_and_places() -> None:
    found = []
    for room in ("workbench", "screens"):
        for path in sorted((ROOT / room).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            if name not in THEIR_OWN:
                weights = name.startswith("workbench/transformer/families/")
                lines = broken(path.read_text(encoding="utf-8"), weights=weights)
                found += [f"{name}:{line}" for line in lines]
    assert not found, "ask the graph (or workbench.circuits.names) instead"


@pytest.mark.parametrize(
    "line",
    [
        'node = destination.split("<")[0]',
        'node = destination.partition("<")[0]',
        'source, _, into = edge.partition("->")',
        'layer, head = node[1:].split(".h")',
        'is_head = node.startswith("a")',
        'writes = node.startswith(("a", "m"))',
        'is_head = ".h" in node',
        'is_head = node[0] == "a"',
        'is_node = node[:1] in ("a", "m")',
        'found = re.fullmatch(r"a(\\d+)\\.h(\\d+)", node)',
        'found = re.match(r"m\\d+", node)',
        'letter = name.rstrip(">")',
        'own = edge.startswith(f"{node}->")',
        'is_query = edge.endswith(f"<{letter}>")',
        'name = f"a{layer}.h{head}"',
        'name = f"m{layer}"',
        "column = layer * (3 * graph.n_heads + 1)",
        "first = 1 + layer * (n_heads + 1)",
        "layer, head = divmod(source - 1, graph.n_heads + 1)",
        "layer, head = divmod(source - 1, of_layer * graph.n_heads)",
        "heads = out[first : first + graph.n_heads]",
        "head = offset % graph.n_heads",
    ],
)
def test_the_rule_sees(line: str) -> None:
    assert list(broken(line))


@pytest.mark.parametrize(
    "line",
    [
        'key = action.startswith("app.")',
        'words = text.split(" ")',
        'told = f"a {thing} of {n_heads} heads"',
        "values = fed.reshape(3, n_heads)",
        "of = n_heads // n_kv_heads",
        "size = (parts.n_heads + parts.n_kv_heads) * parts.d_head",
        'found = re.fullmatch(r"[a-z]+\\d", text)',
        'found = "a" in letters',
    ],
)
def test_the_rule_lets_pass(line: str) -> None:
    assert not list(broken(line))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("input", Name("input", "input")),
        ("logits", Name("logits", "logits")),
        ("m10", Name("m10", "mlp", 10)),
        ("a9.h1", Name("a9.h1", "head", 9, 1)),
        ("a9.h1<v>", Name("a9.h1", "head", 9, 1, "v")),
    ],
)
def test_what_a_name_says(name: str, said: Name) -> None:
    assert parse_name(name) == said
    assert kind_of(name) == said.kind
    assert input_of(name) == (said.input or "")


@pytest.mark.parametrize(
    "text", ["", "a9", "m", "m1<q>", "a9.h", "a9.h1<x>", "a9.h1<q>>", "a09.h1", "m-1", "M1", "m1 "]
)
def test_what_is_no_name(text: str) -> None:
    assert parse_name(text) is None and kind_of(text) is None and input_of(text) == ""


def test_names_are_written_and_edges_cut() -> None:
    assert (head_name(9, 1), mlp_name(10)) == ("a9.h1", "m10")
    assert layer_of_heads("a9") == 9
    assert layer_of_heads("a9.h1") is layer_of_heads("m9") is None
    assert edge_ends("m0->a9.h1<v>") == ("m0", "a9.h1<v>")
    assert edge_ends("m0") == ("m0", "")
    assert is_edge("m0->a9.h1<v>") and not is_edge("a9.h1<v>")
