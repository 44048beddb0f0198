"""What a key means that several screens bind: one thing, wherever it is pressed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Meaning:
    """What a key means.

    Attributes:
        shown: the key as it is written for people.
        words: the meaning that all its actions share.
        actions: the actions of screens and widgets that the key is bound to.
    """

    shown: str
    words: str
    actions: tuple[str, ...]


_TAKE_AWAY = ("answer('off')", "dissolve", "remove", "take_away", "toggle_node", "wish('remove')")

MEANINGS: dict[str, Meaning] = {
    "enter": Meaning("⏎", "Do what is under the cursor, or accept.",
                     ("choose", "copy", "go_in", "go_on", "leave", "prune('make')", "resume", "run",
                      "start", "try_pair", "wish('show')")),
    "escape": Meaning("esc", "Let go, or go back.",
                      ("back", "cancel", "clear_notifications", "give_up", "leave",
                       "proposal('end')", "prune('end')")),
    "space": Meaning("space", "Switch what is under the cursor.",
                     ("keep_or_drop", "pick", "turn(1)", "wish('hide')")),
    "minus": Meaning("-", "Take away what is under the cursor.", _TAKE_AWAY),
    "delete": Meaning("del", "Take away what is under the cursor.", _TAKE_AWAY),
    "underscore": Meaning(
        "_", "Keep or drop several edges at once.", ("between", "head_inputs")
    ),
    "y": Meaning("y", "Yes, or on.", ("answer(True)", "proposal('accept')", "tutorial_next")),
    "n": Meaning("n", "No, where something is asked; else the next match of the search.",
                 ("answer(False)", "proposal('refuse')", "search_on(1)")),
    "u": Meaning("u", "Take the last thing back.", ("proposal('undo')", "undo")),
    "A": Meaning("A", "All of them.", ("keep_all", "measure", "proposal('rest')", "run_all")),
    "f": Meaning("f", "Show only some.", ("filter", "focus_paths")),
    "o": Meaning("o", "Write to a file.", ("draw", "export", "report", "wish('export')", "write")),
    "t": Meaning("t", "Type it exactly.",
                 ("narrow", "settings", "threshold_exactly", "type_into", "wish('select')")),
    "V": Meaning("V", "The next view.", ("groups", "more", "view")),
    "L": Meaning("L", "Take a circuit from elsewhere.",
                 ("add_file", "answer('other')", "load", "take", "wish('take')")),
    "D": Meaning("D", "Discoveries.", ("add_found", "discover", "wish('new')")),
    "P": Meaning("P", "Step through a proposal.", ("step_proposal", "wish('step')")),
    "C": Meaning("C", "The reference circuit, and away again.", ("compare", "leave")),
    "m": Meaning("m", "Another measure of the effects.",
                 ("ablation", "prune('score')", "setting")),
    "i": Meaning("i", "The inputs that are looked at.", ("inputs", "into")),
    "I": Meaning("I", "What is gone on with, and away again.", ("go_on", "leave")),
    "M": Meaning("M", "The model, and away again.", ("leave", "model")),
    "p": Meaning("p", "The prompts, and away again.", ("leave", "prompts")),
    "S": Meaning("S", "Stop what goes on by itself.", ("stop", "stop_discovery")),
    "T": Meaning("T", "Leave the tutorial.", ("answer('leave')", "tutorial_menu")),
    "X": Meaning("X", "Start over.", ("answer('restart')", "clear")),
    "W": Meaning("W", "Write words: a note, a name.", ("entitle", "name", "note")),
    "1": Meaning("1", "The first panel.",
                 ("panel('circuit')", "panel('effect')", "panel('map')", "panel('prompts')")),
    "2": Meaning("2", "The second panel.",
                 ("panel('candidates')", "panel('curve')", "panel('faithfulness')",
                  "panel('table')")),
    "3": Meaning("3", "The third panel.",
                 ("panel('overlap')", "panel('plot')", "panel('readouts')",
                  "panel('reliability')")),
    "percent_sign": Meaning("%", "By which measure: another definition, or a share to keep.",
                            ("definition", "suffice")),
    "semicolon": Meaning(";", "Another input, another colour, or what is patched.",
                         ("kind", "way", "way(1)")),
    "4": Meaning("4", "The fourth panel.", ("panel('roles')", "panel('second')", "panel('worth')")),
    "5": Meaning("5", "The fifth panel.", ("panel('number')", "panel('pairs')")),
    "question_mark": Meaning("?", "Help, and away again.", ("help", "leave")),
    "f1": Meaning("F1", "Help, and away again.", ("help", "leave")),
}  # fmt: skip
"""By Textual's name of the key. What only moves stands in `MOVES`."""

_MOVES = "up down left right h j k l home end G pageup pagedown ctrl+b ctrl+f tab"

MOVES = frozenset(_MOVES.split())
"""Keys that move the cursor or the view, whatever has the focus."""
