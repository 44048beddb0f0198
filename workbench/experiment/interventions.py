"""Interventions: what is done to components of a model before anything is measured on it.

A node's value is scaled, set to something else, or something is added to it, at some positions.
An intervention is a property of the model that is run: the clean and the corrupted run are both
made with it, so that everything measured afterwards, circuits, effects, methods, is of the model so
changed. Each has one line of text, by which it is written down, shown and typed:

    a23.h3 * 2                          scaled, at all positions
    a23.h3,a23.h0 * 0 at -1             two heads switched off at the last position
    m10 = corrupted                     set to its value on the pair's corrupted prompt
    m10.n421 = 1.5                      a neuron set to a number
    r12 + 3 * unit:difference at -1:    three unit lengths along a direction, from the last token on
    a23.h3->logits * 0.5                what the logits read of a head is halved, nothing else
    a5.h1->a9.h1 = mean                 what a head reads of another by q, k and v is set
    hide 5..8:last<0..3                 attention knocked out: the last token does not see the first
    a3.h1 * 0 at S2                     switched off at a token role, in each prompt at its own

Several at one node are done one after the other. Importing this loads no torch.
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from workbench.base.json_values import string, strings
from workbench.circuits.graph import Graph
from workbench.circuits.names import edge_ends, head_name, is_edge, parse_name
from workbench.errors import WorkbenchError
from workbench.experiment.knockouts import check_knockout, read_knockout
from workbench.experiment.positions import ROLE, parse_positions
from workbench.experiment.targets import Place, check_edge, place_of, readers_of, written_by

if TYPE_CHECKING:
    from workbench.circuits.circuit import Circuit

Doing = Literal["scale", "set", "add", "hide"]

VECTORS = {
    "zero": "nothing: a vector of zeros",
    "corrupted": "the node's own value on the pair's corrupted prompt, position by position",
    "mean": "its mean over all tokens of the task's clean prompts",
    "difference": (
        "its mean over the clean prompts less that over the corrupted ones, at the last position; "
        'difference:"A.txt","B.txt" takes two files of prompts, a line each'
    ),
    "prompt": 'prompt:"TEXT": its value on that text, counted from the end',
    "token": 'token:" Paris": the column of the unembedding of a token',
    "file": 'file:"V.safetensors#NAME[3]": a row of a tensor in a file, d_model wide',
}
"""Every vector that a node can be set to, or that can be added to it. All values of nodes are those
of the model without interventions; an edge's is what its source writes."""

KEY = "interventions"
"""Under which they stand in a circuit's provenance."""

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_TARGET = r"[\w.]+(?:->[\w.]+(?:<\w>)?)?"
_PLACE = rf"(?:{ROLE}|-?\d*:-?\d*)"
_PLACES = rf"{_PLACE}(?:\s*,\s*{_PLACE})*"
_LINE = re.compile(
    rf"\s*(?P<nodes>{_TARGET}(?:\s*,\s*{_TARGET})*)\s*"
    rf"(?:\*\s*(?P<scale>{_NUMBER})"
    rf"|=\s*(?P<set>.+?)"
    rf"|\+\s*(?:(?P<by>{_NUMBER})\s*\*\s*)?(?P<add>.+?))"
    rf"(?:\s+at\s+(?P<at>[-\d:,\s]+|{_PLACES}))?\s*",
    re.DOTALL,
)
_OPEN_TEXT = re.compile(r"(?:unit:)?prompt:(?!.*\"$)", re.DOTALL)
_VECTOR = re.compile(r"(?P<unit>unit:)?(?P<kind>[a-z]+)(?::(?P<of>.*))?", re.DOTALL)
HOW = (
    "Write NODE * FACTOR, NODE = VECTOR, NODE + NUMBER * VECTOR or hide LAYERS:QUERIES<KEYS; NODE "
    "may be an edge, a5.h1->m7, or group:NAME, and positions or token roles may follow: "
    "a5.h1 * 2 at -1, a5.h1 * 2 at S2."
)


