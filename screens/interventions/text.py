"""What interventions do, and which components are sound, as lines of a given width.

Nothing here knows a widget or computes a number that the result does not have.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import Any

from rich.text import Text

from screens.base.actions import keyed
from screens.base.numbers import ABSENT, plain, signed
from screens.base.prose import heading, prose
from screens.base.tokens import fit, one_line, show_token
from workbench.base.text import counted
from workbench.circuits.names import head_name, mlp_name
from workbench.engine.intervention_results import (
    AlphaCurve,
    InterventionEffect,
    Measures,
)
from workbench.engine.trial_results import TokenChance
from workbench.reliability.results import (
    KINDS,
    Kind,
    OnAnotherTask,
    Reliability,
    ReliabilityMap,
    Steering,
)

TOKENS = 10
"""Next tokens that are listed."""
SIDE = 28
"""Cells of a column of tokens."""
MARKS: dict[Kind, str] = {"reliable": "●", "harmful": "✕", "unreliable": "·"}
SHARE = 5
"""Cells of a share."""
BESIDE, GAP = 116, 2
"""Cells from which on two halves stand side by side, and how far either keeps from the middle."""
NO_EFFECT = "Nothing is done to the model yet, so there is nothing to measure."
NO_CURVE = "Enter on an intervention draws what the model does over its factor."
NO_RELIABILITY = (
    "Enter finds how often each head's own contribution prefers the right answer, and which "
    "promote wrong ones; then scales the reliable ones up, chosen on one half of the prompts and "
    "told on the other. It takes a minute or more, in the background."
)
OLD = (
    "This was found on other pairs, or with something else done to the model: enter finds it anew."
)
SHOWN = 12
"""Components of a kind that are listed."""


def effect_lines(found: InterventionEffect, width: int) -> Iterable[Text]:
    """Numbers without and with the interventions, and a pair's next tokens."""
    yield heading("What it does")
    columns = [found.metric, "corrupted", "accuracy", "KL", "circuit", "faithfulness"]
    rooms = _rooms(columns, width - 9)
    yield Text(" " * 9 + _row(columns, rooms), "dim")
    for name, one in (("without", found.without), ("with", found.done)):
        cells = _row(_numbers(one), rooms)
        yield Text.assemble(f"{name:<9}", (cells, "bold" if name == "with" else ""))
    yield Text()
    yield heading(f"Next after pair {found.pair + 1}, without and with")
    for left, right in zip(found.top_without, found.top_done, strict=True):
        moved = "" if left.token == right.token else "bold"
        yield Text.assemble(f"{_chance(left):<{SIDE}}", (_chance(right), moved))
    for name, side in (("without", found.goes_on_without), ("with", found.goes_on_done)):
        words = one_line("".join(token.text for token in side))
        yield Text.assemble((f"{name:<9}", "dim"), fit(words, max(8, width - 9)).rstrip())
    yield Text()
    yield from prose(found.definition, width, "dim")


