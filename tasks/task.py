"""Task: pairs of prompts with a metric, and where they come from."""

from dataclasses import dataclass

from tasks.pair import Pair

BUILT_IN = "built in"
"""The source of a task that is generated."""


class TaskError(ValueError):
    """A task cannot be made as asked; the message is one sentence: what is wrong, what to do."""


@dataclass(frozen=True)
class Task:
    """What a model is asked to do, as text; `workbench.prompts.batch` turns it into tokens.

    Attributes:
        name: a short name ("ioi"), or the name of the file it was read from.
        pairs: the examples, never empty.
        metric: name of the metric that is meant for it ("logit_diff", "prob_diff", ...).
        description: one sentence for the person who chooses.
        answer_space: labels in their natural order for a readout over all answers (the hundred
            years, the verbs, the names); each is the text of a token.  Empty if there is none.
        notes: what the reader of a result has to know, for example how years were tokenised.
        source: "built in", or the path of a file.
        seed: of the generator; None for a file.
        left_out: the reason for each pair of a file that was left out when it was read.
        warnings: sentences on what may be amiss with all of it.
    """

    name: str
    pairs: tuple[Pair, ...]
    metric: str
    description: str
    answer_space: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    source: str = BUILT_IN
    seed: int | None = None
    left_out: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
