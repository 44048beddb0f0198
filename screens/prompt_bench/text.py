"""What the prompt bench says of a pair: its tokens, what is wrong, what was computed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest

from rich.text import Text

from screens.base.numbers import percent, plain, signed
from screens.base.prose import prose
from screens.base.tokens import fit, one_line, show_token
from screens.widgets.prompts import draw_columns
from workbench.engine.trial_results import AnswerStanding, PairTrial, Standing, TokenChance
from workbench.prompts.pair_exam import PairExam
from workbench.prompts.template import slots

NAME, RUN = 12, 24
"""Cells of an answer at least, and of a run in the table of tokens at most."""
OLD = "of the pair or the circuit as it was: ⏎ evaluates it anew"

EMPTY = (
    "Type both prompts, an answer and a wrong one; what does not fit is said here as you type, and "
    "⏎ tries the pair. With [NAME] in them they are a template, whose lists are asked for."
)
"""What stands below a pair of which nothing is typed."""


def draw_exam(exam: PairExam, width: int) -> Text:
    """The tokens of both prompts, aligned, and what is wrong or odd."""
    lines: list[Text] = []
    if not (exam.pair.clean.strip() or exam.pair.corrupted.strip()):  # nothing is wrong yet
        return Text("\n").join(prose(EMPTY, width))
    names = slots(exam.pair)
    if names:
        listed = " ".join(f"[{name}]" for name in names)
        lines += prose(f"A template with the slots {listed}: ⏎ asks for their lists.", width)
    if exam.columns:
        both = [(column.clean, column.corrupted) for column in exam.columns]
        lines.append(draw_columns(both, width))
    if names:
        return Text("\n").join(lines)
    if exam.length:
        said = f"{exam.lengths[0]} and {exam.lengths[1]} tokens: {exam.length}."
        lines += _marked("✗", one_line(said), width)
    for finding in exam.findings:
        if finding.kind == "unequal":
            continue
        lines += _marked("✗" if finding.fatal else "!", one_line(finding.sentence), width)
    for number, mend in enumerate(exam.mends):
        lines += _marked("F2" if number == 0 else "or", one_line(mend.said), width)
    if exam.usable and not exam.findings:
        lines += _marked("✓", f"{exam.lengths[0]} tokens each.", width)
    return Text("\n").join(lines)


def _marked(mark: str, said: str, width: int) -> list[Text]:
    first, *rest = prose(said, max(20, width - 3)) or [Text()]
    lines = [Text.assemble((f"{mark:<3}", "bold"), first)]
    return lines + [Text.assemble("   ", line) for line in rest]


def draw_trial(trial: PairTrial, width: int, *, old: bool) -> Text:
    """The numbers of a pair, its answers, and the likeliest tokens of each run side by side."""
    lines: list[Text] = []
    if old:
        lines.append(Text(OLD, "italic dim"))
    numbers = [f"model {signed(trial.clean)}", f"corrupted {signed(trial.corrupted)}"]
    if trial.circuit is not None:
        share = "undefined" if trial.faithfulness is None else plain(trial.faithfulness, 3)
        numbers += [f"circuit {signed(trial.circuit)}", f"faithfulness {share}"]
    lines += [Text.assemble((f"{trial.metric} ", "dim"), " · ".join(numbers))]
    runs = ["model", "corrupted", *(["circuit"] if trial.circuit is not None else [])]
    run = min(RUN, (width - NAME - 2) // len(runs))
    name = min(20, width - 2 - run * len(runs))
    look = "dim" if old else ""
    lines.append(Text(" " * (name + 2) + "".join(f"{one:>{run}}" for one in runs), "dim"))
    lines += [_answer(answer, name, run, look) for answer in trial.answers]
    lines.append(Text("likeliest next tokens", "dim"))
    tops: list[Sequence[TokenChance]] = [trial.top_clean, trial.top_corrupted]
    tops += [trial.top_circuit] if trial.top_circuit else []
    for number, row in enumerate(zip_longest(*tops), start=1):
        cells = "".join(_chance(one, run) for one in row)
        lines.append(Text(f"{number:>{name + 2}}{cells}", look))
    return Text("\n").join(lines)


def _answer(answer: AnswerStanding, name: int, run: int, look: str) -> Text:
    text = Text("✓ " if answer.right else "✗ ", "bold")
    text.append(fit(show_token(answer.text, name), name), look)
    for standing in _standings(answer):
        cell = f"rank {standing.rank:,} {_percent(standing.probability):>7}"
        text.append(f"{cell:>{run}}", look)
    return text


def _standings(answer: AnswerStanding) -> Iterator[Standing]:
    yield answer.clean
    yield answer.corrupted
    if answer.circuit is not None:
        yield answer.circuit


def _chance(one: TokenChance | None, run: int) -> str:
    if one is None:
        return " " * run
    return f"  {fit(show_token(one.text, run - 10), run - 10)} {_percent(one.probability):>7}"


def _percent(share: float) -> str:
    """A probability with what is left of it when it is small."""
    return percent(share) if share >= 0.1 or share == 0 else f"{100 * share:.2g}%"
