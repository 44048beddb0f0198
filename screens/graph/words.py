"""What the graph screen says of a node, and what its marks mean."""

from __future__ import annotations

from rich.text import Text

from screens.base.marks import MARKS, TREE_LEGEND
from screens.base.tokens import one_line
from screens.graph.layer_map import FED_BY, FEEDS, PICKED
from screens.graph.picture import Picture, letter
from workbench.circuits.names import kind_of, split_role

STATES = {mark: words.split(":")[0] for mark, words in TREE_LEGEND.items()}


def about(picture: Picture, node: str) -> Text:
    """The node under the cursor: its state, its group and role, its note."""
    state = picture.state.get(node, "")
    words = [STATES.get(MARKS.get(state, ""), "no path to the logits")]
    if state == "open":
        words = ["open: reads the clean residual"]
    links = len(picture.feeds[node]), len(picture.fed_by[node])
    kind = kind_of(split_role(node)[0])
    if kind != "logits":
        words.append(f"feeds {links[0]}")
    if kind != "input" and state != "open":
        words.append(f"fed by {links[1]}")
    text = Text.assemble((node, "bold"), " ", ", ".join(words))
    group = picture.group_of.get(node)
    if group is not None:
        named = picture.groups[group]
        role = f": {one_line(named.role)}" if named.role else ""
        text.append(f"\n{letter(group)} {one_line(named.name)}{role}")
    note = picture.notes.get(node)
    if note:
        text.append(f"\nnote: {one_line(note)}")
    return text


def legend(picture: Picture) -> Text:
    """What letters and marks mean."""
    lines = []
    for i, group in enumerate(picture.groups):
        role = f": {one_line(group.role)}" if group.role else ""
        lines.append(f"{letter(i)} {one_line(group.name)}{role} ({len(group.nodes)})")
    lines.append(f"{FEEDS} it feeds  {FED_BY} feeds it  {PICKED} picked")
    marks = [f"{mark} {STATES[mark]}" for mark in MARKS.values()]
    lines.append("  ".join(marks))
    return Text("\n".join(lines), style="dim")
