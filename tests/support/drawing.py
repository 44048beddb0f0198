"""An app that draws less than every frame: drawing is more than half of what a key costs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from textual._compositor import Compositor
from textual.pilot import Pilot


@contextmanager
def without_drawing() -> Iterator[None]:
    """Leave all frames out; `render_strips`, by which a test looks at the screen, draws it whole.

    For runs of which another one, drawn, is the twin: what fails in drawing fails there.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Compositor, "render_update", _instead(lambda _: None))
        yield


def _instead(note: Callable[[Compositor], None]) -> Callable[..., Any]:
    """A stand-in for the frames; a picture of the whole screen is made as ever."""
    whole = Compositor.render_update

    def render_update(self: Compositor, full: bool = False, *others: Any, **named: Any) -> Any:
        if full:
            return whole(self, full, *others, **named)
        self._dirty_regions.clear()
        note(self)
        return None

    return render_update


@contextmanager
def drawing_at_rest() -> Iterator[None]:
    """Draw the whole screen once, after keys and pauses of a pilot, if anything has changed.

    Textual draws a few frames for each message of a burst. A test sees none of those between, and
    a widget that fails to draw fails at the next rest.
    """
    changed: set[Compositor] = set()
    pause, press, whole = Pilot.pause, Pilot.press, Compositor.render_update

    def draw(pilot: Pilot[Any]) -> None:
        shown = pilot.app.screen._compositor if pilot.app.screen_stack else None
        if shown is not None and shown in changed:
            changed.clear()
            whole(shown, full=True, screen_stack=pilot.app._background_screens)

    async def paused(self: Pilot[Any], delay: float | None = None) -> None:
        await pause(self, delay)
        draw(self)

    async def pressed(self: Pilot[Any], *keys: str) -> None:
        await press(self, *keys)
        draw(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Compositor, "render_update", _instead(changed.add))
        patch.setattr(Pilot, "pause", paused)
        patch.setattr(Pilot, "press", pressed)
        yield
