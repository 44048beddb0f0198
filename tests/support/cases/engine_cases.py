"""Tiny models, pairs and references for the engine's tests, made once per test run."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tests.support.cases.batches import batch_of
from tests.support.references.engine import Reference
from tests.support.tiny_models import tiny_gpt2, tiny_llama, tiny_neox
from workbench.circuits.circuit import Circuit, all_edges
from workbench.circuits.graph import Graph
from workbench.circuits.names import edge_ends
from workbench.experiment.experiment import Experiment
from workbench.models.model import Model
from workbench.prompts.batch import Group

N_PAIRS, N_POSITIONS = 4, 7
MAKERS = {
    "gpt2": lambda: tiny_gpt2(layers=3),
    "llama": lambda: tiny_llama(layers=3),
    "neox": lambda: tiny_neox(layers=3),
    "neox-sequential": lambda: tiny_neox(layers=2, parallel=False),
}
FAMILIES = tuple(MAKERS)


@dataclass
class Case:
    """A model with two groups of random pairs of different length, and the reference for each
    group.
    """

    model: Model
    experiment: Experiment
    references: list[Reference]
    answers: list[tuple[tuple[int, ...], ...]]
    wrong: list[tuple[tuple[int, ...], ...]]

    @property
    def graph(self) -> Graph:
        return self.experiment.graph

    def metric(self, logits: list[Tensor]) -> NDArray[np.float64]:
        """Logit difference [pair] in the task's order, from each group's [pair, vocabulary]."""
        values = np.empty(self.experiment.n_pairs)
        for group, right, wrong, rows in zip(
            self.experiment.batch.groups, self.answers, self.wrong, logits, strict=True
        ):
            for i, place in enumerate(group.indices):
                values[place] = float(
                    rows[i, list(right[i])].mean() - rows[i, list(wrong[i])].mean()
                )
        return values

    def circuit_metric(self, edges: set[str], opened: Any = ()) -> NDArray[np.float64]:
        return self.metric([r.circuit(edges, opened) for r in self.references])


@cache
def case(family: str, start: int = 2) -> Case:
    """The prompts of a pair differ from position `start` on."""
    hf, tokenizer = MAKERS[family]()
    generator = torch.Generator().manual_seed(7)
    groups, references = [], []
    answers: list[tuple[tuple[int, ...], ...]] = []
    wrong: list[tuple[tuple[int, ...], ...]] = []
    places = [(0, 2, 3), (1, 4)]
    for length, indices in zip((N_POSITIONS, N_POSITIONS - 2), places, strict=True):
        n, words = len(indices), len(tokenizer)
        clean = torch.randint(2, words, (n, length), generator=generator)
        corrupted = clean.clone()
        corrupted[:, start] = (clean[:, start] + 1 - 2) % (words - 2) + 2
        corrupted[::2, -2] = torch.randint(2, words, (len(clean[::2]),), generator=generator)
        right = tuple((3 + i, 5 + i) for i in range(n))
        bad = tuple((9 + i,) for i in range(n))
        groups.append(Group(indices, clean, corrupted, right, bad, start))
        references.append(Reference(in_float64(hf), clean, corrupted))
        answers.append(right)
        wrong.append(bad)
    model = Model.from_hf(hf, tokenizer, name=family, device="cpu")
    experiment = Experiment(model, batch_of(groups))
    return Case(model, experiment, references, answers, wrong)


@cache
def ablated_case(family: str, ablation: str) -> Case:
    """The same pairs, every dropped edge carrying a constant; the reference likewise."""
    return ablated(case(family), ablation)


def ablated(plain: Case, ablation: str) -> Case:
    """A case with constants in place of the corrupted run."""
    experiment = Experiment(plain.model, plain.experiment.batch, ablation=ablation)
    groups = plain.experiment.batch.groups
    references = []
    for group, reference in zip(groups, plain.references, strict=True):
        other = copy.copy(reference)
        other.corrupted_writes = {
            name: stand_in(
                ablation,
                group.clean,
                value,
                [g.clean for g in groups],
                [r.clean_writes[name] for r in plain.references],
            )
            for name, value in reference.clean_writes.items()
        }
        references.append(other)
    return Case(plain.model, experiment, references, plain.answers, plain.wrong)


def in_float64(model: Any) -> Any:
    """A copy of a transformers model in float64, for references.

    A reference makes a destination's input of the whole residual less what is not kept. In float32
    that leaves the rounding of the whole residual, and where little is kept (with zero ablation,
    nothing but the kept sources' own writes) the norm makes much of it.
    """
    copied = copy.deepcopy(model).double()
    # The faster ways to compute experts know no float64.
    copied.set_experts_implementation("eager")
    return copied


def stand_in(
    ablation: str, tokens: Tensor, own: Tensor, data: list[Tensor], writes: list[Tensor]
) -> Tensor:
    """What a source writes in an ablated run of these tokens, token by token.

    Args:
        tokens: [pair, position]; own: what it writes on them, [pair, position, d_model].
        data: the prompts over which means are taken, some of each length; writes: what the source
            writes on them.
    """
    if ablation == "zero":
        return torch.zeros_like(own)
    every = torch.cat([value.flatten(0, 1) for value in writes]).double().mean(0)
    out = torch.empty_like(own)
    for pair in range(tokens.shape[0]):
        for position in range(tokens.shape[1]):
            if ablation == "mean":
                out[pair, position] = every
                continue
            rows = [
                (prompts[row, position], value[row, position])
                for prompts, value in zip(data, writes, strict=True)
                for row in range(len(prompts))
                if prompts.shape[1] == tokens.shape[1]
            ]
            same = [value for token, value in rows if token == tokens[pair, position]]
            chosen = same if ablation == "context-mean" and same else [v for _, v in rows]
            out[pair, position] = torch.stack(chosen).double().mean(0)
    return out


def expected_effect(c: Case, circuit: Circuit, edge: str, setting: str) -> float:
    """An edge's effect in a setting, by the references."""
    every, kept = set(c.graph.edges()), set(circuit.edges())
    clean = c.experiment.clean.metric
    if setting == "full":
        return float(c.circuit_metric(every - {edge}).mean()) - clean
    if setting == "along":
        return float(c.metric([r.along(edge, kept) for r in c.references]).mean()) - clean
    without, with_it = c.circuit_metric(kept - {edge}), c.circuit_metric(kept | {edge})
    return float(without.mean() - with_it.mean())


def random_circuit(graph: Graph, density: float, seed: int, share_open: float = 0.0) -> Circuit:
    """Every edge kept with this probability, every destination open with that one."""
    rng = np.random.default_rng(seed)
    circuit = Circuit.empty(graph)
    circuit.mask = all_edges(graph) & (rng.random(circuit.mask.shape) < density)
    circuit.open = frozenset(d for d in graph.destinations if rng.random() < share_open)
    for name in circuit.open:
        circuit.mask[:, graph.destination_index(name)] = False
    return circuit


def some_edges(graph: Graph, n: int, seed: int, without: frozenset[str] = frozenset()) -> list[str]:
    """Different random edges, none into the destinations `without`."""
    edges = [e for e in graph.edges() if edge_ends(e)[1] not in without]
    return [str(e) for e in np.random.default_rng(seed).choice(edges, n, replace=False)]
