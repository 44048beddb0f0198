"""A model with interventions: the engine's parts of it, which do what is asked.

All that computes with a model reads its parts, so nothing else has to know. A head's value z before
W_O, an MLP's output, a neuron and the embedding each become factor * x + offset at some positions;
what is added to the residual before a layer is added to what the node before it writes, of which it
is the sum's last term. What is done to edges widens the residual, see `transformer.edge_edits`.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from workbench.base.transfers import array_of, kept_index, uploaded
from workbench.circuits.names import is_edge
from workbench.errors import WorkbenchError
from workbench.experiment.hidden_attention import with_knockouts
from workbench.experiment.intervened_edges import (
    ChangedSum,
    blocks_of,
    check_readers,
    reader_of,
)
from workbench.experiment.intervention_vectors import Vectors, node_value, with_data
from workbench.experiment.interventions import (
    Intervention,
    split_vector,
)
from workbench.experiment.knockouts import read_knockout
from workbench.experiment.positions import positions_at, positions_of_role
from workbench.experiment.targets import Place, place_of, readers_of, written_by
from workbench.transformer.edge_edits import Reader, Source, with_edges
from workbench.transformer.edits import EditedEmbedding, EditedLinear, HeadEdit, ValueEdit
from workbench.transformer.neurons import with_neurons
from workbench.transformer.parts import Layer, ModelParts
from workbench.transformer.recording import Run, record_clean

if TYPE_CHECKING:
    from workbench.circuits.graph import Graph
    from workbench.prompts.batch import Batch
    from workbench.prompts.encoding import Encoding


class Intervened:
    """Interventions on a model, ready to be done.

    Args:
        parts: of the model as it is.
        graph: the model's.
        interventions: done in this order.
        encoding: of texts.
        batch: whose prompts means and differences are of.

    Attributes:
        interventions: with the numbers of their files.

    Raises:
        WorkbenchError: the model has no such node, or a vector cannot be had.
    """

    def __init__(
        self,
        parts: ModelParts,
        graph: Graph,
        interventions: Sequence[Intervention],
        encoding: Encoding,
        batch: Batch | None = None,
    ) -> None:
        self._plain = parts
        self._graph = graph
        self._vectors = Vectors(parts, encoding, batch)
        for one in interventions:
            one.check(graph)
            for node in one.nodes:
                if is_edge(node):
                    self._check_edge(one, node)
                else:
                    _check_neuron(parts, node)
        if batch is not None:
            batch.grouped_at(roles_at(interventions))  # so that a role that is not there is told
        self.interventions = tuple(with_data(one, self._vectors) for one in interventions)
        for one in self.interventions:
            if one.do not in ("scale", "hide") and _kind(one) != "corrupted":
                for node in one.nodes:
                    self._vectors.of(
                        one, written_by(node)
                    )  # so that what cannot be had is told at once

    def _check_edge(self, one: Intervention, edge: str) -> None:
        for reader in readers_of(edge, self._graph):
            check_readers(self._plain, edge, reader_of(self._graph, reader))
        source = place_of(written_by(edge))
        behind = source.kind == "head" and self._plain.layers[source.layer].post_attention
        if behind and one.do != "scale":
            raise WorkbenchError(
                f"{edge}: a norm follows all heads of this layer together, so that what one of "
                "them writes is no vector of its own; it can be scaled."
            )

    @property
    def of_edges(self) -> bool:
        """Whether something is done to an edge."""
        return any(is_edge(node) for one in self.interventions for node in one.nodes)

    def again(self, interventions: Sequence[Intervention]) -> Intervened:
        """Others whose vectors are known already, such as the same with another factor."""
        other = copy.copy(self)
        other.interventions = tuple(interventions)
        return other

    def grouped(self, batch: Batch) -> Batch:
        """A batch in whose groups every role at which something is done has the same positions.

        Raises:
            WorkbenchError: a pair does not have such a role.
        """
        return batch.grouped_at(roles_at(self.interventions))

    def parts(
        self, tokens: Tensor, corrupted: Tensor | None, prompt: int, roles: Sequence[str] = ()
    ) -> ModelParts:
        """The parts for sequences of one length.

        Args:
            tokens: [pair, position].
            corrupted: of the same shape; None where there are none.
            prompt: how many of the tokens are the prompt's, in which positions are counted.
            roles: of the prompt's positions, the same in all pairs; empty where there are none.

        Raises:
            WorkbenchError: a prompt has no such position or role, or there is no corrupted one to
                read.
        """
        sums: dict[Place, ChangedSum] = {}
        edges: dict[tuple[Source, Reader], ChangedSum] = {}
        n = tokens.shape[1]
        hidden = [
            read_knockout(one.vector, of_role=lambda role: positions_of_role(role, roles))
            for one in self.interventions
            if one.do == "hide"
        ]
        for one in self.interventions:
            if one.do == "hide":
                continue
            at = positions_at(one.at, prompt, n, roles)
            for node in one.nodes:
                if is_edge(node):
                    own = self._of_edge(edges, node, n)
                else:
                    own = [sums.setdefault(place_of(node), ChangedSum(self._ones(n)))]
                for place in own:
                    if one.do != "add":
                        place.scale(at, one.factor if one.do == "scale" else 0.0)
                if one.do == "scale":
                    continue
                value, beside = self._value(one, node, at, corrupted, prompt)
                for place in own:
                    place.add(at, value * one.factor, beside=beside)
        parts = self._changed(sums, n)
        if hidden:
            parts = with_knockouts(parts, hidden, n, prompt)
        if not edges:
            return parts
        added: dict[Source, Tensor] = {
            (place.layer, place.index): own.added
            for place, own in sums.items()
            if place.kind == "head" and own.added is not None
        }
        return with_edges(parts, blocks_of(edges), added)

    def _of_edge(
        self, edges: dict[tuple[Source, Reader], ChangedSum], edge: str, n: int
    ) -> list[ChangedSum]:
        """What is done so far to each of the edges that a name stands for."""
        place = place_of(written_by(edge))
        source = (place.layer, place.index if place.kind == "head" else None)
        return [
            edges.setdefault((source, reader_of(self._graph, one)), ChangedSum(self._ones(n)))
            for one in readers_of(edge, self._graph)
        ]

    def _ones(self, n: int) -> Tensor:
        return torch.ones(n, 1, dtype=self._plain.dtype, device=self._plain.device)

    def _value(
        self, one: Intervention, node: str, at: list[int], corrupted: Tensor | None, prompt: int
    ) -> tuple[Tensor, bool]:
        """A vector at some positions, [pair or 1, position or 1, width], and if it goes beside.

        The latter of a head, whose own values are d_head wide, where it is in d_model. Edges carry
        vectors of d_model.
        """
        place, parts, kind = place_of(written_by(node)), self._plain, _kind(one)
        in_edge = is_edge(node)
        unit = kind and split_vector(one.vector)[0]
        if kind == "corrupted":
            if corrupted is None:
                raise WorkbenchError("There is no corrupted prompt here to take a value from.")
            value = node_value(parts, self._corrupted_run(corrupted), place)
            value = value[:, kept_index(tuple(at), value.device)]
        else:
            bare = replace(one, vector=one.vector.removeprefix("unit:")) if in_edge else one
            vector = self._vectors.of(bare, written_by(node))
            if vector.dim() == 2:
                rows = kept_index(tuple(_from_the_end(at, prompt, len(vector))), vector.device)
                vector = vector[rows]
            value = vector.reshape(1, -1, vector.shape[-1])
            unit = unit and in_edge
        value = uploaded(value, parts.device, parts.dtype)
        whole = kind in ("token", "file")
        if in_edge and place.kind == "head" and not whole:
            attention = parts.layers[place.layer].attention
            value = value @ attention.w_o[place.index] * attention.multiplier
        if unit:
            length = value.norm(dim=-1, keepdim=True)
            if array_of((length == 0).any()):
                raise WorkbenchError(f"{one.vector} is zero at {node}: it has no direction.")
            value = value / length
        return value, place.kind == "head" and whole and not in_edge

    def _corrupted_run(self, tokens: Tensor) -> Run:
        known: tuple[Tensor, Run] | None = getattr(self, "_last", None)
        if known is None or known[0] is not tokens:
            known = (tokens, record_clean(self._plain, tokens))
            self._last = known
        return known[1]

    def _changed(self, sums: dict[Place, ChangedSum], n: int) -> ModelParts:
        parts = self._plain
        layers = [self._layer(index, layer, sums, n) for index, layer in enumerate(parts.layers)]
        embedding = parts.token_embedding
        edit = self._value_edit(sums.get(Place("input")), sums.get(Place("residual", 0)))
        if edit is not None:
            embedding = EditedEmbedding(embedding, edit)
        by_pair = any(s.offset is not None and len(s.offset) > 1 for s in sums.values())
        return replace(parts, layers=tuple(layers), token_embedding=embedding, by_pair=by_pair)

    def _layer(self, index: int, layer: Layer, sums: dict[Place, ChangedSum], n: int) -> Layer:
        heads = {p.index: s for p, s in sums.items() if p.kind == "head" and p.layer == index}
        if heads:
            edit = self._head_edit(heads, n)
            layer = replace(layer, attention=replace(layer.attention, edit=edit))
        neurons = {p.index: s for p, s in sums.items() if p.kind == "neuron" and p.layer == index}
        if neurons:
            layer = self._with_neurons(layer, neurons, n)
        own = self._value_edit(
            sums.get(Place("mlp", index)), sums.get(Place("residual", index + 1))
        )
        return layer if own is None else replace(layer, edit=own)

    def _value_edit(self, node: ChangedSum | None, residual: ChangedSum | None) -> ValueEdit | None:
        """What is done to a node and then to the residual behind it."""
        if node is None or residual is None:
            only = node or residual
            return None if only is None else ValueEdit(only.factor, only.offset)
        offset = node.offset
        if residual.offset is not None:
            offset = residual.offset if offset is None else offset + residual.offset
        return ValueEdit(node.factor, offset)

    def _head_edit(self, heads: dict[int, ChangedSum], n: int) -> HeadEdit:
        parts = self._plain
        factor = self._ones(n).repeat(parts.n_heads, 1, 1)
        offsets = [s.offset for s in heads.values() if s.offset is not None]
        offset = added = None
        if offsets:
            pairs = max(map(len, offsets))
            offset = factor.new_zeros(parts.n_heads, pairs, n, offsets[0].shape[-1])
        for head, own in heads.items():
            factor[head] = own.factor
            if own.offset is not None:
                assert offset is not None
                offset[head] = own.offset
            if own.added is not None:
                added = own.added if added is None else added + own.added
        return HeadEdit(factor, offset, added)

    def _with_neurons(self, layer: Layer, neurons: dict[int, ChangedSum], n: int) -> Layer:
        tapped = with_neurons(layer)
        assert tapped is not None  # refused before
        layer, tap = tapped
        width = _n_neurons(tap.linear)
        factor = self._ones(n).repeat(1, width)
        offsets = [s.offset for s in neurons.values() if s.offset is not None]
        offset = None
        if offsets:
            offset = factor.new_zeros(max(map(len, offsets)), n, width)
        for index, own in neurons.items():
            factor[:, index] = own.factor[:, 0]
            if own.offset is not None:
                assert offset is not None
                offset[..., index] = own.offset[..., 0]
        edited = EditedLinear(tap.linear, ValueEdit(factor, offset))
        for module in layer.mlp.modules():
            for name, child in module.named_children():
                if child is tap:
                    module.add_module(name, edited)
                    return layer
        # The MLP is no more than its last map.
        return replace(layer, mlp=edited)


def roles_at(interventions: Sequence[Intervention]) -> tuple[str, ...]:
    """The token roles at which anything of this is done."""
    return tuple(dict.fromkeys(role for one in interventions for role in one.roles))


def _kind(one: Intervention) -> str:
    return "" if one.number is not None else split_vector(one.vector)[1]


def _from_the_end(at: list[int], prompt: int, there: int) -> list[int]:
    """Where positions stand in a text of so many tokens, counted from the end of both."""
    places = [min(position - prompt, -1) + there for position in at]
    if places and min(places) < 0:
        raise WorkbenchError(
            f"The text of an intervention has {there} tokens, and position "
            f"{at[0] - prompt} is asked for: give a longer text, or fewer positions (at -1)."
        )
    return places


def _check_neuron(parts: ModelParts, node: str) -> None:
    place = place_of(node)
    if place.kind != "neuron":
        return
    tapped = with_neurons(parts.layers[place.layer])
    if tapped is None:
        raise WorkbenchError(
            f"{node}: the MLP is a layer of experts, which has no one set of neurons."
        )
    width = _n_neurons(tapped[1].linear)
    if place.index >= width:
        raise WorkbenchError(f"There is no neuron {node}: the MLP has {width:,}, counted from 0.")


def _n_neurons(linear: nn.Module) -> int:
    """How many neurons the last linear map of an MLP takes."""
    weight = linear.weight
    assert isinstance(weight, Tensor)
    # A Conv1D's weight is [in, out], a Linear's [out, in].
    return int(weight.shape[0] if type(linear).__name__ == "Conv1D" else weight.shape[1])
