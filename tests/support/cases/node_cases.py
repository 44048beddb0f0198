"""Cases for methods that score nodes: tiny models, pairs of two lengths, references by hooks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tests.support.cases.batches import batch_of
from tests.support.cases.family_cases import model_of
from tests.support.references.node import NodeReference
from workbench.base.work import finish
from workbench.circuits.graph import Graph
from workbench.discovery.catalogue import find_method
from workbench.discovery.findings import Findings
from workbench.discovery.options import Options
from workbench.experiment.experiment import Experiment
from workbench.models.model import Model
from workbench.prompts.batch import Group

NAMES = ("gpt2", "llama", "gpt_neox", "gemma2")
"""LayerNorm and learned positions; grouped queries; parallel blocks; post-norms, windows, caps."""
PLACES = ((3, 0, 2), (1,))
LENGTHS, STARTS = (8, 6), (3, 2)


@dataclass
class NodeCase:
    """A model on two groups of pairs, and the reference of each group.

    Attributes:
        groups: of the batch; the references are in their order.
    """

    experiment: Experiment
    groups: tuple[Group, ...]
    references: list[NodeReference]

    @property
    def graph(self) -> Graph:
        return self.experiment.graph

    @property
    def n_pairs(self) -> int:
        return self.experiment.n_pairs

    def metric(self, group: int, logits: Tensor) -> Tensor:
        """Logit difference [pair] of a group's logits [pair, vocabulary]."""
        g = self.groups[group]
        return torch.stack(
            [
                row[list(right)].mean() - row[list(wrong)].mean()
                for row, right, wrong in zip(logits, g.answers, g.wrong_answers, strict=True)
            ]
        )

    def effect(self, group: int, logits: Tensor) -> NDArray[np.float64]:
        """Change of the metric [pair] from the clean run's."""
        clean = self.references[group].clean_logits
        return (self.metric(group, logits) - self.metric(group, clean)).numpy()

    def found(self, method: str, experiment: Experiment | None = None, **options: Any) -> Findings:
        """What a method finds."""
        experiment = experiment or self.experiment
        findings = Findings.of(experiment.graph, method, experiment.metric_name)
        finish(find_method(method).load()(experiment, findings, Options(**options)))
        assert findings.complete
        return findings

    def by_pair(self) -> list[Experiment]:
        """An experiment for each pair alone."""
        alone = []
        for g in self.groups:
            for i in range(len(g.indices)):
                rows = slice(i, i + 1)
                one = replace(
                    g,
                    indices=(0,),
                    clean=g.clean[rows],
                    corrupted=g.corrupted[rows],
                    answers=g.answers[rows],
                    wrong_answers=g.wrong_answers[rows],
                )
                alone.append(workspace_of(self.experiment.model, (one,)))
        return alone


def workspace_of(model: Model, groups: tuple[Group, ...], **settings: Any) -> Experiment:
    return Experiment(model, batch_of(groups), **settings)


@cache
def node_case(name: str) -> NodeCase:
    """A tiny model of a family with random pairs."""
    return case_of(model_of(name))


def case_of(model: Model) -> NodeCase:
    """A model with random pairs."""
    generator = torch.Generator().manual_seed(11)
    words = model.info.vocabulary
    groups, references = [], []
    for indices, length, start in zip(PLACES, LENGTHS, STARTS, strict=True):
        n = len(indices)
        clean = torch.randint(2, words, (n, length), generator=generator)
        corrupted = clean.clone()
        corrupted[:, start] = (clean[:, start] + 1 - 2) % (words - 2) + 2
        corrupted[::2, -2] = torch.randint(2, words, (len(clean[::2]),), generator=generator)
        right = tuple((3 + i, 5 + i) for i in range(n))
        wrong = tuple((9 + i,) for i in range(n))
        groups.append(Group(indices, clean, corrupted, right, wrong, start))
        references.append(NodeReference(model.hf, clean, corrupted))
    return NodeCase(workspace_of(model, tuple(groups)), tuple(groups), references)
