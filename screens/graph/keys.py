"""Every action of the graph screen, once: its keys, its word in the footer, its sentence."""

from __future__ import annotations

from screens.base.actions import Action, scoped
from screens.widgets.copying import COPY

DRAWING = "The drawing"
GROUPS = "Groups"

ACTIONS = scoped("graph", (
    Action("go_in", "enter", "⏎", "to the bench",
           "Go to this node on the bench; in the list, to the other end of the link.", DRAWING),
    Action("focus_paths", "f", "f", "paths only",
           "Draw only the paths from this node to the logits; once more draws all.", DRAWING),
    Action("by_role", "vertical_line", "|", "by position",
           "Draw nodes at the token roles where they write, in columns, and back.", DRAWING),
    Action("jump", "J", "J", "jump", "Jump to a node by typing its name.", DRAWING),
    Action("links", "tab", "tab", "links", "Go to the list of links, and back.", DRAWING),
    Action("pick", "space", "space", "pick", "Pick this node for a group, or let it go.", GROUPS),
    Action("assign", "R", "R", "group and role",
           "Put the picked nodes (or this one) into a group and say its role.", GROUPS),
    Action("groups", "V", "V", "groups",
           "Draw groups with their role instead of single nodes, and back.", GROUPS),
    Action("dissolve", "minus,delete", "-", "dissolve",
           "Remove the group under the cursor; its nodes stay in the circuit.", GROUPS),
    Action("between", "underscore", "_", "edges between",
           "Keep or drop all edges from the picked nodes (or this group) to others, at once.",
           GROUPS),
    Action("undo", "u", "u", "undo", "Undo the last command.", GROUPS),
    Action("redo", "U,ctrl+r", "U", "redo", "Redo the command that was undone last.", GROUPS),
    Action("draw", "o", "o", "picture",
           "Write the picture to a file: SVG, PDF, PNG, DOT or GraphML.", DRAWING),
    Action("app.copy", "Y", "Y", "copy", COPY, DRAWING),
    Action("leave", "escape", "esc", "back",
           "Let all picked nodes go; when none is picked, back to the bench.", DRAWING),
    Action("help", "question_mark,f1", "?", "help", "Explain this screen.", DRAWING),
    Action("app.quit", "q", "q", "quit", "Leave; the session is saved always.", DRAWING, "Quit"),
))  # fmt: skip

MOVES = scoped("drawing", (
    Action("move_line(-1)", "up,k", "↑ k", "Up", "Go to the line above.", DRAWING, id="up"),
    Action("move_line(1)", "down,j", "↓ j", "Down", "Go to the line below.", DRAWING, id="down"),
    Action("move_along(-1)", "left,h", "← h", "Left", "Go one to the left.", DRAWING, id="left"),
    Action("move_along(1)", "right,l", "→ l", "Right", "Go one to the right.", DRAWING,
           id="right"),
    Action("page(-1)", "pageup,ctrl+b", "PgUp ^b", "A page up", "Go a page up.", DRAWING,
           id="page_up"),
    Action("page(1)", "pagedown,ctrl+f", "PgDn ^f", "A page down", "Go a page down.", DRAWING,
           id="page_down"),
    Action("end(0)", "home", "Home", "To the first", "Go to the first node.", DRAWING,
           id="first"),
    Action("end(-1)", "end,G", "End G", "To the last", "Go to the last node.", DRAWING,
           id="last"),
))  # fmt: skip
"""Bound by the drawing."""

BY_NAME = {action.name: action for action in ACTIONS}
FOOTERS = {
    "nodes": ("leave", "pick", "assign", "groups", "by_role", "focus_paths", "links", "jump",
              "dissolve", "undo", "draw", "go_in", "between"),
    "groups": ("leave", "assign", "groups", "by_role", "dissolve", "undo", "draw", "redo",
               "jump", "between"),
}  # fmt: skip
"""What the footer offers by view, the most needed first."""
