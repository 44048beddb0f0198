"""Every key for stepping through a proposal, once: word in the footer, sentence."""

from __future__ import annotations

from screens.base.actions import Action, scoped

PROPOSAL = "Proposal"
PROPOSAL_ACTIONS = scoped("proposal", (
    Action("proposal('accept')", "y", "y", "accept",
           "Keep or drop this edge as proposed.", PROPOSAL),
    Action("proposal('refuse')", "n", "n", "refuse",
           "Leave this edge as it is; it is not proposed again.", PROPOSAL),
    Action("proposal('next')", "right,l,j,down", "→", "next",
           "Go to the next edge without deciding.", PROPOSAL),
    Action("proposal('back')", "left,h,k,up", "←", "back",
           "Go back to the edge before.", PROPOSAL),
    Action("proposal('undo')", "u", "u", "undo",
           "Take back the last decision.", PROPOSAL),
    Action("proposal('rest')", "A", "A", "accept the rest",
           "Accept all edges that are left to decide, in one step.", PROPOSAL),
    Action("proposal('end')", "escape", "esc", "end",
           "End the stepping; what is undecided stays so.", PROPOSAL),
))  # fmt: skip
"""Keys of the strip that steps through a proposal, which binds them itself."""
