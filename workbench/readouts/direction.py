"""Directions in the residual stream: which tokens one raises, which nodes write along it.

A direction is any vector of the stream: what a token embeds to, what reads its logit, a row of a
file. Its lens is that of a node that would write it; along it, every node is read by the product of
its output with the direction at length one, so that the nodes and the rest sum to the residual's.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from workbench.base.numbers import wide, wide_type
from workbench.base.text import printable, shown_path
from workbench.base.transfers import array_of, uploaded
from workbench.circuits.graph import LOGITS
from workbench.errors import WorkbenchError
from workbench.formats.torch_file import is_tensor, load_tensors, look_into_file
from workbench.readouts.activations import (
    RunChoice,
    check_k,
    difference_note,
    each_run,
    place_of,
    token_values,
)
from workbench.readouts.jacobian.files import regular_file
from workbench.readouts.jacobian.lens import JacobianLens
from workbench.readouts.results import Position, position_words
from workbench.readouts.runs import RUN_WORDS
from workbench.readouts.shapes import Ranking
from workbench.readouts.target import find_token
from workbench.transformer.edge_edits import read_by_logits
from workbench.transformer.frozen_norm import FrozenNorm

if TYPE_CHECKING:
    from workbench.experiment.experiment import Experiment

EMBEDDED, READ_BY = "embed:", "unembed:"
"""Before a token: what it embeds to, and what reads its logit (a column of the unembedding)."""
REST = "all else"
"""Row of what no node writes: biases and learned positions."""
WAYS = (
    f"a file (.npy, .safetensors, .pt; :NAME and :ROW behind it choose), {EMBEDDED}TOKEN or "
    f"{READ_BY}TOKEN"
)


@dataclass(frozen=True, eq=False)
class Direction:
    """A vector of the residual stream.

    Attributes:
        name: in words.
        vector: float32 [d_model].
    """

    name: str
    vector: Tensor


def find_direction(experiment: Experiment, text: str) -> Direction:
    """The direction that a text names: see WAYS.

    Raises:
        WorkbenchError: it names none, or one that is not of this model's width.
    """
    parts, encoding = experiment.model.parts, experiment.batch.encoding
    for mark in (EMBEDDED, READ_BY):
        if text.startswith(mark):
            prompt = experiment.batch.task.pairs[0].clean
            token = find_token(encoding, text.removeprefix(mark), prompt)
            name = f"{mark}{printable(encoding.pieces([token])[0])!r}"
            if mark == READ_BY:
                return Direction(name, wide(parts.w_u[:, token].detach()))
            ids = uploaded([[token]], parts.device)
            return Direction(name, wide(parts.token_embedding(ids)[0, 0].detach()))
    vector = _of_file(text).to(parts.device, wide_type(parts.dtype))
    if vector.shape != (parts.d_model,):
        raise WorkbenchError(
            f"{printable(text)} is a vector of {len(vector):,} numbers, and the residual stream of "
            f"{experiment.model.name} has {parts.d_model:,}."
        )
    if not bool(vector.isfinite().all()) or not float(vector.norm()):
        raise WorkbenchError(
            f"{printable(text)} is no direction: its numbers are zero or infinite."
        )
    return Direction(printable(text), vector)


def direction_lens(
    experiment: Experiment,
    *,
    direction: Direction | str | None = None,
    position: Position = -1,
    pair: int | None = None,
    k: int = 10,
    run: RunChoice = "clean",
    through: JacobianLens | None = None,
    after: int = -1,
) -> Ranking:
    """The tokens that a direction raises and lowers most, as a node's write would.

    Args:
        experiment: model, batch and recorded runs: the final norm has its scale there.
        direction: what is read, or the text that names it.
        position, pair, k, run: as for `logit_lens.logit_lens`.
        through: a Jacobian lens that carries it on to the last layer.
        after: which layer's residual it stands in, for such a lens; -1 is before the first.

    Raises:
        WorkbenchError: it names no direction, or as `logit_lens`.
    """
    check_k(k)
    found = _found(experiment, direction)
    runs = each_run(experiment, run, position=position, pair=pair)
    place = place_of(experiment, LOGITS, position, pair, run)
    parts = experiment.model.parts
    norm = FrozenNorm.of(experiment.parts.norm_final)
    vector, note = found.vector, ""
    if through is not None:
        through.check(experiment.model)
        depth = through.depth_at(after + 1, len(parts.layers))
        vector = through.carry(vector, depth)
        note = f", carried on from layer {depth - 1} by {through.note}," if depth else ""
    scale: Tensor | float = 0.0
    for sign, read in runs:
        scales = torch.cat([norm.scale(one.output(LOGITS)) for one in read])
        scale = scale + sign * scales.mean()
    normed = (norm.centre(vector) * norm.weight).to(parts.w_u.dtype)
    logits = wide(normed @ parts.w_u) * scale * parts.logit_scale
    logits = logits - logits.mean()
    top = token_values(experiment, logits, k, largest=True)
    bottom = token_values(experiment, logits, k, largest=False)
    values = tuple((token.token, token.value) for token in (*top, *reversed(bottom)))
    of = f"prompt {pair + 1}" if pair is not None else f"mean of {place.n_pairs}"
    shown = "" if place.run == "clean" else f", {RUN_WORDS[place.run]}"
    return Ranking(
        f"Lens of {found.name} {position_words(position)}, {of}{shown}",
        values,
        definition=(
            f"The direction, as long as it is,{note} through the final norm with the run's scale "
            "(frozen) and the unembedding, in logits, less their mean over the vocabulary."
            + difference_note(run)
        ),
    )


def along_direction(
    experiment: Experiment,
    *,
    direction: Direction | str | None = None,
    position: Position = -1,
    pair: int | None = None,
    run: RunChoice = "clean",
) -> Ranking:
    """How far every node writes along a direction, largest first; the sum is the residual's.

    Args and errors are those of `direction_lens`.
    """
    found = _found(experiment, direction)
    unit = found.vector / found.vector.norm()
    runs = each_run(experiment, run, position=position, pair=pair)
    place = place_of(experiment, LOGITS, position, pair, run)
    sources = experiment.model.graph.sources
    sums: list[Tensor] = []
    for sign, read in runs:
        selections = [one.read_by_logits() for one in read]
        share = sign / sum(len(one.rows) for one in selections)
        for one in selections:
            along = [
                (wide(read_by_logits(one.parts, one.output(node))) @ unit).sum().double()
                for node in (LOGITS, *sources)
            ]
            sums.append(share * torch.stack(along))
    whole, *lengths = array_of(torch.stack(sums).sum(0)).tolist()
    rows = dict(zip(sources, lengths, strict=True))
    rows[REST] = whole - sum(rows.values())
    of = f"prompt {pair + 1}" if pair is not None else f"mean of {place.n_pairs}"
    shown = "" if place.run == "clean" else f", {RUN_WORDS[place.run]}"
    return Ranking(
        f"Along {found.name} {position_words(position)}, {of}{shown}: residual {whole:+.4g}",
        tuple(sorted(rows.items(), key=lambda row: -abs(row[1]))),
        unit="length",
        definition=(
            "What each node writes, times the direction at length one: how far it moves the "
            "residual along it, in the residual's own units. All rows sum to the final residual's; "
            f"{REST!r} is biases and positions.{difference_note(run)}"
        ),
    )


def _found(experiment: Experiment, direction: Direction | str | None) -> Direction:
    if direction is None or direction == "":
        raise WorkbenchError(f"Name the direction that is to be read: {WAYS}.")
    if isinstance(direction, str):
        return find_direction(experiment, direction)
    return direction


def _of_file(text: str) -> Tensor:
    """The vector of a file, after whose name a tensor's name and a row may stand."""
    path, name, row = text, "", None
    while not os.path.exists(os.path.expanduser(path)) and ":" in path:
        path, _, last = path.rpartition(":")
        if row is None and last.isascii() and last.isdigit() and not name:
            row = int(last)
        else:
            name = f"{last}:{name}" if name else last
    if not os.path.exists(os.path.expanduser(path)):
        raise WorkbenchError(f"{printable(text)!r} names no direction: give {WAYS}.")
    tensors = _tensors(path)
    shown = shown_path(path)
    if not name and len(tensors) > 1:
        names = ", ".join(sorted(map(printable, tensors))[:6])
        raise WorkbenchError(f"{shown} holds several tensors; name one behind a colon: {names}.")
    if name and name not in tensors:
        raise WorkbenchError(f"{shown} holds no tensor {printable(name)!r}.")
    tensor = tensors[name] if name else next(iter(tensors.values()))
    if tensor.dim() == 2 and row is None and len(tensor) == 1:
        row = 0
    if tensor.dim() == 2 and row is None:
        raise WorkbenchError(f"{shown} holds {len(tensor):,} rows: name one behind a colon.")
    if tensor.dim() == 2 and row is not None:
        if row >= len(tensor):
            raise WorkbenchError(f"{shown} has rows 0 to {len(tensor) - 1}, and not {row}.")
        tensor = tensor[row]
    if tensor.dim() != 1 or not tensor.is_floating_point():
        raise WorkbenchError(f"{shown} holds no vector of fractions, nor rows of them.")
    return tensor


def _tensors(path: str) -> dict[str, Tensor]:
    """The tensors of a file by name; nothing in it is run."""
    found, shown = regular_file(path), shown_path(path)
    try:
        if found.suffix == ".npy":
            return {"": torch.from_numpy(np.load(found, allow_pickle=False).copy())}
        with open(found, "rb") as file:
            value = look_into_file(file)
        if value is not None:
            if is_tensor(value):
                return {"": load_tensors(found)}
            if isinstance(value, dict) and any(map(is_tensor, value.values())):
                loaded = load_tensors(found)
                return {str(k): v for k, v in loaded.items() if isinstance(v, Tensor)}
            raise WorkbenchError("It holds no tensors.")
        from safetensors.torch import load_file

        return dict(load_file(found))
    except WorkbenchError as error:
        sentence = str(error)
        raise WorkbenchError(
            f"{shown} cannot be used: {sentence[:1].lower()}{sentence[1:]}"
        ) from None
    except Exception:  # whatever readers find wrong with a file that is not of their own making
        raise WorkbenchError(
            f"{shown} cannot be used: it is no whole .npy, .pt or .safetensors file."
        ) from None
