"""Keys of the readouts, once; the panel binds them itself."""

from __future__ import annotations

from screens.base.actions import Action, scoped

READING = "Readouts"

MOVES = scoped("readouts", (
    Action("view(1)", "right,l", "→ l", "Next view", "Show the next readout.", READING,
           id="next_view"),
    Action("view(-1)", "left,h", "← h", "Previous view", "Show the readout before.", READING,
           id="previous_view"),
    Action("position(-1)", "comma", ",", "One token back", "Read one token further back.",
           READING, id="previous_token"),
    Action("position(1)", "full_stop", ".", "One token on", "Read one token further on.",
           READING, id="next_token"),
    Action("pair(-1)", "less_than_sign", "<", "Previous prompt", "Read the prompt before.",
           READING, id="previous_prompt"),
    Action("pair(1)", "greater_than_sign", ">", "Next prompt", "Read the next prompt.", READING,
           id="next_prompt"),
    Action("mean", "0", "0", "Mean over all prompts", "Read the mean over all prompts.", READING),
    Action("scroll('down')", "down,j", "↓ j", "Scroll down", "Scroll down.", READING),
    Action("scroll('up')", "up,k", "↑ k", "Scroll up", "Scroll up.", READING),
    Action("scroll('page_down')", "pagedown,ctrl+f", "PgDn ^f", "Page down", "Scroll a page down.",
           READING),
    Action("scroll('page_up')", "pageup,ctrl+b", "PgUp ^b", "Page up", "Scroll a page up.",
           READING),
    Action("scroll('home')", "home", "Home", "To the top", "Scroll to the top.", READING),
    Action("scroll('end')", "end,G", "End G", "To the end", "Scroll to the end.", READING),
    Action("scroll('right')", "shift+right", "⇧→", "Scroll right", "Scroll right.", READING),
    Action("scroll('left')", "shift+left", "⇧←", "Scroll left", "Scroll left.", READING),
))  # fmt: skip