@dataclass(frozen=True)
class Intervention:
    """One thing done to one or more nodes.

    Attributes:
        nodes: names: `input`, `a9.h1`, `m10`, a neuron `m10.n421`, the residual before a layer
            `r12` (to which something can be added); or an edge, `m0->a9.h1<v>`, which is what one
            reader is given of a node, and `m0->a9.h1`, the three of them into a head.
        do: value times `factor`; value set to `vector`; `factor` times `vector` added; or, of no
            node, attention hidden that `vector` says, as `knockouts.read_knockout` reads it.
        factor: of `scale` and `add`.
        vector: one of `VECTORS`, `unit:` before it for its direction with length 1; of a neuron
            also a number. Empty for `scale`.
        at: positions of the prompt: `all`, or numbers and slices as Python counts them, `-1`,
            `0,3`, `-2:`, or token roles, `S2`, of each prompt its own. A slice without an end goes
            on with tokens that are generated.
        data: the numbers of a vector that was read from files, float32, little-endian, base64.

    Glossary: docs/glossary.md#intervention.
    """

    nodes: tuple[str, ...]
    do: Doing
    factor: float = 1.0
    vector: str = ""
    at: str = "all"
    data: str = ""

    def __post_init__(self) -> None:
        if self.do == "hide":
            read_knockout(self.vector, of_role=_anywhere)
            return
        if not self.nodes or len(set(self.nodes)) != len(self.nodes):
            raise WorkbenchError("An intervention names at least one node, and none twice.")
        places = [place_of(written_by(node)) for node in self.nodes]
        for node, place in zip(self.nodes, places, strict=True):
            if is_edge(node):
                check_edge(node, place)
        if not math.isfinite(self.factor):
            raise WorkbenchError("A factor is a finite number.")
        if self.do != "add" and any(place.kind == "residual" for place in places):
            raise WorkbenchError(
                "To a residual something can be added; it is no component that could be scaled "
                "or set."
            )
        parse_positions(self.at)
        if self.do != "scale":
            self._check_vector(places)

    def _check_vector(self, places: list[Place]) -> None:
        neurons = [place for place in places if place.kind == "neuron"]
        if _as_number(self.vector) is not None:
            if len(neurons) < len(places):
                raise WorkbenchError("Only neurons are set to a number; others to a vector.")
            return
        _, kind, of = split_vector(self.vector)
        if neurons and kind in ("token", "file"):
            raise WorkbenchError(f"A neuron is a number: {kind} gives a vector of the residual.")
        if self.do == "add" and kind == "zero":
            raise WorkbenchError("To add zero changes nothing; name another vector.")
        if kind == "difference" and of and len(self.nodes) > 1:
            raise WorkbenchError("A difference of two files is taken at one node: name one.")

    @property
    def text(self) -> str:
        """Its line, see `parse`."""
        if self.do == "hide":
            return f"hide {self.vector}"
        nodes = ",".join(self.nodes)
        where = "" if self.at == "all" else f" at {self.at}"
        if self.do == "scale":
            return f"{nodes} * {_number(self.factor)}{where}"
        if self.do == "set":
            return f"{nodes} = {self.vector}{where}"
        by = "" if self.factor == 1 else f"{_number(self.factor)} * "
        return f"{nodes} + {by}{self.vector}{where}"

    @property
    def mark(self) -> str:
        """A few characters beside a node in the tree: `×2`, `=mean`, `+3`."""
        where = "" if self.at == "all" else f"@{self.at}"
        if self.do == "scale":
            return f"×{self.factor:g}{where}"
        if self.do == "set":
            number = _as_number(self.vector)
            return f"={split_vector(self.vector)[1] if number is None else f'{number:g}'}{where}"
        return f"{self.factor:+g}·d{where}"

    @property
    def roles(self) -> tuple[str, ...]:
        """The token roles at which it is done; empty where it is done at all or at numbers."""
        if self.do != "hide":
            return tuple(one for one in parse_positions(self.at) if isinstance(one, str))
        named: list[str] = []

        def seen(role: str) -> tuple[int, ...]:
            named.append(role)
            return (0,)

        read_knockout(self.vector, of_role=seen)
        return tuple(dict.fromkeys(named))

    @property
    def needs_pairs(self) -> bool:
        """What it does is taken of the pairs of prompts."""
        if self.do in ("scale", "hide") or self.data or _as_number(self.vector) is not None:
            return False
        return split_vector(self.vector)[1] in ("corrupted", "mean", "difference")

    @property
    def number(self) -> float | None:
        """What neurons are set to, or what is added to them, if that is a number."""
        return None if self.do in ("scale", "hide") else _as_number(self.vector)

    def times(self, alpha: float) -> Intervention:
        """The same with another factor; what is set has none."""
        if self.do in ("set", "hide"):
            raise WorkbenchError("What is set to a value, or hidden, has no factor to go over.")
        return replace(self, factor=alpha)

    def check(self, graph: Graph) -> None:
        """Raises WorkbenchError where the model has no such node; neurons are checked later."""
        if self.do == "hide":
            hidden = read_knockout(self.vector, of_role=_anywhere)
            check_knockout(hidden, graph.n_layers, graph.n_heads)
        for node in self.nodes:
            if is_edge(node):
                readers_of(node, graph)
                continue
            place = place_of(node)
            if place.kind == "residual":
                if place.layer > graph.n_layers:
                    raise WorkbenchError(
                        f"There is no residual {node}: they are r0 to r{graph.n_layers}."
                    )
                continue
            name = node.partition(".n")[0] if place.kind == "neuron" else node
            if not graph.has_node(name):
                graph.source_index(name)  # says so

    def to_json(self) -> dict[str, str]:
        """Plain values."""
        return {"text": self.text} | ({"data": self.data} if self.data else {})

    @classmethod
    def from_json(cls, value: Any) -> Intervention:
        """Raises WorkbenchError, TypeError or KeyError where it is not what `to_json` gives."""
        made = cls.parse(string(value["text"]))
        return replace(made, data=string(value["data"])) if "data" in value else made

    @classmethod
    def parse(cls, text: str) -> Intervention:
        """The intervention that a line of text says.

        Raises:
            WorkbenchError: it is none; the sentence says how one is written.
        """
        if text.split()[:1] == ["hide"]:
            return cls((), "hide", vector="".join(text.split(maxsplit=1)[1:]).strip())
        found = _LINE.fullmatch(text)
        if found is None:
            raise WorkbenchError(f"{text.strip()[:60]!r} is no intervention. {HOW}")
        nodes = tuple(word.strip() for word in found["nodes"].split(","))
        at = "".join((found["at"] or "all").split())
        if found["scale"] is not None:
            return cls(nodes, "scale", float(found["scale"]), at=at)
        vector = (found["set"] or found["add"]).strip()
        if _OPEN_TEXT.match(vector) and any(isinstance(one, str) for one in parse_positions(at)):
            # A text without quotes goes on to the end of the line: prompt:she is at home.
            vector, at = text[text.index(vector) :].strip(), "all"
        if found["set"] is not None:
            return cls(nodes, "set", vector=vector, at=at)
        by = 1.0 if found["by"] is None else float(found["by"])
        return cls(nodes, "add", by, vector, at)


