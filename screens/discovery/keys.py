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

RESULTS = "Results of discoveries"
RESULT_ACTIONS = scoped("results", (
    Action("wish('show')", "enter", "⏎", "show", "Show this result on the bench.", RESULTS,
           id="show"),
    Action("wish('step')", "P", "P", "step through", "Step through it, edge by edge.", RESULTS,
           id="step"),
    Action("wish('take')", "L", "L", "take whole", "Replace the circuit by it.", RESULTS,
           id="take"),
    Action("wish('select')", "t", "t", "other selection", "Select from its scores otherwise.",
           RESULTS, id="select"),
    Action("wish('new')", "D", "D", "new discovery", "Let a method find another.", RESULTS,
           id="new"),
    Action("wish('export')", "o", "o", "export", "Write its circuit to a file.", RESULTS,
           id="export"),
    Action("wish('remove')", "minus,delete", "-", "remove", "Remove it from the list.", RESULTS,
           id="remove"),
    Action("wish('hide')", "space", "space", "hide the column",
           "Hide the column of its scores.", RESULTS, id="hide"),
))  # fmt: skip
"""Keys of the dialog with the results, which binds them itself."""
