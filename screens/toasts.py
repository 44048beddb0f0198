"""Toasts belong to the screen that has something to say, and are seen on it alone.

None lies over a dialog that somebody answers, none says twice what is there already, and none
stays behind when its screen has gone. What comes while another screen is on top waits for its own.
Of what merely informs the latest few are there: keys in a burst do not pile it up over a list.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from time import time
from typing import Any
from weakref import WeakValueDictionary

from textual._context import active_message_pump
from textual.app import App
from textual.dom import NoScreen
from textual.notifications import Notification
from textual.screen import Screen
from textual.widget import Widget

MOST = 2
"""That inform, at a time; warnings and errors stay as long as they have to."""


class Toasts:
    """Which notification is whose, and which have to wait.

    Args:
        app: whose notifications they are; it asks `holds` of each, and tells of `changed` screens.
    """

    def __init__(self, app: App[Any]) -> None:
        self._app = app
        self._waiting: defaultdict[Screen[Any], list[Notification]] = defaultdict(list)
        # Weakly: what is told must not keep a session that was closed.
        self._owners: WeakValueDictionary[str, Screen[Any]] = WeakValueDictionary()
        self._seen: set[str] = set()

    def holds(self, notification: Notification) -> bool:
        """Whether it is not to be shown now: it is there already, or its screen is not on top."""
        same = (notification.title, notification.message)
        if any((n.title, n.message) == same for n in self._app._notifications):
            return True
        owner = self._sender()
        if owner not in self._app.screen_stack:
            owner = self._app.screen
        self._owners[notification.identity] = owner
        if owner is self._app.screen:
            if notification.severity == "information":
                self._make_room()
            return False
        self._waiting[owner].append(notification)
        return True

    def _make_room(self) -> None:
        """Let the oldest that inform go, so that with one more there are no more than so many."""
        shown = [n for n in self._app._notifications if n.severity == "information"]
        shown.sort(key=lambda one: one.raised_at)
        for notification in shown[: max(0, len(shown) - MOST + 1)]:
            self._app._unnotify(notification, refresh=False)

    def _sender(self) -> Screen[Any]:
        """The screen whose message is being dealt with; of the app's own, the one on top."""
        pump = active_message_pump.get(None)
        try:
            return pump.screen if isinstance(pump, Widget) else self._app.screen
        except NoScreen:
            return self._app.screen

    def changed(self, top: Screen[Any]) -> None:
        """Another screen is on top: its own are shown, all others wait or go."""
        stack = self._app.screen_stack
        for notification in list(self._app._notifications):
            owner = self._owners.get(notification.identity)
            if owner is None or owner is top:
                continue
            self._app._unnotify(notification, refresh=False)
            if owner in stack:
                self._seen.add(notification.identity)
                self._waiting[owner].append(notification)
        for notification in self._waiting.pop(top, ()):
            if notification.identity not in self._seen:  # its time begins when it is seen
                notification = replace(notification, raised_at=time())
                self._owners[notification.identity] = top
            if not notification.has_expired:
                self._app._notifications.add(notification)
        for gone in [screen for screen in self._waiting if screen not in stack]:
            del self._waiting[gone]
        self._app._refresh_notifications()
