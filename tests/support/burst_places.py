"""Every screen and dialog, how keys lead to it from the bench, and what may be typed there."""

from __future__ import annotations

from dataclasses import dataclass

REFERENCE = "reference.json"
"""A circuit file in the folder in which the app runs."""
SWEEP = "sweep.toml"
"""A sweep there, of which nothing was computed."""


@dataclass(frozen=True)
class Place:
    """A screen or dialog, or a part of one.

    Attributes:
        screen: the class that is on top.
        way: keys that lead there from the circuit's tree, at the start of a session.
        typed: what is typed there, beside the keys that the place binds.
        without: keys, by Textual's names, that are not tried.
    """

    screen: str
    way: str
    typed: str = ""
    without: tuple[str, ...] = ()


SLOW = ("enter",)
"""Where it begins what takes as long as several keys, and is shown as far as it is."""

BENCH = {
    "tree": Place("BenchScreen", "e"),
    "open": Place("BenchScreen", ""),
    "edges": Place("BenchScreen", "e2j"),
    "filter": Place("BenchScreen", "e2f", "a01mh< "),
    "readouts": Place("BenchScreen", "e3"),
    "pairs": Place("BenchScreen", "e5"),
    "layout": Place("BenchScreen", "eV", "VF123()jk"),
    "cut": Place("BenchScreen", "e}"),
    "proposal": Place("BenchScreen", "eP"),
    "by role": Place("BenchScreen", "e2|"),
}
ABOUT_EDGES = {
    "ask about tokens": Place("AskTokens", "e3Q", " Maryto#1"),
    "metric": Place("MetricDialog", "#"),
    "threshold": Place("Ask", "t", "01."),
    "rule": Place("ExpandDialog", "E", "01.", ("enter",)),
    "note": Place("Ask", "eW", "a1 W"),
    "start over": Place("Confirm", "eX"),
    "going on": Place("ContinuationDialog", "e3I"),
    "model": Place("ModelPanel", "M"),
    "prompts": Place("PromptsDialog", "p"),
    "a reference": Place("AskPath", "C", "ab/."),
    "differences": Place("Differences", f"eC{REFERENCE}⏎C"),
    "discoveries": Place("Results", "D"),
    "discover": Place("DiscoverDialog", "DD", "10.", ("enter",)),
    "other selection": Place("SelectAgain", "Dt", "10."),
    "export": Place("Export", "o", "a1."),
}
EVERYWHERE = {
    "jump": Place("Jump", "J", "a1mh."),
    "search": Place("Search", "e2/", "a01mh."),
    "palette": Place("Palette", "e^", "am01 lens"),
    "themes": Place("ThemeChooser", "^theme⏎", "ano", ("enter",)),
    "letters": Place("Overlay", "e@", "asdfgzx"),
    "copy": Place("CopyDialog", "e2Y"),
    "help": Place("HelpScreen", "?", "a01"),
    "help's search": Place("Search", "?/", "keps"),
}
GRAPHS = {
    "graph": Place("GraphScreen", "eg"),
    "links": Place("GraphScreen", "eg⇥"),
    "group": Place("GroupDialog", "egR", "ab1 "),
    "between": Place("BetweenDialog", "eg_", "logits,m0"),
    "picture": Place("PictureDialog", "ego", "a1."),
    "graph's jump": Place("Jump", "egJ", "m01a"),
}
SCREENS = {
    "assessment": Place("AssessmentScreen", "ev", "", (*SLOW, "A")),
    "heads": Place("HeadsScreen", "e8"),
    "effects": Place("EffectsScreen", "e⊛"),
    "roles": Place("EffectsScreen", "e⊛4"),
    "reader": Place("Jump", "e⊛t", "m01a"),
    "between tokens": Place("FlowScreen", 'e"', "19.", SLOW),
    "beside": Place("SideBySideScreen", "eB"),
    "a circuit beside": Place("AskPath", "eBL", "ab/."),
    "neurons": Place("NeuronsScreen", "e9"),
    "clusters": Place("ClustersScreen", "eK", "", SLOW),
    "interventions": Place("InterventionsScreen", "e!"),
    "an intervention": Place("InterventionsScreen", "e!t", "ma1*2 :-0"),
    "knock-outs": Place("InterventionsScreen", "e!V"),
    "history": Place("HistoryScreen", "ewuH"),
    "name": Place("Ask", "eHW", "ab .W"),
    "report": Place("AskPath", "eHo", "ab."),
    "prompt bench": Place("PromptBench", "e␙"),
    "a pair": Place("PromptBench", "e␙+", " Maryto#1"),
    "likeliest": Place("Likeliest", "e␙⏎⊽"),
    "jobs": Place("JobsScreen", "^show the jobs⏎"),
    "a sweep": Place("SweepScreen", f"^watch a sweep⏎{SWEEP}⏎"),
    "lists": Place("AskLists", "e␙+[NAME1] and⇥[NAME2] and⏎", "ab:;, 1"),
}
SETUP = {
    "setup": Place("SetupScreen", "␎", " tiny"),
    "sessions": Place("SetupScreen", "␎⇤", "-yWx"),
    "delete": Place("Confirm", "␎⇤j-"),
    "title": Place("Ask", "␎⇤W", "ab #"),
}
LOADING = {
    "loading": Place("Loading", ""),
    "loading, palette": Place("Palette", "^", "am01 "),
}
TRAINING = {
    "another checkpoint": Place("CheckpointDialog", ""),
}
TUTORIAL = {
    # A step that has begun counts what is shown from then on, and that may be computed late.
    "tutorial": Place("GuidedBench", "", "", ("y",)),
    "tutorial's graph": Place("GuidedGraph", "eg", "", ("y",)),
    "leave the tutorial": Place("TutorialDialog", "T"),
}
GROUPS = {
    "bench": BENCH,
    "about edges": ABOUT_EDGES,
    "everywhere": EVERYWHERE,
    "graphs": GRAPHS,
    "screens": SCREENS,
    "setup": SETUP,
    "loading": LOADING,
    "tutorial": TUTORIAL,
    "training": TRAINING,
}
"""Places that follow one another in one app."""

ABSTRACT = {"Decides", "Dialog", "OneOfSeveral", "Reading"}
"""Screens that others are made of."""

PICKED = (
    "2fx1", "2fx1⏎ ", "Jm1⏎", "gh h h ", "ewewew", "ejj ", "jj2 ", "jjm", "uUuU", "W1hello⏎",
    "t0.3⏎a", "eg Rname⏎role⏎", "2/m1⏎nn ", "e/a⏎nN-", "?/kl⏎nn", "2/zz⎋ ",
    "eweuHjWab⏎f", "eweuHj⏎jU", "eweuHj j ⏎", "eweuH/m⏎n⏎⎋e",
    "?⇟", "ej,,,k⌫", "ejj⇥/a", "ej3/h",
    "Yjj⏎2", "2Yljj⏎j", "Yoa.txt⏎2", "egog.svg⏎⎋", "!t⌫⌫3⏎2⏎", "!t⏎-u⎋jj",
)  # fmt: skip
"""Each of a kind that went wrong once, or would without a queue."""
PICKED_SETUP = (
    "␎⎋e␎⎋j", "␎⇤W#a b⏎j-y", "␎⇤j-yk⏎e", "␎⇤-n-yj-yj", "␎⇤/two⏎-y", "␎xyz⏎⎋e",
)  # fmt: skip
"""The same from the screen that opens sessions."""
