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
    Action("by_role", "vertical_line", "|", "By role",
           "Step from role to role of the prompts in place of single tokens, and back.", READING),
    Action("pair(-1)", "less_than_sign", "<", "Previous prompt", "Read the prompt before.",
           READING, id="previous_prompt"),
    Action("pair(1)", "greater_than_sign", ">", "Next prompt", "Read the next prompt.", READING,
           id="next_prompt"),
    Action("mean", "0", "0", "Mean over all prompts", "Read the mean over all prompts.", READING),
    Action("run(1)", "equals_sign", "=", "Another run",
           "Read the corrupted prompts, the difference from them, the circuit, or that less the "
           "model.", READING, id="next_run"),
    Action("way(1)", "semicolon", ";", "Another way",
           "Of OV and QK another input of the head; of the lens map what its colours are of.",
           READING, id="next_way"),
    Action("ask", "Q", "Q", "Ask about a token",
           "Let the readouts answer for any token, and against any other, in place of the answers.",
           READING),
    Action("through", "tilde", "~", "Through the Jacobian lens",
           "Read what a residual or an output becomes by the last layer, on average, and back.",
           READING),
    Action("direction", "circumflex_accent", "^", "Which direction",
           "Name the direction that is read: a token's, or a row of a file.", READING),
    Action("lens_file", "backslash", "\\", "Another Jacobian lens",
           "Read through the Jacobian lens of a file.", READING),
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

HELP = """\
What the chosen component writes and reads: on the clean prompts, and with
**{key:readouts.next_run}** on the corrupted ones, as the difference of the two, in the circuit
(everything outside it corrupted), and in the circuit less the model. **{key:readouts.ask}** asks
about any token in place of the task's answers.

- **Logit lens**: the tokens whose logit its output raises and lowers most.
- **Direct logit attribution**: what each component adds to the logit difference itself, and its
  rank. What later components make of its output is not in it: compare the effect of its edges.
- **Answer curve**: the same lens over all the task's answers.
- **Attention**: which tokens a head looks at from each token.
- **Residual lens**: what the model would say if it stopped after each layer.
- **Jacobian lens**: what its output comes to say by the last layer, on average over a text.
  **{key:readouts.through}** turns the other lenses to it; **{key:readouts.lens_file}** takes the
  lens of a file.
- **Lens map**: the residual lens at all positions, over all prompts at all roles, coloured
  (**{key:readouts.next_way}**) by a token's probability or rank.
- **Token ranks**: after which layer the answers, or any token (**{key:readouts.ask}**), come to the
  top.
- **Beside the circuit**: its lens in the model and in the circuit.
- **Curves by answer**: the answer curve for each set of answers, such as each start year.
- **Lens of a direction**, **along a direction**: which tokens any vector
  (**{key:readouts.direction}**) raises, and how far every component writes along it.
- **OV**: what a head would write if it looked at a token, by its weights: the tokens raised and
  lowered. The token is the prompt's where **{key:readouts.previous_token}** and
  **{key:readouts.next_token}** stand, or the one that **{key:readouts.ask}** names; over all
  prompts there is a line for each of the task's answers.
- **QK**: which tokens a head looks at from that token, by its weights.
  **{key:readouts.next_way}** goes on to other inputs of the head, and in QK to the prompt's own
  tokens.

✓ marks answers, ✗ wrong answers. A position counts from the end: −1 is the last token, where the
task is judged. **{key:readouts.by_role}** reads at the last token of a role in its place, in the
prompts that have it, however long they are.
"""
"""What the readouts say of themselves."""
