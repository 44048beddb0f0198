"""The titles of the plots are drawn, also in the narrowest pane."""

from __future__ import annotations

import ast
import inspect

from screens.assessment import plot

NARROW = 44
"""Cells of a plot between its axes beside the list at 100 columns."""
LONGEST = "logit_diff"


def test_every_title_fits_a_narrow_pane() -> None:
    titles = []
    for node in ast.walk(ast.parse(inspect.getsource(plot))):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "title":
            parts = node.args[0]
            values = parts.values if isinstance(parts, ast.JoinedStr) else [parts]
            titles.append(
                "".join(str(v.value) if isinstance(v, ast.Constant) else LONGEST for v in values)
            )
    assert len(titles) >= 7
    assert [title for title in titles if len(title) > NARROW] == []
