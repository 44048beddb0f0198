"""Every action of the graph screen, once: its keys, its word in the footer, its sentence."""

from __future__ import annotations

from screens.base.actions import Action

DRAWING = "The drawing"
GROUPS = "Groups"

ACTIONS = (
    Action("go_in", "enter", "⏎", "to the bench",
           "Go to this node on the bench; in the list, to the other end of the link.", DRAWING),
    Action("focus_paths", "f", "f", "paths only",
           "Draw only the paths from this node to the logits; once more draws all.", DRAWING),
    Action("jump", "J", "J", "jump", "Jump to a node by typing its name.", DRAWING),
    Action("links", "tab", "tab", "links", "Go to the list of links, and back.", DRAWING),
    Action("pick", "space", "space", "pick", "Pick this node for a group, or let it go.", GROUPS),
    Action("assign", "R", "R", "group and role",
           "Put the picked nodes (or this one) into a group and say its role.", GROUPS),
    Action("groups", "V", "V", "groups",
           "Draw groups with their role instead of single nodes, and back.", GROUPS),
    Action("dissolve", "minus,delete", "-", "dissolve",
           "Remove the group under the cursor; its nodes stay in the circuit.", GROUPS),
    Action("undo", "u", "u", "undo", "Undo the last command.", GROUPS),
    Action("redo", "U,ctrl+r", "U", "redo", "Redo the command that was undone last.", GROUPS),
    Action("leave", "escape", "esc", "back",
           "Let all picked nodes go; when none is picked, back to the bench.", DRAWING),
    Action("help", "question_mark,f1", "?", "help", "Explain this screen.", DRAWING),
    Action("app.quit", "q", "q", "quit", "Leave; the session is saved always.", DRAWING, "Quit"),
)  # fmt: skip

BY_NAME = {action.name: action for action in ACTIONS}
FOOTERS = {
    "nodes": ("leave", "pick", "assign", "groups", "focus_paths", "links", "jump", "dissolve",
              "undo", "go_in"),
    "groups": ("leave", "assign", "groups", "dissolve", "undo", "redo", "jump"),
}  # fmt: skip
"""What the footer offers by view, the most needed first."""
