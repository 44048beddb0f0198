"""Style sheets are parsed once for all apps of the process, not once for each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from textual.css.model import RuleSet
from textual.css.stylesheet import Stylesheet

_known: dict[tuple[Any, ...], list[RuleSet]] = {}


@contextmanager
def parsed_once() -> Iterator[None]:
    """Keep the rules of each source with each set of variables, which no app changes."""
    parse = Stylesheet._parse_rules

    def known(self: Stylesheet, css: str, read_from: Any, *others: Any, **named: Any) -> Any:
        variables = frozenset(self._variables.items())
        key = (css, read_from, others, frozenset(named.items()), variables)
        if key not in _known:
            _known[key] = parse(self, css, read_from, *others, **named)
        return _known[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Stylesheet, "_parse_rules", known)
        yield