def _rooms(columns: Sequence[str], width: int) -> list[int]:
    """Cells of each column: alike where there is room, else as wide as its name needs."""
    alike = min(14, width // len(columns))
    widest = max(map(len, columns)) + 1
    return [alike if alike >= widest else max(9, len(name) + 1) for name in columns]


def _row(cells: Sequence[str], rooms: Sequence[int]) -> str:
    pairs = zip(cells, rooms, strict=True)
    return "".join(f"{fit(cell, room - 1).rstrip():>{room}}" for cell, room in pairs)


def _numbers(one: Measures) -> list[str]:
    circuit = ABSENT if one.circuit is None else signed(one.circuit, 3)
    return [
        *(signed(one.clean, 3), signed(one.corrupted, 3), plain(one.accuracy, 3)),
        *(plain(one.kl, 4), circuit, plain(one.faithfulness, 4)),
    ]


def _chance(one: TokenChance) -> str:
    return f"{one.probability:.4f} {fit(show_token(one.text), SIDE - 9).rstrip()}"


def curve_lines(found: AlphaCurve, width: int) -> Iterable[Text]:
    """A row for each factor."""
    yield heading(f"{one_line(found.intervention)}, over its factor")
    columns = ("factor", found.metric, "accuracy", "KL", "faithfulness")
    rooms = _rooms(columns, width)
    yield Text(_row(columns, rooms), "dim")
    for one in found.points:
        numbers = (plain(one.alpha, 2), signed(one.metric, 3), plain(one.accuracy, 3))
        cells = (*numbers, plain(one.kl, 4), plain(one.faithfulness, 4))
        yield Text(_row(cells, rooms))
    yield from prose(found.definition, width, "dim")


def draw_curve(plt: Any, found: AlphaCurve) -> bool:
    """The metric over the factor, into a Plotext figure; False if there is nothing to see."""
    plt.clear_figure()
    xs = [one.alpha for one in found.points]
    plt.plot(xs, [one.metric for one in found.points], label=found.metric, marker="braille")
    shares = [one.faithfulness for one in found.points]
    known = [(x, y) for x, y in zip(xs, shares, strict=True) if y is not None]
    if known:
        plt.scatter([x for x, _ in known], [y for _, y in known], label="faithfulness", marker="x")
    plt.scatter(xs, [one.accuracy for one in found.points], label="accuracy", marker="o")
    plt.title(f"over the factor of {one_line(found.intervention)}")
    return len(xs) > 1


def reliability_lines(found: Reliability, width: int) -> Iterable[Text]:
    """What scaling does, where the components of each kind are, and which they are.

    Where there is room, the second and third stand beside the first.
    """
    half = width // 2 - GAP
    if found.steering is None:
        yield from _components(found, width)
    elif width < BESIDE:
        yield from _steering(found.steering, found.map.classes, width)
        yield Text()
        yield from _components(found, width)
    else:
        steering = _steering(found.steering, found.map.classes, half)
        for left, right in zip_longest(steering, _components(found, half)):
            line = Text() if left is None else Text().append_text(left)  # its style is its own
            if right is not None:
                line.pad_right(half + 2 * GAP - line.cell_len)
                line.append_text(right)
            yield line
    yield Text()
    yield from prose(found.map.definition, width, "dim")


def _components(found: Reliability, width: int) -> Iterable[Text]:
    """Where the components of each kind are, and which."""
    yield from _map(found.map, width)
    for kind in KINDS:
        own = found.map.of_kind(kind)
        yield Text()
        yield heading(f"{counted(len(own), f'{kind} component')}")
        yield from prose(found.map.settings.words(kind)[:1].upper()
                         + found.map.settings.words(kind)[1:] + ".", width, "dim")  # fmt: skip
        if kind == "unreliable":
            continue
        if own:
            yield Text(fit(f"{'right on':<12}{_names(found.map.classes)}", width).rstrip(), "dim")
        for one in own[:SHOWN]:
            shares = _shares(one.accuracy)
            f1, harm = f"F1 {one.macro_f1:.2f}", f"wrong promoted {one.harmful_share:.2f}"
            yield Text(fit(f"{one.name:<12}{shares}  {f1}  {harm}", width).rstrip())
        if len(own) > SHOWN:
            more = f"and {len(own) - SHOWN:,} more: {{key:interventions.copy}} copies all of them"
            yield Text(keyed(more), "dim")


def _map(found: ReliabilityMap, width: int) -> Iterable[Text]:
    """A row for each layer, a mark for each head, and how many neurons of each kind it has."""
    title = f"Heads by layer, by what they write at {found.settings.place}"
    yield heading(fit(title, width).rstrip())
    key = "  ".join(f"{mark} {kind}" for kind, mark in MARKS.items())
    yield Text(key, "dim")
    kinds = {one.name: one.kind for one in found.components}
    step = 1 if found.n_heads * 2 + 8 > width else 2
    for layer in reversed(range(found.n_layers)):
        marks = [MARKS[kinds[head_name(layer, head)]] for head in range(found.n_heads)]
        row = "".join(f"{mark:<{step}}" for mark in marks)
        own = f"{mlp_name(layer)}.n"
        neurons = [one.kind for one in found.components if one.name.startswith(own)]
        said = "  ".join(
            f"{neurons.count(kind)} {kind}" for kind in ("reliable", "harmful") if neurons
        )
        yield Text(fit(f"{layer:>3}  {row} {said and f'neurons: {said}'}", width).rstrip())


def _steering(found: Steering, classes: Sequence[str], width: int) -> Iterable[Text]:
    """What was chosen and does elsewhere, then all that were tried."""
    yield heading("Reliable components scaled up: likeliest token right")
    names = fit(f"{'':18}{_names(classes)}", width).rstrip()
    if found.intervention:
        yield from prose(f"Chosen on the first half: {found.intervention}", width, "bold")
        yield Text(names, "dim")
        yield Text(f"{'other half':<18}{_shares(found.told_before)}  as it is")
        yield Text(f"{'':18}{_shares(found.told_after)}  scaled")
        if found.also is not None:
            yield _also(found.also)
        before, after = plain(found.perplexity_before, 2), plain(found.perplexity_after, 2)
        yield Text(f"{'perplexity':<18}{before} as it is, {after} scaled, of plain English")
        yield from prose(found.definition, width, "dim")
    else:
        yield from prose("No number and factor does better than the model as it is.", width)
    yield Text()
    yield heading("Tried on the first half")
    yield Text(f"{'so many × factor':18}{names[18:]}", "dim")
    yield Text(f"{'as it is':<18}{_shares(found.before)}")
    for point in found.grid:
        best = (point.number, point.factor) == (found.number, found.factor)
        name = f"{point.number} × {point.factor:g}"
        yield Text(f"{name:<18}{_shares(point.accuracy)}", "bold" if best else "")


def _also(found: OnAnotherTask) -> Text:
    name = fit(one_line(found.task), 17).rstrip()
    return Text(f"{name:<18}{found.before:.2f} as it is, {found.after:.2f} scaled")


def _names(classes: Sequence[str]) -> str:
    """Classes, each above its share."""
    return " ".join(fit(show_token(name), SHARE) for name in classes)


def _shares(values: Sequence[float]) -> str:
    return " ".join(f"{value:<{SHARE}.2f}" for value in values).rstrip()