def split_vector(vector: str) -> tuple[bool, str, tuple[str, ...]]:
    """Whether it is scaled to length 1, its kind, and what stands behind the colon.

    Raises:
        WorkbenchError: there is no such vector.
    """
    found = _VECTOR.fullmatch(vector)
    if found is None or found["kind"] not in VECTORS:
        raise WorkbenchError(
            f"{vector[:40]!r} is no vector; there are {', '.join(VECTORS)}, and numbers for "
            "neurons."
        )
    kind, of = found["kind"], found["of"]
    if (of is None) != (kind not in ("prompt", "token", "file")) and kind != "difference":
        raise WorkbenchError(f"This is how it is written: {VECTORS[kind]}.")
    parts: tuple[str, ...] = ()
    if of is not None:
        try:
            parts = strings(json.loads(f"[{of}]"))
        except (ValueError, TypeError):
            parts = (of,) if kind != "difference" else ()
        if len(parts) != (2 if kind == "difference" else 1):
            raise WorkbenchError(f"This is how it is written: {VECTORS[kind]}.")
    return found["unit"] is not None, kind, parts


def _anywhere(role: str) -> tuple[int, ...]:
    """A position for a role where it does not matter which."""
    return (0,)


def _number(value: float) -> str:
    """As short as it reads back the same."""
    short = f"{value:g}"
    return short if float(short) == value else repr(value)


