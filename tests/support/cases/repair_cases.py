"""Tiny models on random pairs, and what plain transformers say of direct and total effects."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from tests.support.cases.family_cases import model_of
from tests.support.cases.node_cases import NodeCase, case_of
from tests.support.references.repair import RepairReference

FAMILIES = (
    "gpt2",
    "gpt_neo",
    "gptj",
    "gpt_neox",
    "llama",
    "qwen3",
    "gemma2",
    "olmo2",
    "cohere",
    "phi",
)
"""Parallel and sequential blocks, biases, grouped queries, post-norms, soft caps, factors."""


@dataclass
class RepairCase:
    """A model on two groups of pairs, with a reference of each."""

    nodes: NodeCase
    references: list[RepairReference]

    def sides(self, group: int, target: str, run: str = "clean") -> tuple[list, list]:
        """Token ids on both sides of the target, pair by pair."""
        if target == "top":
            reference = self.references[group]
            logits = (reference.clean if run == "clean" else reference.corrupted).logits
            return [(int(t),) for t in logits.argmax(-1)], [()] * len(logits)
        g = self.nodes.groups[group]
        return list(g.answers), list(g.wrong_answers)

    def expected(
        self, sets: list[tuple[str, ...]], *, zero: bool = False, target: str = "answers"
    ) -> dict[str, NDArray[np.float64]]:
        """Means over pairs: `total` [set], `metric` [set], `direct` and `changes` [set, source]."""
        n = self.nodes.n_pairs
        total, metric = np.zeros(len(sets)), np.zeros(len(sets))
        sources = self.references[0].sources()
        writes, changes = np.zeros(len(sources)), np.zeros((len(sets), len(sources)))
        for number, reference in enumerate(self.references):
            right, wrong = self.sides(number, target)
            before = reference.difference(reference.clean.logits, right, wrong)
            own = reference.direct(reference.clean, right, wrong)
            writes += [float(own[s].sum()) / n for s in sources]
            for i, nodes in enumerate(sets):
                new = {node: 0.0 if zero else reference.instead(node) for node in nodes}
                run = reference.run(new)
                after = reference.difference(run.logits, right, wrong)
                total[i] += float((after - before).sum()) / n
                metric[i] += self.nodes.effect(number, run.shown).sum() / n
                now = reference.direct(run, right, wrong)
                changes[i] += [float((now[s] - own[s]).sum()) / n for s in sources]
        return {"total": total, "metric": metric, "writes": writes, "changes": changes}


@cache
def repair_case(family: str) -> RepairCase:
    """A tiny model of a family with random pairs of two lengths."""
    nodes = case_of(model_of(family))
    return RepairCase(nodes, [RepairReference(r) for r in nodes.references])
