"""The user's keymap: keys wanted by ids of actions, and which of them can be had.

A key that would do two things at one place is not given: the one that the user moved there keeps
its own keys, and that is told.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

from screens.assessment.keys import ACTIONS as ASSESSMENT
from screens.base.actions import Action
from screens.base.key_names import read_key, written
from screens.bench.keys import ACTIONS as BENCH
from screens.bench.keys import EDGES, TREE
from screens.bench.pair_keys import CONTINUATION_ACTIONS as GOING_ON
from screens.bench.pair_keys import PAIR_ACTIONS as PAIRS
from screens.bench.rule_keys import PRUNING_ACTIONS
from screens.clusters.keys import ACTIONS as CLUSTERS
from screens.discovery.keys import PROPOSAL_ACTIONS, RESULT_ACTIONS
from screens.effects.keys import ACTIONS as EFFECTS
from screens.effects.keys import MAP_ACTIONS
from screens.flow.keys import ACTIONS as FLOW
from screens.graph.keys import ACTIONS as GRAPH
from screens.graph.keys import MOVES as DRAWING
from screens.heads.keys import ACTIONS as HEADS
from screens.heads.keys import COLUMN_ACTIONS
from screens.history.keys import ACTIONS as HISTORY
from screens.interventions.keys import ACTIONS as INTERVENTIONS
from screens.jobs.keys import ACTIONS as JOBS
from screens.neurons.keys import ACTIONS as NEURONS
from screens.prompt_bench.keys import ACTIONS as PROMPT_BENCH
from screens.readouts.keys import MOVES as READOUTS
from screens.setup.keys import SESSION_ACTIONS
from screens.setup.keys import SETUP_ACTIONS as SETUP
from screens.side_by_side.keys import ACTIONS as BESIDE
from screens.sweep.keys import ACTIONS as SWEEP
from screens.tutorial.keys import TUTORIAL_ACTIONS
from screens.widgets.dialog_keys import (
    CHOOSING,
    COPY_DIALOG,
    LEAVING_TUTORIAL,
    LIKELIEST,
    LOADING,
    MODEL,
    PROMPTS,
    REFERENCE,
)
from screens.widgets.keys import CHOICE, CONFIRM, COPYING, LIST, SEARCH, TEXT
from workbench.config.config import WantedKeys
from workbench.config.problem import Problem, nearest

PLACES: dict[str, tuple[tuple[Action, ...], ...]] = {
    "the circuit": (TREE, LIST, SEARCH, BENCH, TUTORIAL_ACTIONS),
    "the edges": (EDGES, LIST, SEARCH, BENCH, TUTORIAL_ACTIONS),
    "the pairs": (PAIRS, LIST, SEARCH, BENCH, TUTORIAL_ACTIONS),
    "the readouts": (READOUTS, SEARCH, BENCH, TUTORIAL_ACTIONS),
    "a proposal": (PROPOSAL_ACTIONS,),  # while it is stepped through, its keys go before all
    "a cut": (PRUNING_ACTIONS,),  # and so do those of a cut
    "the graph": (DRAWING, GRAPH, TUTORIAL_ACTIONS),
    "the graph's links": (LIST, SEARCH, GRAPH, TUTORIAL_ACTIONS),
    "the assessment": (LIST, SEARCH, ASSESSMENT),
    "circuits side by side": (LIST, SEARCH, BESIDE),
    "the history": (LIST, SEARCH, HISTORY),
    "effects of nodes": (MAP_ACTIONS, LIST, SEARCH, EFFECTS),
    "the heads": (COLUMN_ACTIONS, LIST, SEARCH, HEADS),
    "neurons": (LIST, SEARCH, NEURONS),
    "between tokens": (LIST, SEARCH, FLOW),
    "the settings between tokens": (CHOICE, FLOW),
    "the prompt bench": (LIST, SEARCH, PROMPT_BENCH),
    "clusters": (LIST, SEARCH, CLUSTERS),
    "the settings of clusters": (CHOICE, CLUSTERS),
    "interventions": (LIST, SEARCH, INTERVENTIONS),
    "the settings of interventions": (CHOICE, INTERVENTIONS),
    "the setup": (LIST, SEARCH, SETUP),
    "the list of sessions": (SESSION_ACTIONS, LIST, SEARCH, SETUP),
    "the settings of the setup": (CHOICE, SETUP),
    "what is gone on with": (GOING_ON, SEARCH),
    "the results of discoveries": (LIST, SEARCH, RESULT_ACTIONS),
    "a sweep": (LIST, SEARCH, SWEEP),
    "the jobs": (LIST, SEARCH, JOBS),
    "a question": (CONFIRM,),
    "a text": (TEXT, SEARCH),
    "what to copy": (COPY_DIALOG, LIST, SEARCH),
    "the prompts": (PROMPTS, COPYING, SEARCH),
    "the differences": (REFERENCE, CHOOSING, LIST, SEARCH),
    "the model": (MODEL, TEXT, SEARCH),
    "what is loading": (LOADING,),
    "leaving the tutorial": (LEAVING_TUTORIAL,),
    "the likeliest tokens": (LIKELIEST, LIST, SEARCH),
}
"""Where keys are heard -> whose they are there, nearest to the focus first."""

KEPT = {
    "escape": "goes back everywhere",
    "tab": "goes to what stands next",
    "shift+tab": "goes to what stands before",
    "ctrl+c": "copies",
    "ctrl+q": "leaves everywhere",
    "ctrl+p": "opens the palette everywhere",
    "ctrl+l": "redraws the screen everywhere",
    "ctrl+y": "opens the prompt bench everywhere",
    "f5": "shows the jobs everywhere",
    "ctrl+g": "puts letters on the panels everywhere",
}
"""Keys that keep their meaning, and what it is."""


@dataclass(frozen=True)
class Keymap:
    """What the user's keys come to.

    Attributes:
        keys: the keys of each action that has others than its own, by its id, by Textual's names.
        problems: what cannot be followed.
    """

    keys: Mapping[str, tuple[str, ...]]
    problems: tuple[Problem, ...]


@functools.cache
def actions_by_id() -> dict[str, Action]:
    """Every action whose keys can be chosen, in the order of the places."""
    tables = dict.fromkeys(table for place in PLACES.values() for table in place)
    return {action.id: action for table in tables for action in table}


def keymap(wanted: Mapping[str, WantedKeys]) -> Keymap:
    """Read what the user wants, and leave out what cannot be."""
    chosen: dict[str, tuple[str, ...]] = {}
    problems: list[Problem] = []
    for name, one in wanted.items():
        if name not in actions_by_id():
            near = nearest(name, actions_by_id())
            problems.append(one.problem(f"there is no action {name!r}.{near}"))
            continue
        keys = _read(one, problems)
        if keys:
            chosen[name] = keys
    while clash := _clash(chosen):
        # What stands further down in the file gives way to what stands above it.
        moved = [name for name in chosen if name in clash.actions][-1]
        [other] = [name for name in clash.actions if name != moved]
        del chosen[moved]
        problems.append(
            wanted[moved].problem(
                f"{moved} and {other} would both have the key {written(clash.key)!r} in "
                f"{clash.place}, so {moved} keeps its own."
            )
        )
    return Keymap(chosen, tuple(problems))


def _read(one: WantedKeys, problems: list[Problem]) -> tuple[str, ...]:
    """Textual's names of the keys that there are."""
    found: dict[str, None] = {}
    for text in one.keys:
        try:
            key = read_key(text)
        except ValueError as error:
            problems.append(one.problem(f"{one.action}: {text!r} {error}"))
            continue
        if key in KEPT:
            problems.append(one.problem(f"{one.action}: {text!r} {KEPT[key]} and cannot be had."))
        else:
            found[key] = None
    return tuple(found)


@dataclass(frozen=True)
class _Clash:
    """One key of two actions at a place."""

    key: str
    place: str
    actions: tuple[str, str]


def _clash(chosen: Mapping[str, tuple[str, ...]]) -> _Clash | None:
    """The first key that does two things at a place where it did not before, if any.

    Some do by themselves: a panel's own key goes before the screen's.
    """
    for place, tables in PLACES.items():
        at: dict[str, list[Action]] = {}
        for action in (action for table in tables for action in table):
            for key in chosen.get(action.id, tuple(action.own_keys.split(","))):
                at.setdefault(key, []).append(action)
        for key, actions in at.items():
            for one, other in combinations(actions, 2):
                moved = one.id in chosen or other.id in chosen
                own = key in one.own_keys.split(",") and key in other.own_keys.split(",")
                # go_in of the edges' list is the bench's own: that is no clash.
                if moved and not own and one.name != other.name:
                    return _Clash(key, place, (one.id, other.id))
    return None
