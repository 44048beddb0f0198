"""Keys of lists, choices and dialogs, once; on every screen they are the same."""

from __future__ import annotations

from screens.base.actions import Action, scoped
from screens.widgets.copying import COPY

LISTS = "Lists"
DIALOGS = "Dialogs"

LIST = scoped("list", (
    Action("move(1)", "down,j", "↓ j", "down", "Go down a line.", LISTS, id="down"),
    Action("move(-1)", "up,k", "↑ k", "up", "Go up a line.", LISTS, id="up"),
    Action("page(1)", "pagedown,ctrl+f", "PgDn ^f", "page down", "Go down a page.", LISTS,
           id="page_down"),
    Action("page(-1)", "pageup,ctrl+b", "PgUp ^b", "page up", "Go up a page.", LISTS,
           id="page_up"),
    Action("first", "home", "Home", "first", "Go to the first line.", LISTS),
    Action("last", "end,G", "End G", "last", "Go to the last line.", LISTS),
))  # fmt: skip
"""Bound by every list."""

SEARCH = scoped("list", (
    Action("search", "slash", "/", "Search", "Search in what has the focus.", LISTS),
    Action("search_on(1)", "n", "n", "Next match of the search", "Go to the next match.", LISTS,
           id="next_match"),
    Action("search_on(-1)", "N", "N", "Match before", "Go to the match before.", LISTS,
           id="match_before"),
))  # fmt: skip
"""Bound by whatever can be searched."""

COPYING = scoped("list", (
    Action("app.copy", "Y", "Y", "copy", COPY, LISTS),
))  # fmt: skip
"""Bound by whatever holds something to copy."""

CHOICE = scoped("choice", (
    Action("turn(1)", "right,l,space", "→ l space", "next", "Choose the next word.", DIALOGS,
           id="next"),
    Action("turn(-1)", "left,h", "← h", "previous", "Choose the word before.", DIALOGS,
           id="previous"),
))  # fmt: skip
"""Bound by a choice of one word."""

CONFIRM = scoped("confirm", (
    Action("answer(True)", "y", "y", "yes", "Answer yes.", DIALOGS, id="yes"),
    Action("answer(False)", "n", "n", "no", "Answer no.", DIALOGS, id="no"),
    Action("app.focus_previous", "left,h", "← h", "button before", "Go to the button before.",
           DIALOGS, id="previous"),
    Action("app.focus_next", "right,l", "→ l", "next button", "Go to the next button.", DIALOGS,
           id="next"),
))  # fmt: skip
"""Bound by questions of yes or no."""

TEXT = scoped("text", (
    Action("leave", "enter", "⏎", "close", "Close what is read.", DIALOGS, id="close"),
    Action("scroll('down')", "down,j", "↓ j", "down", "Scroll down.", DIALOGS, id="down"),
    Action("scroll('up')", "up,k", "↑ k", "up", "Scroll up.", DIALOGS, id="up"),
    Action("scroll('page_down')", "pagedown,ctrl+f", "PgDn ^f", "page down", "Scroll a page down.",
           DIALOGS, id="page_down"),
    Action("scroll('page_up')", "pageup,ctrl+b", "PgUp ^b", "page up", "Scroll a page up.",
           DIALOGS, id="page_up"),
    Action("scroll('home')", "home", "Home", "top", "Scroll to the top.", DIALOGS, id="top"),
    Action("scroll('end')", "end,G", "End G", "end", "Scroll to the end.", DIALOGS, id="end"),
))  # fmt: skip
"""Bound by what is there to be read."""
