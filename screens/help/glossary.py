"""What each number and mark on the screen means. One entry a term, each a sentence or two."""

from __future__ import annotations

from screens.base.marks import EDGE_LEGEND, SETTINGS, TREE_LEGEND
from screens.base.reference_marks import LEGEND as REFERENCE_MARKS
from workbench.experiment.ablations import ABLATIONS
from workbench.readouts.heads.columns import KINDS

NUMBERS = (
    ("metric", "A number for how well the task is done, the mean over the prompts. {definition}"),
    (
        "model, corrupted, circuit",
        "The metric of the whole model on the clean prompts, of the whole model on the corrupted "
        "prompts, and of the circuit: kept edges carry clean values, all others corrupted ones.",
    ),
    (
        "faithfulness",
        "(circuit − corrupted) / (model − corrupted) of the mean metrics: 1 is as good as the "
        "model, 0 as bad as the corrupted run; it can lie outside of that. Undefined where "
        "model and corrupted run hardly differ.",
    ),
    ("change", "What the last edit did to the faithfulness."),
    (
        "open, closed",
        "An input that is not yet expanded is open: it reads the clean residual, as if everything "
        "above it were kept. While any is open, the faithfulness says what the steps so far left "
        "out. When none is, the circuit is closed and the number is its own.",
    ),
    (
        "accuracy",
        "Share of the prompts on which the best answer has a higher logit than the best wrong "
        "answer, in the circuit.",
    ),
    (
        "KL",
        "Kullback-Leibler divergence from the model's next-token distribution to the circuit's, in "
        "nats, summed over the vocabulary, at the last position, the mean over the prompts.",
    ),
    (
        "effect of an edge",
        "What happens to the metric when the edge carries what its source writes on the corrupted "
        "prompt. An edge that helps has a negative effect.",
    ),
    (
        "ablation",
        "What a dropped edge carries. With all but patching, corrupted "
        "means everything ablated so.",
    ),
    *((f"  {name}", f"{ablation.words}.") for name, ablation in ABLATIONS.items()),
    (
        "EAP",
        "Edge attribution patching: the estimate (corrupted − clean) · gradient of every edge at "
        "once, from two forward passes and one backward pass. An estimate, drawn hatched; it is "
        "wrong where the metric is not linear.",
    ),
    ("exact", "The effect by really patching the edge, in one of three settings:"),
    *((f"  {name}", f"{words}.") for name, words in SETTINGS.values()),
    (
        "direct",
        "Of an edge into the logits: the direct effect of ablating its source on the logit "
        "difference, by what it no longer writes, with the final norm's scale held. No run is "
        "needed for it.",
    ),
    (
        "repaired, total",
        "The total effect of ablating a node lets everything later react. Where that hides more "
        "than half of the direct effect, the node is called repaired, and those that made up for "
        "most of it are named (@ shows all; & drops them with it).",
    ),
    (
        "drop cost",
        "What the metric would change by if this kept edge alone were dropped from the circuit as "
        "it stands now.",
    ),
    (
        "threshold",
        "Least size of an edge's effect, in units of the metric, to be kept when its node is "
        "expanded; the exact effect counts where it is known, else the estimate.",
    ),
    (
        "reference",
        "A circuit that yours is compared with ({key:bench.compare}): how many of its edges you "
        "keep, how many are "
        "missing, and how many of yours are extra. An edge of the reference into an input that is "
        "still open is undecided: an open input reads the clean residual and has no edges yet.",
    ),
    (
        "found",
        "The score that the shown result of a discovery ({key:bench.discover}) gives each edge, "
        "under its method's "
        "name where there is room. Like an effect it is what corrupting the edge does to the "
        "metric, unless the method's definition says otherwise; a dot where it has none. Of a "
        "method that scores nodes it is the score of the source.",
    ),
    (
        "proposal",
        "The circuit of the shown result beside yours. What differs is marked ◇ until it is "
        "accepted or refused ({key:bench.step_proposal}), or taken whole.",
    ),
    (
        "asked, kept",
        "What a discovery was asked to select, and the edges that are left when dead ends, which "
        "join nothing to the logits or to the input, are taken out.",
    ),
    (
        "signed, |score|",
        "Signed selection prefers the edges that the task needs; by |score| those that work "
        "against it count as much.",
    ),
    (
        "recall, precision, Jaccard",
        "Edges in both circuits, as a share of the reference's, of your circuit's, and of those in "
        "either. What is undecided counts as not kept.",
    ),
    (
        "logit lens",
        "What a component writes, through the final norm with the scale of the run and the "
        "unembedding: how much it raises or lowers each token's logit, less the mean over the "
        "vocabulary.",
    ),
    (
        "direct logit attribution",
        "How much of the difference between answers and wrong answers a component writes itself. "
        "Later components may undo or amplify it, so it differs from the effect of its edges.",
    ),
)
PANELS = {
    "setup": """\
Choose a model and a task, by typing or from the lists, and **{key:setup.open}** opens the bench.
tab goes from field to field; on a choice between ‹ › the arrows change it, and the line below says
what it does.

- **Model**: a name of the list, a folder in transformers' format, a .gguf file, or a hub id
- **Task**: a name of the list, or a .jsonl, .json or .csv file of prompts
- **Pairs**: how many are drawn by the seed; left empty, 32 of a task of the list, all of a file
- **Prompts**: the pairs as the model reads them, and what speaks against opening them;
  **{key:setup.next_prompt}** shows the next
""",
    "circuit": """\
The circuit as a tree, back from the logits: below each node stand the sources of its kept edges,
the largest effect first. The number is the effect of the edge into the node above, marked ~ where
it is an estimate (EAP) still. Letters before a node say which input of a head the edge enters: q, k
or v.

Go to a node that is still open and expand it: its inputs are then made of the edges that pass the
threshold, and the faithfulness shows what was left out.
""",
    "candidates": """\
All edges that could feed the chosen node. The estimate (EAP) of every edge is there at once; exact
effects follow, the most promising first. A full bar is exact, a hatched one an estimate. To the
left of the axis, corrupting the edge lowers the metric: the edge helps.
""",
}
"""What panels are for whose widgets do not say so themselves."""
MARKS = {
    "in the circuit": TREE_LEGEND,
    "among the edges": EDGE_LEGEND,
    "beside a reference": REFERENCE_MARKS,
    "beside heads": {
        kind.mark: f"looks like a {kind.name}, once 8 has measured the heads"
        for kind in reversed(KINDS)
    },
    "in tokens": {
        "·": "a space",
        "⏎ ⇥": "a line feed, a tab",
        "␛": "and its like: control characters",
        "‹200b›": "the code of a character that cannot be seen",
        "∅": "no text at all",
        "…": "the rest was cut off",
    },
}


def numbers(metric: str, definition: str) -> list[tuple[str, str]]:
    """Terms and definitions for a session with this metric."""
    said = f"{metric}: {definition}." if metric else ""
    name = metric or "metric"
    words = {"{definition}": said, "{metric}": name}
    return [(term, _filled(text, words).strip()) for term, text in NUMBERS]


def _filled(text: str, words: dict[str, str]) -> str:
    """With these words in their places; keys that are named are left to who shows it."""
    for place, word in words.items():
        text = text.replace(place, word)
    return text
