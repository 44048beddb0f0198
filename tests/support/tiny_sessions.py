"""Sessions on tiny random models for the tests of screens, and an app that shows a widget."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from textual.app import App, ComposeResult
from textual.pilot import Pilot
from textual.widget import Widget

from tasks import make_task
from tests.support.tiny_models import tiny_gpt2
from workbench.models.model import Model
from workbench.session.session import Session
from workbench.session.start import build_session


@cache
def tiny_model(layers: int = 3, heads: int = 2) -> tuple[Model, Any]:
    hf, tokenizer = tiny_gpt2(layers=layers, heads=heads)
    return Model.from_hf(hf, tokenizer, name="tiny"), tokenizer


def tiny_session(
    folder: Path,
    task: str = "ioi",
    *,
    pairs: int = 4,
    layers: int = 3,
    heads: int = 2,
    sample: int | None = None,
) -> Session:
    model, tokenizer = tiny_model(layers, heads)
    made = make_task(task, tokenizer, pairs, 0)
    return build_session(model, made, journal=folder / f"{task}.jsonl", sample=sample)


class Host(App[None]):
    """Shows the widgets that `make` makes."""

    def __init__(self, *make: Callable[[], Widget], css: str = "") -> None:
        super().__init__()
        self.make = make
        self.animation_level = "none"
        self.stylesheet.add_source(css, read_from=("test", "css"))

    def compose(self) -> ComposeResult:
        for make in self.make:
            yield make()


async def until(pilot: Pilot[Any], condition: Callable[[], bool], seconds: float = 10) -> None:
    """Let the app run until something is so."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it took too long"
        await pilot.pause(0.01)
    await pilot.pause()
