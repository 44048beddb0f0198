"""Every action of the prompt bench, once."""

from __future__ import annotations

from screens.base.actions import Action, scoped
from screens.widgets.copying import COPY

PAIRS = "Pairs"
TYPING = "Typing a pair"

LIST_ACTIONS = (
    Action("try_pair", "enter", "⏎", "try",
           "Evaluate the pair in the whole model and in the present circuit.",
           PAIRS, "Try the pair"),
    Action("pick", "space", "space", "aside",
           "Put the pair aside, so that means go over the rest, or take it back.",
           PAIRS, "Put the pair aside or take it back"),
    Action("only", "O", "O", "only this",
           "Put all other pairs aside.", PAIRS, "Put all other pairs aside"),
    Action("new_pair", "plus", "+", "new", "Type a new pair.", PAIRS, "New pair"),
    Action("duplicate", "asterisk", "*", "duplicate",
           "Add a copy of the pair, to be changed.", PAIRS, "Duplicate the pair"),
    Action("remove", "minus,delete", "-", "remove",
           "Remove the pair from the set; undo brings it back.", PAIRS, "Remove the pair"),
    Action("write", "o", "o", "save",
           "Save the pairs that are in use as a task file.", PAIRS, "Save the pairs"),
    Action("undo", "u", "u", "undo", "Undo the last command of the session.", PAIRS),
    Action("redo", "U,ctrl+r", "U", "redo", "Redo what was undone last.", PAIRS),
    Action("app.copy", "Y", "Y", "copy", COPY, PAIRS),
)  # fmt: skip
"""Keys of the list: they are letters, and while one types they are typed."""

TYPING_ACTIONS = (
    Action("keep", "ctrl+s", "^s", "keep",
           "Keep what is typed: as a change of the pair, or as a new one.",
           TYPING, "Keep the typed pair"),
    Action("keep_new", "f4", "F4", "keep as new",
           "Keep what is typed as a new pair; the one that it began from stays.",
           TYPING, "Keep the typed pair as a new one"),
    Action("mend", "f2", "F2", "mend",
           "Do what mends what is wrong: put a missing space, take the first token of an answer.",
           TYPING, "Mend the typed pair"),
    Action("likeliest", "f3", "F3", "likeliest",
           "Choose answers from the model's likeliest tokens after the prompt.",
           TYPING, "Choose from the likeliest tokens"),
    Action("leave", "escape", "esc", "back",
           "From the fields to the list, from the list back to where one was.", TYPING, "Back"),
    Action("help", "question_mark,f1", "?", "help", "Explain this screen.", TYPING),
)  # fmt: skip

ACTIONS = scoped("prompt_bench", (*LIST_ACTIONS, *TYPING_ACTIONS))
BY_NAME = {action.name: action for action in ACTIONS}

FOOTER = ("try_pair", "pick", "new_pair", "only", "duplicate", "remove", "write", "undo", "leave")
FOOTER_TYPING = ("try_pair", "keep", "keep_new", "mend", "likeliest", "leave")
"""What the footer offers at the list, and in the fields."""
