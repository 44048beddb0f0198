"""Readouts as aligned text: one function a view, from plain values to lines of a width.

Nothing here knows a widget or computes a number. Every drawing begins with what was read (from the
values' own `place`, so that it is true even while newer values are on their way) and ends with the
definition of its numbers. Signs are told by the number's sign and the bar's direction, never by
colour alone. Parts that can be clicked carry meta data: ``{"readout": (action, argument)}``.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Collection, Iterable, Sequence

from rich.cells import cell_len
from textual.content import Content
from textual.style import Style

from screens.base.numbers import MINUS, bar, digits_for, signed, whole_percent
from screens.base.tokens import fit, show_token
from workbench.readouts.results import (
    POSITION_EMBEDDING,
    UNEMBEDDING_BIAS,
    AnswerCurve,
    DirectAttribution,
    Lens,
    Place,
    Position,
    ResidualLens,
    TokenValue,
    ordinal,
    position_words,
)
from workbench.readouts.runs import RUN_WORDS

ANSWER = "✓"
WRONG_ANSWER = "✗"
POINTER = "▸"
QUIET = "dim"
HEADING = "bold"
SHORT = {POSITION_EMBEDDING: "positions", UNEMBEDDING_BIAS: "unembed bias"}
"""Names that would leave no room for the bars in a narrow panel."""
MOST_TOKEN = 14
"""Cells of the longest token where several stand on a line."""
WIDE = 72
"""Cells from which two tables stand side by side."""
MOST_BAR = 32
"""Cells of the longest bar; longer ones are harder to compare, not easier."""

Line = Content
Marker = Callable[[str], str]


def lines(parts: Iterable[Content]) -> Content:
    """The parts, one below the other."""
    return Content("\n").join(list(parts))


def quiet(text: str, width: int) -> list[Content]:
    """A sentence in the background, wrapped between words."""
    return [Content.styled(line, QUIET) for line in textwrap.wrap(text, max(width, 10))] or [
        Content()
    ]


def headed(text: str, width: int) -> list[Content]:
    """What stands above a readout, wrapped between words: nothing of it is cut."""
    rows = textwrap.wrap(text, max(width, 10))
    return [Content.styled(fit(row, width).rstrip(), HEADING) for row in rows]


def link(action: str, argument: object, style: str = "") -> Style:
    """A style that makes text clickable."""
    meta = Style.from_meta({"readout": (action, argument)})
    return Style.parse(style) + meta if style else meta


def where(place: Place, with_position: bool = True) -> str:
    """Which activation was read: 'at the last token ·to, prompt 3', counted from 1."""
    prompt = f"mean of {place.n_pairs}" if place.pair is None else f"prompt {place.pair + 1}"
    prompt += "" if place.run == "clean" else f", {RUN_WORDS[place.run]}"
    if not with_position:
        return prompt
    return f"{position_words(place.position)}{token_of(place)}, {prompt}"


def digits_of(largest: float) -> int:
    """Digits behind the point of a column of logits: two, or more where all are small."""
    return 2 if largest >= 1 else max(2, digits_for(largest) - 1)


def token_of(place: Place) -> str:
    """The token of a place as the screen shows it, after a space; nothing where there is none."""
    return "" if place.token is None else " " + show_token(place.token, 12)


def index(position: Position) -> str:
    """A position as a number, with a minus sign as wide as a digit; or the name of a role."""
    if isinstance(position, str):
        return position
    return str(position).replace("-", MINUS)


def ray(value: float, largest: float, width: int) -> str:
    """A bar from the left edge, in half cells; something is seen of every value that is not 0."""
    if largest <= 0 or width <= 0:
        return ""
    halves = min(2 * width, max(1 if value else 0, round(abs(value) / largest * 2 * width)))
    return "█" * (halves // 2) + "▌" * (halves % 2)


def draw_lens(lens: Lens, width: int, mark: Marker) -> Content:
    """Tokens promoted and suppressed; `mark` says of a token whether it is an answer."""
    values = [*lens.promoted, *lens.suppressed]
    largest = max((abs(value.value) for value in values), default=0.0)
    digits = digits_of(largest)
    two = width >= WIDE
    column = (width - 2) // 2 if two else width
    promoted = _tokens("raises most", lens.promoted, column, largest, digits, mark)
    suppressed = _tokens("lowers most", lens.suppressed, column, largest, digits, mark)
    through = "" if lens.lens == "Logit lens" else f"{lens.lens}: "
    parts = headed(f"{through}{lens.place.node} {where(lens.place)}", width)
    if two:
        parts += _beside(promoted, suppressed, column)
    else:
        parts += [*promoted, Content(), *suppressed]
    parts += [Content(), *_answers(lens, digits, width), Content()]
    return lines([*parts, *quiet(lens.definition, width)])


def _tokens(
    title: str,
    values: Sequence[TokenValue],
    width: int,
    largest: float,
    digits: int,
    mark: Marker,
) -> list[Content]:
    number = max([len("logit"), *(len(signed(value.value, digits)) for value in values)])
    name = min(18, max(8, width - number - 13))
    head = f"{fit(title, name + 2)} {'logit':>{number}}"
    rows = [Content.styled(fit(head, width), QUIET)]
    for value in values:
        room = min(MOST_BAR, width - name - number - 4)
        rows.append(
            Content.assemble(
                (mark(value.token) + " ", "bold"),
                fit(show_token(value.token, name), name),
                f" {signed(value.value, digits):>{number}} ",
                (ray(value.value, largest, room), _tint(value.value)),
            )
        )
    return rows


def _answers(lens: Lens, digits: int, width: int) -> list[Content]:
    """The means over answers and wrong answers; the rows say what the marks mean, too."""
    target, answers, wrong_answers = lens.place.target, lens.answers, lens.wrong_answers
    right, wrong = "answers, mean", "wrong answers, mean"
    if target is not None:
        right, wrong = target.sides
    rows = (
        (f"{ANSWER} {right}", answers),
        (f"{WRONG_ANSWER} {wrong}", wrong_answers),
        ("  difference", answers - wrong_answers),
    )
    name = min(max(22, *(cell_len(words) for words, _ in rows)), width - 9)
    return [Content(f"{fit(words, name)} {signed(value, digits):>8}") for words, value in rows]


def _beside(left: Sequence[Content], right: Sequence[Content], column: int) -> list[Content]:
    rows = []
    for i in range(max(len(left), len(right))):
        first = left[i] if i < len(left) else Content()
        second = right[i] if i < len(right) else Content()
        rows.append(first.extend_right(max(0, column - first.cell_length) + 2) + second)
    return rows


def draw_attribution(attribution: DirectAttribution, node: str | None, width: int) -> Content:
    """The node's own share, then all nodes by size."""
    place = attribution.place
    ranked = attribution.ranked()
    digits = digits_of(max((abs(row.value) for row in ranked), default=0.0))
    of = "Logit difference" if place.target is None else place.target.words
    at = where(place, place.position != -1)
    parts = headed(f"{of}, {at}", width)
    parts.append(Content(f"whole run {signed(attribution.total, digits)}, sum of all rows"))
    own = next((row for row in ranked if row.node == node), None)
    if own is None:
        chosen = f"{node} writes nothing into it itself" if node else "no component is chosen"
        parts.append(Content(chosen))
    else:
        rank = attribution.rank(own.node)
        share = whole_percent(own.value / attribution.total) if attribution.total else ""
        text = f"{own.node} writes {signed(own.value, digits)}"
        text += f" ({share})" if share else ""
        parts.append(Content.assemble((text, "bold"), f", {ordinal(rank)} of {len(ranked)}"))
    parts.append(Content())
    number = max([len("direct"), *(len(signed(row.value, digits)) for row in ranked)])
    names = [row.node if width >= 60 else SHORT.get(row.node, row.node) for row in ranked]
    name = max(len("component"), *map(len, names))
    rank_width = len(str(len(ranked)))
    half = min(MOST_BAR // 2, (width - rank_width - name - number - 6) // 2)
    head = f"{'':{rank_width + 2}}{fit('component', name)} {'direct':>{number}}"
    parts.append(Content.styled(fit(head, width), QUIET))
    largest = max((abs(row.value) for row in ranked), default=0.0)
    for place_in_list, (row, shown) in enumerate(zip(ranked, names, strict=True), 1):
        here = row is own
        style = link("node", row.node, "bold reverse" if here else "")
        parts.append(
            Content.assemble(
                f"{place_in_list:>{rank_width}}{POINTER if here else ' '} ",
                (fit(shown, name), style),
                f" {signed(row.value, digits):>{number}} ",
                (bar(row.value, largest, half) if half > 0 else "", _tint(row.value)),
            )
        )
    return lines([*parts, Content(), *quiet(attribution.definition, width)])


def draw_curve_rows(curve: AnswerCurve, width: int) -> Content:
    """The answer space as bars: numbers in their order, words by falling value."""
    largest = max((abs(value) for value in curve.values), default=0.0)
    digits = digits_of(largest)
    number = max([len("logit"), *(len(signed(value, digits)) for value in curve.values)])
    longest = max(len("label"), *(cell_len(show_token(label)) for label in curve.labels))
    name = min(18, longest, max(8, width - number - 13))
    says = bool(curve.probabilities) and width >= name + number + 20
    head = f"  {fit('label', name)} {'logit':>{number}}{'  run' if says else ''}"
    parts = [*curve_heading(curve, width), Content.styled(fit(head, width), QUIET)]
    order = list(range(len(curve.labels)))
    words = "In the task's order. "
    if not is_scale(curve):
        order.sort(key=lambda i: -curve.values[i])
        words = "Sorted by logit, highest first. "
    room = width - name - number - (9 if says else 4)
    half = min(MOST_BAR // 2, (room - 1) // 2)
    # An axis in the middle is wasted where all values lie on one side of it.
    one_sided = min(curve.values, default=0.0) >= 0
    for i in order:
        value = curve.values[i]
        drawn = bar(value, largest, half)
        if one_sided:
            drawn = ray(value, largest, min(MOST_BAR, room))
        parts.append(
            Content.assemble(
                (_share_mark(curve.answers[i], curve.wrong_answers[i]) + " ", "bold"),
                fit(show_token(curve.labels[i], name), name),
                f" {signed(value, digits):>{number}} ",
                (f"{percent(curve.probabilities[i]):>4} " if says else "", QUIET),
                (drawn, _tint(value)),
            )
        )
    return lines([*parts, Content(), *quiet(words + curve.definition, width)])


def is_scale(curve: AnswerCurve) -> bool:
    """The labels are numbers, so that their order means something."""
    return all(label.strip().isdecimal() for label in curve.labels)


def curve_heading(curve: AnswerCurve, width: int) -> list[Content]:
    """What was read; the means over answers and wrong answers, if all prompts have the same."""
    parts = headed(f"{curve.place.node} {where(curve.place)}", width)
    shares = (*curve.answers, *curve.wrong_answers)
    if any(0 < share < 1 for share in shares):
        # A mean over labels would mix what is right in one prompt and wrong in another.
        words = f"{ANSWER} {WRONG_ANSWER} right or wrong in most prompts"
        return [*parts, Content(words)]
    digits = digits_of(max((abs(value) for value in curve.values), default=0.0))
    means = []
    for words, members in (
        (f"{ANSWER} answers", curve.answers),
        (f"{WRONG_ANSWER} wrong", curve.wrong_answers),
    ):
        if total := sum(members):
            mean = sum(v * s for v, s in zip(curve.values, members, strict=True)) / total
            means.append(f"{words} {signed(mean, digits)}")
    return [*parts, Content("  ".join(means))]


def _share_mark(answer: float, wrong: float) -> str:
    """Which of the two a label is, in more of the prompts; blank if it is neither."""
    if answer == wrong:
        return " "
    return ANSWER if answer > wrong else WRONG_ANSWER


def draw_residual(residual: ResidualLens, width: int) -> Content:
    """One row a depth: the logit difference so far, and what the model would say there."""
    rows = residual.rows
    largest = max((abs(row.logit_difference) for row in rows), default=0.0)
    digits = digits_of(largest)
    roomy = width >= 60
    depth = max(len("embeddings"), *(len(row.name) for row in rows)) if roomy else len("embed")
    number = max(len("diff"), *(len(signed(row.logit_difference, digits)) for row in rows))
    half = 8 if roomy else 3
    room = width - depth - number - 2 * half - 5
    head = fit("after" if roomy else "layer", depth) + f" {'diff':>{number}}"
    head = fit(head, width - room - 1) + "most likely"
    of = "Residual stream" if residual.lens == "Residual lens" else residual.lens
    heading = headed(f"{of} {where(residual.place)}", width)
    parts = [*heading, Content.styled(fit(head, width), QUIET)]
    shown = [[show_token(value.token, MOST_TOKEN) for value in row.top] for row in rows]
    widths = [max(map(cell_len, column)) for column in zip(*shown, strict=True)]
    for row in rows:
        name = row.name if roomy else _short_depth(row.layer)
        value = row.logit_difference
        parts.append(
            Content.assemble(
                f"{fit(name, depth)} {signed(value, digits):>{number}} ",
                (bar(value, largest, half), _tint(value)),
                " ",
                *_says(row.top, widths, room),
            )
        )
    target = residual.place.target
    sentence = "diff: mean logit of the answers less that of the wrong answers."
    if target is not None:
        sentence = f"diff: {target.words}, in logits."
    return lines([*parts, Content(), *quiet(sentence, width), *quiet(residual.definition, width)])


def _short_depth(layer: int) -> str:
    return "embed" if layer < 0 else str(layer).rjust(5)


def _says(
    top: Sequence[TokenValue], widths: Sequence[int], room: int
) -> list[str | tuple[str, str]]:
    """As many of the top tokens as fit, each in its column and with its probability."""
    parts: list[str | tuple[str, str]] = []
    for value, width in zip(top, widths, strict=False):
        if width + 5 > room and parts:
            break
        token = fit(show_token(value.token, MOST_TOKEN), max(3, min(width, room - 5)))
        parts += [token, (f" {percent(value.value):>4} ", QUIET)]
        room -= width + 6
    return parts


def percent(probability: float) -> str:
    """A probability in at most four cells."""
    if probability < 0.0095:
        return "<1%"
    return f"{100 * probability:.0f}%"


def _tint(value: float) -> str:
    """A colour that repeats what the sign says already."""
    return "$text-warning" if value < 0 else "$text-primary"


def marker(answers: Collection[str], wrong_answers: Collection[str]) -> Marker:
    """Marks the tokens that are answers or wrong answers."""

    def mark(token: str) -> str:
        if token in answers:
            return ANSWER
        return WRONG_ANSWER if token in wrong_answers else " "

    return mark
