"""Which neurons of an MLP a circuit keeps: sets of numbers by the MLP's name.

Pure Python. An MLP that is not named keeps all of its neurons; one that is named with none keeps
none. How many an MLP has only the model knows.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping
from itertools import groupby, pairwise
from typing import TypeAlias

from workbench.base.text import counted
from workbench.circuits.graph import Graph
from workbench.circuits.names import neuron_name, parse_neuron
from workbench.errors import WorkbenchError

Neurons: TypeAlias = Mapping[str, tuple[int, ...]]
"""By MLP, such as m10, the numbers of the neurons that are kept, ascending."""

_SPAN = re.compile(r"([0-9]{1,9})(?:-([0-9]{1,9}))?")
MOST_NEURONS = 2**22
"""In one MLP; a text that names more is not believed."""


def either(
    one: Neurons, other: Neurons, writing: tuple[Container[str], Container[str]]
) -> dict[str, tuple[int, ...]]:
    """What at least one of two circuits keeps; `writing`: the nodes that write in each."""
    found = {}
    for mlp in {**one, **other}:
        sides = zip((one, other), writing, strict=True)
        kept = [side.get(mlp) for side, writes in sides if mlp in writes or mlp in side]
        if all(numbers is not None for numbers in kept):
            found[mlp] = tuple(sorted({n for numbers in kept for n in numbers or ()}))
    return found


def both(one: Neurons, other: Neurons) -> dict[str, tuple[int, ...]]:
    """What both of two circuits keep."""
    found = {**other, **one}
    return {
        mlp: tuple(sorted({*kept} & {*other[mlp]})) if mlp in one and mlp in other else kept
        for mlp, kept in found.items()
    }


def checked(graph: Graph, neurons: Mapping[str, Iterable[int]]) -> dict[str, tuple[int, ...]]:
    """The same in the graph's order and ascending.

    Raises:
        WorkbenchError: a name is not that of an MLP of the graph, or a number is negative or
            listed twice.
    """
    found = {}
    for mlp in sorted(neurons, key=lambda name: (graph.source_index(name), name)):
        if graph.parse_node(mlp).kind != "mlp":
            raise WorkbenchError(f"{mlp} has no neurons: choose an MLP, such as m0.")
        numbers = tuple(sorted(neurons[mlp]))
        if numbers and numbers[0] < 0:
            raise WorkbenchError(f"{mlp} has no neuron {numbers[0]}: they are numbered from 0.")
        for one, after in pairwise(numbers):
            if one == after:
                name = neuron_name(mlp, one)
                raise WorkbenchError(f"The neuron {name} is listed twice: list it once.")
        found[mlp] = numbers
    return found


def find_neuron(graph: Graph, name: str) -> tuple[str, int]:
    """The MLP and the number of a neuron of this name.

    Raises:
        WorkbenchError: the name is not one of a neuron of an MLP of the graph.
    """
    found = parse_neuron(name)
    if found is None:
        raise WorkbenchError(f"{name[:60]!r} is no neuron: one is written like m10.n421.")
    graph.source_index(found[0])
    return found


def spans(numbers: Iterable[int]) -> str:
    """Numbers as a short text, such as `0-2, 17`."""
    places = enumerate(sorted(set(numbers)))
    runs = [[n for _, n in run] for _, run in groupby(places, lambda item: item[1] - item[0])]
    return ", ".join(str(r[0]) if len(r) == 1 else f"{r[0]}-{r[-1]}" for r in runs)


def of_spans(text: str) -> tuple[int, ...]:
    """The numbers of such a text, ascending.

    Raises:
        WorkbenchError: it is none, or names a number twice.
    """
    numbers: list[int] = []
    for piece in text.split(",") if text.strip() else ():
        found = _SPAN.fullmatch(piece.strip())
        first = int(found[1]) if found else 0
        last = int(found[2] or found[1]) if found else -1
        if last < first or last >= MOST_NEURONS:
            raise WorkbenchError(
                f"{piece.strip()[:40]!r} are no neurons: they are written like 3, 17-20."
            )
        numbers += range(first, last + 1)
    if len(set(numbers)) < len(numbers):
        raise WorkbenchError(f"A neuron is named twice in {text[:60]!r}: name it once.")
    return tuple(sorted(numbers))


def narrowed_words(neurons: Neurons) -> str:
    """`m0 narrowed to 12 neurons`; of several MLPs how many."""
    if len(neurons) == 1:
        ((mlp, kept),) = neurons.items()
        return f"{mlp} narrowed to {counted(len(kept), 'neuron')}"
    return f"{counted(len(neurons), 'MLP')} narrowed to some neurons"
