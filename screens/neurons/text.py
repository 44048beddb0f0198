"""What is told of one neuron: its tokens, what feeds it, the prompts where it is largest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.text import Text

from screens.base.numbers import count, percent, plain, signed
from screens.base.prose import heading, prose
from screens.base.tokens import fit, short_role, show_token
from screens.neurons.neuron_rows import DIRECT
from workbench.errors import WorkbenchError
from workbench.neurons.results import (
    PROMOTES,
    Firing,
    Firings,
    NeuronByRole,
    NeuronInputs,
    NeuronList,
    Promoted,
)
from workbench.readouts.results import Position, TokenValue

if TYPE_CHECKING:
    from workbench.session.neurons import SessionNeurons

FEEDS = 8
"""Nodes that feed a neuron, as many as are told."""
AROUND = 24
"""Cells of a prompt before the marked token."""
ROLE = 12
"""Cells of a role's name."""


@dataclass(frozen=True)
class Told:
    """All that is told of a neuron.

    Attributes:
        inputs: what feeds it, or the sentence that says why that cannot be told.
    """

    tokens: Promoted
    inputs: NeuronInputs | str
    by_role: NeuronByRole
    prompts: Firings


def size_words(listed: NeuronList, within: bool) -> list[str]:
    """How many neurons there are and are kept; `within`: a kept edge leaves their MLP."""
    every = count(len(listed.rows))
    kept = every if listed.kept == len(listed.rows) else f"{count(listed.kept)} of {every} kept"
    return [kept] if within else [kept, "not in circuit"]


def told_of(neurons: SessionNeurons, name: str, position: Position, pair: int | None) -> Told:
    """Read a neuron; it computes, for a worker."""
    (tokens,) = neurons.promoted([name])
    inputs: NeuronInputs | str
    try:
        inputs = neurons.inputs(name, position=position, pair=pair)
    except WorkbenchError as error:
        inputs = str(error)
    return Told(tokens, inputs, neurons.by_role(name, pair=pair), neurons.firings(name))


def describe(told: Told, width: int, run: str = "clean") -> list[Text]:
    """The lines; `run`: whose direct attribution."""
    tokens, prompts = told.tokens, told.prompts
    kind = f", a {tokens.kind} neuron" if tokens.kind else ""
    lines = [heading(f"{tokens.name}{kind}")]
    lines += _sides(tokens.promoted, tokens.suppressed, width)
    lines += prose(f"{PROMOTES}.", width, "dim")
    said = (
        f"Length {plain(tokens.norm, 2)}; cosines with the vocabulary: variance "
        f"{plain(tokens.variance, 5)}, skew {plain(tokens.skew, 2)}, "
        f"kurtosis {plain(tokens.kurtosis, 2)}."
    )
    lines += prose(said, width, "dim")
    lines += [Text(), *_inputs(told.inputs, width), Text()]
    lines += [*_roles(told.by_role, width, run), Text()]
    lines.append(heading("Where it is largest, and smallest"))
    lines += [_firing(one, width) for one in (*prompts.largest, *prompts.smallest[::-1])]
    share = percent(prompts.share)
    said = (
        f"Over all tokens of the prompts: mean {plain(prompts.mean, 3)}, "
        f"{plain(prompts.least, 3)} to {plain(prompts.most, 3)}, above zero at {share}."
    )
    return [*lines, *prose(said, width, "dim")]


def _sides(
    promoted: Sequence[TokenValue], suppressed: Sequence[TokenValue], width: int
) -> list[Text]:
    half = max(16, min(34, (width - 2) // 2))
    lines = [Text(f"{'promotes':<{half}}  {'suppresses':<{half}}", "dim")]
    for one, other in zip(promoted, suppressed, strict=True):
        left, right = (
            fit(show_token(t.token, half - 8), half - 8) + f"{signed(t.value, 2):>8}"
            for t in (one, other)
        )
        lines.append(Text(f"{left}  {right}"))
    return lines


def _inputs(inputs: NeuronInputs | str, width: int) -> list[Text]:
    if isinstance(inputs, str):
        return [heading("What feeds it"), *prose(inputs, width)]
    gated = inputs.up is not None
    lines = [heading("What feeds it")]
    name_width = max(8, min(30, width - (20 if gated else 10)))
    lines.append(Text(f"{'':{name_width}}{'gate':>10}{'up' if gated else '':>10}".rstrip(), "dim"))
    rows = [(feed.node, feed.gate, feed.up) for feed in inputs.feeds[:FEEDS]]
    for name, gate, up in (*rows, ("in all", inputs.gate, inputs.up)):
        more = f"{signed(up, 3):>10}" if gated else ""
        lines.append(Text(f"{fit(name, name_width)}{signed(gate, 3):>10}{more}"))
    return lines


def _roles(by_role: NeuronByRole, width: int, run: str) -> list[Text]:
    """A line for each role: activation in both runs, their difference, direct attribution."""
    over = "mean" if by_role.pair is None else f"prompt {by_role.pair + 1}"
    lines = [heading(f"By role, {over}")]
    titles = ("clean", "corrupted", "Δ", DIRECT[run])
    lines.append(Text(fit(f"{'':{ROLE}}" + "".join(f"{t:>10}" for t in titles), width), "dim"))
    for one in by_role.roles:
        cells = plain(one.clean, 3), plain(one.corrupted, 3), signed(-one.difference, 3)
        values = "".join(f"{cell:>10}" for cell in (*cells, signed(one.direct_in(run), 4)))
        lines.append(Text(fit(f"{fit(short_role(one.role, ROLE - 1), ROLE)}{values}", width)))
    said = "Each at the role's last token, over the prompts that have it; Δ: corrupted less clean."
    return [*lines, *prose(said, width, "dim")]


def _firing(one: Firing, width: int) -> Text:
    """The activation, and the prompt around the token, which is marked."""
    shown = [show_token(token, 20) for token in one.tokens]
    start, before = one.position, 0
    while start > 0 and before + cell_len(shown[start - 1]) <= AROUND:
        start -= 1
        before += cell_len(shown[start])
    text = Text(f"{signed(one.value, 3):>9}  {one.pair + 1:>3}: {'…' if start else ''}")
    for i in range(start, len(shown)):
        marked = i == one.position
        text.append(f"[{shown[i]}]" if marked else shown[i], "bold" if marked else "")
    text.truncate(width, overflow="ellipsis")
    return text
