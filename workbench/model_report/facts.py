"""A model in words: what was found, how the self-check went, and what a batch will take.

The command line and the app show these same lines. Importing this module loads no torch.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from workbench.model_report.costs import STEPS, Costs
from workbench.model_report.footprint import Footprint, Room
from workbench.models.info import ModelInfo, SelfCheck

Fact = tuple[str, str]
"""A label, empty where the line belongs to the one above, and what is so."""


def facts(info: ModelInfo) -> list[Fact]:
    """What was found of a model, and its self-check."""
    built = info.architecture
    grouped = f", {info.kv_heads} for keys and values" if info.kv_heads != info.heads else ""
    context = "" if built.context is None else f", made for up to {built.context:,}"
    tied = "the unembedding is the embedding" if built.tied else "an unembedding of its own"
    bos = "one before every prompt" if info.bos else "none"
    found = [
        ("model", f"{info.name}, of the family {info.family}; {info.dtype} on {info.device}"),
        ("from", info.where),
        ("layers", f"{info.layers}: {built.blocks}"),
        ("heads", f"{info.heads} in each layer{grouped}; {info.d_head} wide"),
        ("residual", f"{info.d_model:,} wide"),
        ("norm", built.norm),
        ("positions", built.positions + context),
        ("windows", built.windows),
        ("q, k, v", built.projections.removeprefix("q, k and v ")),
        ("soft caps", built.caps),
        ("experts", built.experts),
        ("vocabulary", f"{info.vocabulary:,} tokens, {tied}"),
        ("BOS", f"{bos}, if it is left to the tokenizer"),
        ("parameters", f"{info.parameters:,}, in {size(info.weight_bytes)}"),
        ("graph", f"{info.nodes:,} nodes, {info.edges:,} edges"),
    ]
    found += [("note", note) for note in info.notes]
    return [fact for fact in found if fact[1]] + check_facts(info.check, built.window)


def check_facts(check: SelfCheck, window: int | None) -> list[Fact]:
    """How the engine's logits compare with the model's own.

    Args:
        window: the model's longest attention window, if any has one.
    """
    untried = window is not None and check.tokens <= window
    run = f"{check.passes} forward passes of {check.prompts} prompts of {check.tokens:,} tokens"
    allowed = f"{check.tolerance:.2g} is allowed"
    said = [
        ("self-check", "passed" if check.passed else "failed"),
        ("", f"logits off by {check.relative:.1e} of their scale; {allowed}"),
        ("", run),
    ]
    return [*said, ("", "no prompt was longer than the windows")] if untried else said


def memory_facts(footprint: Footprint) -> list[Fact]:
    """What a batch is predicted to take beside the weights."""
    shapes = footprint.shapes
    pairs = sum(shape.pairs for shape in shapes)
    tokens = _range([shape.tokens for shape in shapes])
    first = "the first on"
    if any(shape.start for shape in shapes):
        first = f"token {_range([shape.start + 1 for shape in shapes])} on"
    these = f"{_count(pairs, 'pair')} of {tokens} tokens"
    return [
        ("memory", f"predicted for {these}"),
        ("", f"that differ from {first}; metric {footprint.metric}"),
        ("  both runs", size(footprint.runs + footprint.probabilities)),
        ("  circuit", f"{size(footprint.circuit)} at most, with every edge kept"),
        ("  what-ifs", f"{size(footprint.what_if)} at most, for one batch of alternatives"),
        ("  EAP", f"{size(footprint.eap)}, before there is a circuit"),
        ("  at once", f"{size(footprint.peak)} at most, beside the weights"),
        *_room_facts(footprint.room, pairs),
        *_cost_facts(footprint.costs),
    ]


def _room_facts(room: Room | None, pairs: int) -> list[Fact]:
    """Whether so many pairs fit, and how they are run if they do not."""
    if room is None:
        return []
    free = f"{size(room.free)} free"
    if not room.fit:
        return [("  room", f"{free}: not one pair fits; take shorter prompts or a smaller dtype")]
    if room.at_once == pairs:
        return [("  room", f"{free}: all at once")]
    said = f"{free}: in pieces of up to {_count(room.at_once, 'pair')}"
    if room.fit == pairs:
        return [("  room", said)]
    fits = f"what takes all at once (ACDC, searches) fits with {_count(room.fit, 'pair')}"
    return [("  room", said), ("", fits + (", more in a file" if room.in_file else ""))]


def _cost_facts(costs: Costs | None) -> list[Fact]:
    """What is done with these pairs, in forward passes of them."""
    if costs is None:
        return []
    return [
        ("work", "in F, one plain forward pass of these pairs; by counted operations"),
        ("  to begin", f"{costs.runs:.2g} F: both runs"),
        ("  scores", f"EAP {costs.eap:.2g} F, EAP-IG with {STEPS} steps {costs.eap_ig:.2g} F"),
        (
            "  circuits",
            f"all edges {costs.all_edges:.2g} F, any other {costs.circuit:.2g} F at most",
        ),
        ("  an edge", f"toggled or tried by ACDC, {costs.edge:.2g} F at most on average over all"),
    ]


def _range(values: list[int]) -> str:
    least, most = min(values), max(values)
    return f"{least:,}" if least == most else f"{least:,} to {most:,}"


def _count(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def size(n: int) -> str:
    """Bytes in the unit that suits them."""
    for unit, power in (("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if n >= 2**power:
            return f"{n / 2**power:.3g} {unit}" if n < 1000 * 2**power else f"{n >> power:,} {unit}"
    return f"{n} bytes"


def to_json(info: ModelInfo, footprint: Footprint) -> dict[str, Any]:
    """The same for programs; sizes in bytes."""
    check = asdict(info.check) | {"relative": info.check.relative, "passed": info.check.passed}
    memory = asdict(footprint) | {"peak": footprint.peak}
    return asdict(info) | {"check": check, "memory": memory}
