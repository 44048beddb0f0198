"""The queue of keys: what it holds, how long it waits, and that it never holds for ever."""

from __future__ import annotations

import asyncio

import pytest
from textual import events
from textual.app import App, ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Input, Static

from screens.base import key_queue
from screens.base.key_queue import KeyQueue


class Typing(App[None]):
    """An input that appears with `i`, and takes the focus only after a message of its own."""

    AUTO_FOCUS = None
    BINDINGS = [("i", "ask"), ("x", "spoil")]  # noqa: RUF012 - the base class declares it

    def __init__(self) -> None:
        super().__init__()
        self.owed = False
        self.queue = KeyQueue(self, lambda _: self.owed, lambda: None)
        self.spoiled = 0

    def compose(self) -> ComposeResult:
        entry = Input()
        entry.display = False
        yield entry

    async def on_event(self, event: events.Event) -> None:
        if not self.queue.holds(event):
            await super().on_event(event)

    def action_ask(self) -> None:
        entry = self.query_one(Input)
        entry.display = True
        entry.focus()

    def action_spoil(self) -> None:
        self.spoiled += 1

    def type(self, *keys: events.Key) -> None:
        assert self._driver is not None
        for key in keys:
            self._driver.send_message(key)


def letters(text: str) -> list[events.Key]:
    return [events.Key(letter, letter) for letter in text]


async def done(app: Typing) -> None:
    await asyncio.sleep(0.02)
    async with asyncio.timeout(5):
        while not app.queue.idle:
            await asyncio.sleep(0.01)


async def test_a_key_goes_to_what_the_key_before_it_opened() -> None:
    app = Typing()
    async with app.run_test():
        app.type(*letters("ixyx"))
        await done(app)
        assert app.query_one(Input).value == "xyx" and not app.spoiled


async def test_keys_wait_for_what_is_owed_but_not_when_it_is_late() -> None:
    app = Typing()
    async with app.run_test():
        app.owed = True
        app.type(*letters("xx"))
        await asyncio.sleep(0.05)
        assert app.spoiled == 1 and not app.queue.idle
        app.owed = False
        await done(app)
        assert app.spoiled == 2


async def test_nothing_is_heard_once_the_app_is_leaving() -> None:
    told: list[bool] = []
    app = Typing()
    app.queue = KeyQueue(app, lambda _: False, lambda: told.append(app.is_running))
    async with app.run_test():
        app.type(*letters("xxxxx"))
        await asyncio.sleep(0)
        app.exit()
        told.clear()
    async with asyncio.timeout(1):
        while not app.queue.idle:
            await asyncio.sleep(0.001)
    assert told == []


async def test_a_message_that_never_ends_holds_no_key_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(key_queue, "STUCK", 0.1)
    app = Typing()
    async with app.run_test():
        never = asyncio.Event()
        app.query_one(Input).call_later(never.wait)
        try:
            app.type(*letters("xxx"))
            await done(app)
            assert app.spoiled == 3
        finally:
            never.set()


class Scrolling(Typing):
    """A line, which `w` makes long enough to be scrolled by `d` and `t`."""

    BINDINGS = [("d", "scroll"), ("t", "tenth"), ("w", "widen")]  # noqa: RUF012 - as above

    def compose(self) -> ComposeResult:
        with VerticalScroll():
            yield Static("a line")

    def action_scroll(self) -> None:
        self.query_one(VerticalScroll).scroll_relative(y=10, animate=False)

    def action_tenth(self) -> None:
        self.query_one(VerticalScroll).scroll_to(y=10, animate=False, immediate=True)

    def action_widen(self) -> None:
        self.query_one(Static).styles.height = 100


@pytest.mark.parametrize(("keys", "line"), [("wt", 10), ("wdd", 20)])
async def test_a_key_scrolls_what_the_key_before_it_made_long(keys: str, line: int) -> None:
    app = Scrolling()
    async with app.run_test(size=(40, 20)):
        app.type(*letters(keys))
        await done(app)
        assert app.query_one(VerticalScroll).scroll_offset.y == line


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("alt+x", ["escape", "x"]),
        ("alt+shift+g", ["escape", "G"]),
        ("ctrl+alt+x", ["ctrl+alt+x"]),
        ("x", ["x"]),
        ("alt+left", ["alt+left"]),
    ],
)
def test_escape_and_a_letter_in_one_read_are_two_keys(name: str, keys: list[str]) -> None:
    apart = key_queue._apart(events.Key(name, None))
    assert [event.key for event in apart if isinstance(event, events.Key)] == keys
