"""A report as a list of blocks, written as Markdown or as HTML.

All text is plain: what either format would take for markup is escaped here and nowhere else. A
figure is an SVG drawing; HTML holds it inline, Markdown refers to a file beside it, since the
viewers that people use (GitHub among them) show no images that are written into the text.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass

from workbench.base.home import without_home
from workbench.base.text import printable


@dataclass(frozen=True)
class Heading:
    """Level 1 is the document's title."""

    text: str
    level: int


@dataclass(frozen=True)
class Paragraph:
    """`quiet` is small print: questions and definitions."""

    text: str
    quiet: bool = False


@dataclass(frozen=True)
class Bullets:
    """A list of sentences."""

    items: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """Cells are text; columns whose number is in `right` are aligned to the right.

    Those of tokens and prompts, in `code`, show every space.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    right: frozenset[int] = frozenset()
    code: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Figure:
    """`name` is unique in the document and fit for a file; `svg` begins with <svg."""

    name: str
    svg: str
    caption: str


Block = Heading | Paragraph | Bullets | Table | Figure

_STYLE = """\
body { font: 15px/1.5 system-ui, sans-serif; color: #222; background: #fff; max-width: 60rem;
  margin: 2rem auto; padding: 0 1rem; }
h1, h2, h3 { line-height: 1.2; margin: 2rem 0 .6rem; font-weight: 600; }
h2 { border-bottom: 1px solid #ddd; padding-bottom: .3rem; }
.quiet, figcaption { color: #666; font-size: 13px; }
table { border-collapse: collapse; font-size: 13px; margin: 1rem 0; display: block;
  overflow-x: auto; }
th, td { padding: .2rem .7rem .2rem 0; text-align: left; vertical-align: top; }
th { border-bottom: 1px solid #999; font-weight: 600; }
td { border-bottom: 1px solid #eee; }
.right { text-align: right; font-variant-numeric: tabular-nums; }
code { font: 12px/1.4 ui-monospace, monospace; white-space: pre-wrap; background: #f5f5f5; }
figure { margin: 1.2rem 0; }
svg { max-width: 100%; height: auto; }
"""

# What Markdown, or HTML inside it, takes for markup wherever it stands.
_SPECIAL = re.compile(r"([\\`*_\[\]<>|~$#&])")


def to_html(blocks: Sequence[Block]) -> str:
    """One page that needs nothing else: styles and drawings are in it, and no script."""
    title = next((b.text for b in blocks if isinstance(b, Heading)), "")
    body = "\n".join(_html(block) for block in blocks)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>{_escaped(title)}</title>\n<style>\n{_STYLE}</style>\n</head>\n<body>\n{body}\n"
        "</body>\n</html>\n"
    )


def to_markdown(blocks: Sequence[Block], folder: str) -> str:
    """Text whose figures are files in a folder, by its name beside the text."""
    return "\n\n".join(_markdown(block, folder) for block in blocks) + "\n"


def _shown(text: str) -> str:
    """What of a text stands in a report; before any markup, after which no path is one."""
    return printable(without_home(text))


def _escaped(text: str) -> str:
    return html.escape(_shown(text))


def _html(block: Block) -> str:
    match block:
        case Heading():
            return f"<h{block.level}>{_escaped(block.text)}</h{block.level}>"
        case Paragraph():
            mark = ' class="quiet"' if block.quiet else ""
            return f"<p{mark}>{_escaped(block.text)}</p>"
        case Bullets():
            items = "\n".join(f"<li>{_escaped(item)}</li>" for item in block.items)
            return f"<ul>\n{items}\n</ul>"
        case Table():
            return _html_table(block)
        case Figure():
            svg, caption = without_home(block.svg), _escaped(block.caption)
            return f"<figure>\n{svg}\n<figcaption>{caption}</figcaption>\n</figure>"


def _html_table(table: Table) -> str:
    def row(cells: Sequence[str], tag: str) -> str:
        made = []
        for i, cell in enumerate(cells):
            mark = ' class="right"' if i in table.right else ""
            text = _escaped(cell)
            if i in table.code and tag == "td":
                text = f"<code>{text}</code>"
            made.append(f"<{tag}{mark}>{text}</{tag}>")
        return f"<tr>{''.join(made)}</tr>"

    body = "\n".join(row(cells, "td") for cells in table.rows)
    head = row(table.columns, "th")
    return f"<table>\n<thead>\n{head}\n</thead>\n<tbody>\n{body}\n</tbody>\n</table>"


def _marked(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", _shown(text))


def _code(text: str) -> str:
    """Inside HTML's own tag, since a Markdown code span drops spaces and cannot hold a bar."""
    # As entities, so that Markdown sees no markup, and no space is lost at the ends.
    return "<code>" + "".join(_entity(c) for c in _shown(text)) + "</code>"


def _entity(char: str) -> str:
    return char if char.isalnum() or char in ".,:;?! " else f"&#{ord(char)};"


def _markdown(block: Block, folder: str) -> str:
    match block:
        case Heading():
            return f"{'#' * block.level} {_marked(block.text)}"
        case Paragraph():
            text = _first(_marked(block.text))
            return f"*{text}*" if block.quiet else text
        case Bullets():
            return "\n".join(f"- {_marked(item)}" for item in block.items)
        case Table():
            rows = [block.columns, *block.rows]
            lines = [
                "| "
                + " | ".join(
                    _code(cell) if k and i in block.code else _marked(cell)
                    for i, cell in enumerate(cells)
                )
                + " |"
                for k, cells in enumerate(rows)
            ]
            rule = ["---:" if i in block.right else "---" for i in range(len(block.columns))]
            return "\n".join([lines[0], "| " + " | ".join(rule) + " |", *lines[1:]])
        case Figure():
            return f"![{_marked(block.caption)}]({folder}/{block.name}.svg)"


def _first(text: str) -> str:
    """A paragraph must not begin as a list, a heading or a table would."""
    return re.sub(r"^(\d+)([.)])|^([-+=])", r"\1\\\2\3", text)
