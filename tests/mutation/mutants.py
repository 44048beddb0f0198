"""The small faults: an operator, a condition, a number exchanged, a statement left out.

What only words, types and assertions hold is left alone: annotations, texts, `assert`, `raise`.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType

COMPARED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
COMPUTED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitOr,
}
LONGEST = 90
"""Characters of the code that names a mutant."""


@dataclass(frozen=True)
class Mutant:
    """One fault.

    Attributes:
        file: from the project's root.
        place: the function, with its class.
        what: the code before and after.
        line: where, in today's file; no part of its name, since lines move.
        number: which of the file's.
    """

    file: str
    place: str
    what: str
    line: int
    number: int

    @property
    def name(self) -> tuple[str, str, str]:
        """What it is known by in the list of those that survive."""
        return self.file, self.place, self.what


@dataclass(frozen=True)
class _Change:
    line: int
    place: str
    what: str
    make: Callable[[], None]


def mutants_of(root: Path, file: str) -> list[Mutant]:
    """All faults of a file, in its order; of two of one name the second has its number behind."""
    found, seen = [], dict[tuple[str, str], int]()
    for number, change in enumerate(_changes(ast.parse((root / file).read_text("utf-8")))):
        times = seen[change.place, change.what] = seen.get((change.place, change.what), 0) + 1
        what = change.what if times == 1 else f"{change.what} ({times})"
        found.append(Mutant(file, change.place, what, change.line, number))
    return found


def compiled(root: Path, mutant: Mutant) -> CodeType:
    """The code of the mutant's file with the fault in it."""
    path = root / mutant.file
    tree = ast.parse(path.read_text("utf-8"))
    list(_changes(tree))[mutant.number].make()
    return compile(ast.fix_missing_locations(tree), str(path), "exec")


def _changes(tree: ast.Module) -> Iterator[_Change]:
    for holder, place in _code(tree, ""):
        for node in holder:
            for what, make in [*_of_expression(node), *_of_statement(node)]:
                yield _Change(getattr(node, "lineno", 0), place, what, make)


def _code(node: ast.AST, place: str) -> Iterator[tuple[list[ast.AST], str]]:
    """Nodes that may be changed, by the function or class that they stand in."""
    here: list[ast.AST] = []
    inner: list[tuple[list[ast.AST], str]] = []

    def visit(part: ast.AST) -> None:
        if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = f"{place}.{part.name}".lstrip(".")
            inner.extend(_code(part, name))
            return
        if isinstance(part, ast.Assert | ast.Raise | ast.Import | ast.ImportFrom | ast.JoinedStr):
            return
        if isinstance(part, ast.If) and ast.unparse(part.test) in ("TYPE_CHECKING", "not m"):
            return
        here.append(part)
        walk(part)

    def walk(part: ast.AST) -> None:
        for field, value in ast.iter_fields(part):
            if field in ("annotation", "returns", "decorator_list", "type_params"):
                continue
            for item in value if isinstance(value, list) else [value]:
                if isinstance(item, ast.AST):
                    visit(item)

    walk(node)
    yield here, place or "(module)"
    yield from inner


def _text(node: ast.AST) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _of_expression(node: ast.AST) -> Iterator[tuple[str, Callable[[], None]]]:
    def told(
        change: Callable[[], None], back: Callable[[], None]
    ) -> tuple[str, Callable[[], None]]:
        before = _text(node)
        change()
        after = _text(node)
        back()
        return f"{before} → {after}", change

    def put(name: str, value: object, at: ast.AST = node) -> tuple[str, Callable[[], None]]:
        old = getattr(at, name)
        return told(lambda: setattr(at, name, value), lambda: setattr(at, name, old))

    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        yield put("ops", [COMPARED[type(node.ops[0])]()])
    elif isinstance(node, ast.Compare):
        for n, op in enumerate(node.ops):
            yield put("ops", [*node.ops[:n], COMPARED[type(op)](), *node.ops[n + 1 :]])
    elif isinstance(node, ast.BoolOp):
        yield put("op", ast.Or() if isinstance(node.op, ast.And) else ast.And())
    elif isinstance(node, ast.BinOp | ast.AugAssign) and type(node.op) in COMPUTED:
        # Types that are joined stand in annotations and `isinstance` alone.
        if not isinstance(node.op, ast.BitOr) or not _is_types(node):
            yield put("op", COMPUTED[type(node.op)]())
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        # Of -1 the number is exchanged: as an axis +1 is often the same.
        if not isinstance(node.operand, ast.Constant):
            yield put("op", ast.UAdd())
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.Invert):
        yield _bare(node)
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield put("value", not node.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int):
        yield put("value", node.value + 1)
    elif isinstance(node, ast.Constant) and isinstance(node.value, float):
        yield put("value", node.value * 2 + 1)
    elif isinstance(node, ast.IfExp):
        for sure in (True, False):
            yield put("test", ast.Constant(sure))
    elif isinstance(node, ast.comprehension):
        for n, test in enumerate(node.ifs):
            kept = [*node.ifs[:n], *node.ifs[n + 1 :]]
            yield (
                f"if {_text(test)} → (left out)",
                lambda kept=kept: setattr(node, "ifs", kept),  # type: ignore[misc]
            )


def _bare(node: ast.UnaryOp) -> tuple[str, Callable[[], None]]:
    """Without its `not` or `~`: said twice, so that the node stays where it is."""
    before, inner = _text(node), node.operand

    def make() -> None:
        node.operand = ast.copy_location(ast.UnaryOp(node.op, inner), inner)

    return f"{before} → {_text(inner)}", make


def _is_types(node: ast.BinOp | ast.AugAssign) -> bool:
    names = ast.unparse(node).replace("|", " ").replace(".", " ").split()
    return all(name[:1].isupper() or name in ("None", "int", "str", "float") for name in names)


def _of_statement(node: ast.AST) -> Iterator[tuple[str, Callable[[], None]]]:
    """Conditions that always or never hold, and statements of a body left out."""
    if isinstance(node, ast.If | ast.While):
        for sure in (True, False) if isinstance(node, ast.If) else (False,):
            yield (
                f"{'if' if isinstance(node, ast.If) else 'while'} {_text(node.test)} → {sure}",
                lambda sure=sure: setattr(node, "test", ast.Constant(sure)),  # type: ignore[misc]
            )
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call | ast.YieldFrom):
        yield f"{_text(node)} → (left out)", lambda: setattr(node, "value", ast.Constant(None))
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Attribute | ast.Subscript):
        yield (
            f"{_text(node)} → (left out)",
            lambda: setattr(node, "targets", [ast.Name("_", ast.Store())]),
        )
