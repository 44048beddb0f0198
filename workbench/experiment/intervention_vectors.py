"""The vectors of interventions: values of nodes in the model as it is, and directions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from workbench.base.home import meant_path
from workbench.base.numbers import wide
from workbench.base.transfers import uploaded
from workbench.errors import WorkbenchError
from workbench.experiment.interventions import (
    VECTORS,
    Intervention,
    packed,
    split_vector,
    unpacked,
)
from workbench.experiment.targets import Place, place_of, written_by
from workbench.transformer.neurons import with_neurons
from workbench.transformer.parts import ModelParts
from workbench.transformer.recording import Run, record_clean

if TYPE_CHECKING:
    from workbench.prompts.batch import Batch
    from workbench.prompts.encoding import Encoding

ROWS_AT_ONCE = 2048
"""Tokens that are run at once for a mean."""

_ROW = re.compile(r"(?P<path>.+?)(?:#(?P<name>[^#\[\]]+))?(?:\[(?P<row>\d+)\])?", re.DOTALL)


def node_value(parts: ModelParts, run: Run, place: Place) -> Tensor:
    """What a node wrote in a run, in its own space, [pair, position, width].

    Of a head its value before W_O, of a neuron its activation, width 1.
    """
    if place.kind == "input":
        return run.embedding
    if place.kind == "residual":
        last = place.layer == len(parts.layers)
        return run.final if last else run.layers[place.layer].attn_in
    layer = run.layers[place.layer]
    if place.kind == "head":
        return layer.z[place.index]
    if place.kind == "mlp":
        return layer.mlp_out
    tapped = with_neurons(parts.layers[place.layer])
    assert tapped is not None  # refused before
    with torch.no_grad():
        tapped[0].run_mlp(layer.mlp_in)
    return tapped[1].seen[..., place.index : place.index + 1]


def mean_value(parts: ModelParts, place: Place, tokens: Iterable[Tensor], *, last: bool) -> Tensor:
    """A node's mean over prompts [pair, position], [width]: at the last position, or over all."""
    total, count = None, 0
    for rows in tokens:
        for piece in rows.split(max(1, ROWS_AT_ONCE // rows.shape[1])):
            value = wide(node_value(parts, record_clean(parts, piece), place))
            value = (value[:, -1:] if last else value).flatten(0, 1)
            total = value.sum(0) if total is None else total + value.sum(0)
            count += len(value)
    if total is None:
        raise WorkbenchError("There are no prompts to take a mean over.")
    return total / count


class Vectors:
    """The vectors of interventions on one model and one set of pairs.

    Args:
        parts: of the model as it is, without interventions.
        batch: of whose prompts means and differences are taken; None where there is none.
    """

    def __init__(self, parts: ModelParts, encoding: Encoding, batch: Batch | None) -> None:
        self._parts = parts
        self._encoding = encoding
        self._batch = batch
        self._known: dict[tuple[str, str, str], Tensor] = {}

    def of(self, one: Intervention, node: str) -> Tensor:
        """A vector [width] or, of a text, one for each of its tokens [position, width].

        `corrupted` is no such vector: it differs from pair to pair.

        Raises:
            WorkbenchError: it cannot be had.
        """
        key = (node, one.vector, one.data)
        if key not in self._known:
            self._known[key] = self._found(one, node)
        return self._known[key]

    def _found(self, one: Intervention, node: str) -> Tensor:
        place = place_of(node)
        if one.number is not None:
            return torch.tensor([one.number])
        unit, kind, of = split_vector(one.vector)
        vector = wide(self._read(one, place, kind, of))
        if not unit:
            return vector
        length = vector.norm(dim=-1, keepdim=True)
        if bool((length == 0).any()):
            raise WorkbenchError(f"{one.vector} is zero at {node}: it has no direction.")
        return vector / length

    def _read(self, one: Intervention, place: Place, kind: str, of: Sequence[str]) -> Tensor:
        parts = self._parts
        if one.data:
            vector = torch.tensor(unpacked(one.data))
            if kind == "file" and len(vector) != parts.d_model:
                raise WorkbenchError(
                    f"The vector has {len(vector):,} numbers and the residual {parts.d_model:,}."
                )
            return vector
        if kind == "zero":
            return torch.zeros(self._width(place))
        if kind == "token":
            return parts.w_u[:, self._token(of[0])]
        if kind == "prompt":
            tokens = self._encoding.prompts([of[0]])
            if not tokens[0]:
                raise WorkbenchError("The text of an intervention is empty.")
            rows = uploaded(tokens, parts.device)
            return node_value(parts, record_clean(parts, rows), place)[0]
        if kind == "file":
            return file_row(of[0])
        if kind == "difference" and of:
            right, wrong = (
                mean_value(parts, place, self._file_prompts(path), last=True) for path in of
            )
            return right - wrong
        return self._of_pairs(place, kind)

    def _of_pairs(self, place: Place, kind: str) -> Tensor:
        if self._batch is None:
            raise WorkbenchError(f"{kind} is taken of a task's prompts, and there is no task here.")
        groups = self._batch.groups
        clean = [group.clean for group in groups]
        if kind == "mean":
            return mean_value(self._parts, place, clean, last=False)
        if all(torch.equal(group.clean, group.corrupted) for group in groups):
            raise WorkbenchError("These pairs have no corrupted prompts to take a difference to.")
        other = mean_value(self._parts, place, [group.corrupted for group in groups], last=True)
        return mean_value(self._parts, place, clean, last=True) - other

    def _width(self, place: Place) -> int:
        if place.kind == "neuron":
            return 1
        if place.kind == "head":
            return int(self._parts.layers[place.layer].attention.w_o.shape[1])
        return self._parts.d_model

    def _token(self, text: str) -> int:
        ids = self._encoding.tokenizer(text, add_special_tokens=False)["input_ids"]
        if len(ids) != 1:
            raise WorkbenchError(
                f"{text!r} is {len(ids)} tokens of this model; name one, with its leading space."
            )
        return int(ids[0])

    def _file_prompts(self, path: str) -> list[Tensor]:
        try:
            lines = meant_path(path).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise WorkbenchError(f"The prompts in {path} cannot be read: {error}.") from None
        texts = [line for line in lines if line.strip()]
        if not texts:
            raise WorkbenchError(f"There are no prompts in {path}: write one on each line.")
        ids = self._encoding.prompts(texts)
        return [uploaded([row], self._parts.device) for row in ids]


def with_data(one: Intervention, vectors: Vectors) -> Intervention:
    """The same with the numbers of its files in it, so that it stays what it is."""
    if one.do in ("scale", "hide") or one.data or one.number is not None:
        return one
    unit, kind, of = split_vector(one.vector)
    if kind != "file" and not (kind == "difference" and of):
        return one
    bare = replace(one, vector=one.vector.removeprefix("unit:")) if unit else one
    return replace(one, data=packed(vectors.of(bare, written_by(one.nodes[0])).tolist()))


def file_row(where: str) -> Tensor:
    """A row of a tensor in a safetensors file, `FILE#NAME[ROW]`; NAME if it has several.

    Raises:
        WorkbenchError: there is no such file, tensor or row.
    """
    from safetensors import SafetensorError, safe_open

    found = _ROW.fullmatch(where)
    if found is None:
        raise WorkbenchError(f"This is how it is written: {VECTORS['file']}.")
    path, name, row = meant_path(found["path"]), found["name"], found["row"]
    try:
        with safe_open(str(path), framework="pt") as file:
            names = list(file.keys())
            if name is None and len(names) == 1:
                name = names[0]
            if name not in names:
                some = ", ".join(names[:8])
                raise WorkbenchError(f"Name a tensor of {path} behind #: it holds {some}.")
            tensor = file.get_tensor(name)
    except (OSError, SafetensorError) as error:
        raise WorkbenchError(f"The file {path} cannot be read as safetensors: {error}.") from None
    if row is not None:
        if tensor.dim() < 2 or int(row) >= len(tensor):
            raise WorkbenchError(
                f"The tensor {name} of shape {list(tensor.shape)} has no row {row}."
            )
        tensor = tensor[int(row)]
    if tensor.dim() != 1 or not tensor.is_floating_point():
        raise WorkbenchError(
            f"{name} has shape {list(tensor.shape)}: name a row that is a vector of floats, [ROW]."
        )
    return wide(tensor)