def _as_number(vector: str) -> float | None:
    return float(vector) if re.fullmatch(_NUMBER, vector) else None


def parse_all(interventions: Iterable[Intervention | str]) -> tuple[Intervention, ...]:
    """Interventions, those that are text parsed."""
    return tuple(Intervention.parse(one) if isinstance(one, str) else one for one in interventions)


def parse_factors(text: str) -> tuple[float, ...]:
    """Factors written with commas between them. Raises WorkbenchError for other text."""
    try:
        found = tuple(float(word) for word in text.split(","))
    except ValueError:
        found = ()
    if not found or not all(map(math.isfinite, found)):
        raise WorkbenchError(f"{text[:40]!r} are no factors: write numbers, such as 0,0.5,1,2.")
    return found


def interventions_of(circuit: Circuit) -> tuple[Intervention, ...]:
    """Those with which a circuit was measured, as its file says; none if it says nothing.

    Raises:
        WorkbenchError: what it says are no interventions.
    """
    told = circuit.provenance.get(KEY, [])
    try:
        return tuple(Intervention.from_json(one) for one in told)
    except (KeyError, TypeError) as error:
        raise WorkbenchError(f"The interventions of a circuit are not readable: {error}.") from None


def shared_interventions(circuits: Iterable[Circuit]) -> tuple[Intervention, ...]:
    """Those with which all of these circuits were measured.

    Raises:
        WorkbenchError: they were measured in models to which different things are done.
    """
    told = {interventions_of(circuit) for circuit in circuits}
    if len(told) > 1:
        raise WorkbenchError(
            "These circuits were measured with different interventions on the model, so that they "
            "cannot be measured together: look at one after the other."
        )
    return told.pop() if told else ()


def marks(interventions: Sequence[Intervention]) -> dict[str, str]:
    """What to show beside each node that something is done to, or to a neuron of it."""
    found: dict[str, list[str]] = {}
    for one in interventions:
        for name in _blinded(one):
            found.setdefault(name, []).append("hides")
        for target in one.nodes:
            if is_edge(target):
                source, end = edge_ends(target)
                reader = parse_name(end)
                # At the reader, which alone sees it.
                name = end if reader is None else reader.node
                of = "" if reader is None or reader.input is None else f"<{reader.input}>"
                found.setdefault(name, []).append(f"{of}←{source}{one.mark}")
                continue
            name, _, neuron = target.partition(".n")
            found.setdefault(name, []).append(f"n{neuron}{one.mark}" if neuron else one.mark)
    return {node: " ".join(own[:3]) + (" …" if len(own) > 3 else "") for node, own in found.items()}


def _blinded(one: Intervention) -> list[str]:
    """The heads that are named in a knock-out; none where it is of all heads of a layer."""
    if one.do != "hide":
        return []
    knockout = read_knockout(one.vector, of_role=_anywhere)
    layers, heads = knockout.layers or (), knockout.heads or ()
    return [head_name(layer, head) for layer in layers for head in heads]


def packed(values: Sequence[float]) -> str:
    """Numbers as `Intervention.data` holds them."""
    import numpy as np

    return base64.b64encode(np.asarray(values, dtype="<f4").tobytes()).decode("ascii")


def unpacked(data: str) -> list[float]:
    """The numbers that `packed` was given. Raises WorkbenchError for other text."""
    import numpy as np

    try:
        return [float(x) for x in np.frombuffer(base64.b64decode(data, validate=True), "<f4")]
    except ValueError:
        raise WorkbenchError("The numbers of an intervention are not readable.") from None
