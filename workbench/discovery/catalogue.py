"""The methods of discovery: their names, what they compute, and where they are.

Pure data, so that a list of them waits for nothing. Each method stands in a module of its own,
which defines

    find(experiment, findings, options) -> Work[None]

and fills in `findings` as it goes: what is there after each piece is right as far as it goes.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from workbench.base.work import Work
from workbench.discovery.options import Options
from workbench.errors import WorkbenchError
from workbench.experiment.ablations import ABLATIONS, PATCHING

if TYPE_CHECKING:
    from workbench.discovery.findings import Findings
    from workbench.experiment.experiment import Experiment

Kind = Literal["edges", "nodes", "search", "learned"]
"""What a method gives: scores of all edges, scores of nodes, or a circuit of its own."""

Find = Callable[["Experiment", "Findings", "Options"], Work[None]]


@dataclass(frozen=True)
class Method:
    """One method.

    Attributes:
        name: as the command line takes it.
        kind: what it gives.
        title: a few words.
        definition: one or two sentences with the formula, and the paper.
        module: where its `find` stands.
        options: names of fields of `Options` that it heeds.
        defaults: of those options where None would mean nothing.
        ablations: those it is defined for.
        slopes: it follows a metric's slope, so that metrics that change in steps are refused.
        unit: of its scores; "" if they are in units of the metric.
    """

    name: str
    kind: Kind
    title: str
    definition: str
    module: str
    options: tuple[str, ...] = ()
    defaults: dict[str, float] = field(default_factory=dict)
    ablations: tuple[str, ...] = tuple(ABLATIONS)
    slopes: bool = False
    unit: str = ""

    def find(self) -> Find:
        """The function that does it; importing it may load torch."""
        function: Find = importlib.import_module(f"workbench.discovery.methods.{self.module}").find
        return function


_METHODS = (
    Method(
        "eap",
        "edges",
        "edge attribution patching",
        "(e' - e) . dL/de at the clean run: two forward passes and one backward (Syed et al. 2023, "
        "2310.10348)",
        "eap",
        slopes=True,
    ),
    Method(
        "eap-ig",
        "edges",
        "EAP with integrated gradients over the inputs",
        "(e' - e) . mean of dL/de over m runs whose embeddings go from the corrupted prompt's, "
        "the first, towards the clean one's, which is left out (Hanna et al. 2024, 2403.17806)",
        "eap_ig",
        options=("steps",),
        defaults={"steps": 5},
        ablations=(PATCHING,),
        slopes=True,
    ),
    Method(
        "eap-ig-activations",
        "edges",
        "EAP with integrated gradients over each node's output",
        "for each source, (e' - e) . mean of dL/de over m runs in which its output goes from the "
        "ablated one, which is left out, to the clean one, which is the last (after the code of "
        "Hanna et al. 2024, 2403.17806)",
        "eap_ig_activations",
        options=("steps",),
        defaults={"steps": 5},
        slopes=True,
    ),
    Method(
        "clean-corrupted",
        "edges",
        "EAP with the mean of the gradients at both ends",
        "(e' - e) . mean of dL/de at the clean and at the corrupted run (after the code of Hanna "
        "et al. 2024, 2403.17806)",
        "clean_corrupted",
        ablations=(PATCHING,),
        slopes=True,
    ),
    Method(
        "gim",
        "edges",
        "EAP with gradient interaction modifications",
        "EAP with a backward pass whose softmax is taken at twice the temperature, whose norms' "
        "scales are frozen, and whose products share their gradient; no layers of experts (Edin et "
        "al. 2025, 2505.17630)",
        "gim",
        slopes=True,
    ),
    Method(
        "relp",
        "edges",
        "relevance patching",
        "EAP with a backward pass by rules of layer-wise relevance propagation: norms' scales "
        "frozen, activations as factors, products halved, attention patterns followed; no layers "
        "of experts (Jafari et al. 2025, 2508.21258)",
        "relp",
        slopes=True,
    ),
    Method(
        "exact",
        "edges",
        "exact effect of every edge in the full model",
        "m(model with the edge corrupted) - m(model), for every edge",
        "exact",
    ),
    Method(
        "ifr",
        "edges",
        "information flow routes",
        "the share of what a destination reads that the source writes, by closeness in L1 "
        "(Ferrando and Voita 2024, 2403.00824); the corrupted prompt plays no part",
        "ifr",
        unit="share",
    ),
    Method(
        "atp",
        "nodes",
        "attribution patching of nodes and MLP neurons",
        "(n' - n) . dL/dn at the clean run (Nanda 2023; Kramar et al. 2024, 2403.00745)",
        "atp",
        slopes=True,
    ),
    Method(
        "atp-star",
        "nodes",
        "attribution patching with QK fix and GradDrop (AtP*)",
        "AtP with the attention pattern recomputed for a patched query or key, averaged in "
        "magnitude over backward passes that each leave one layer out (Kramar et al. 2024, "
        "2403.00745)",
        "atp_star",
        slopes=True,
    ),
    Method(
        "activation-patching",
        "nodes",
        "activation patching of nodes, in all and by position",
        "m(model with the node's output corrupted, at one position or at all) - m(model), exact",
        "activation_patching",
    ),
    Method(
        "edge-pruning",
        "learned",
        "a mask on all edges learned by gradient, within an L0 budget",
        "a hard-concrete gate on every edge, trained towards the model's output (KL) while the "
        "expected number of open gates falls to what is asked for; the score is the probability "
        "that the gate is open (Bhaskar et al. 2024, 2406.16778; Louizos et al. 2018, 1712.01312)",
        "edge_pruning",
        options=("steps", "edges", "seed"),
        defaults={"steps": 400},
        unit="probability",
    ),
    Method(
        "acdc",
        "search",
        "automatic circuit discovery",
        "from the logits to the input, last source first, every edge is dropped whose loss makes "
        "the measure worse by less than tau, or changes it by less, the circuit being what is left "
        "so far (Conmy et al. 2023, 2304.14997)",
        "acdc",
        options=("threshold", "absolute", "measure"),
    ),
    Method(
        "greedy-growth",
        "search",
        "growth by exact effects, best edge first",
        "from the logits, the edge into a node already reached is added that brings the metric "
        "nearest the model's, beside its input without it; inputs that have no edge yet are as in "
        "the clean run. Gains are computed anew lazily, the largest first",
        "greedy_growth",
        options=("edges",),
    ),
    Method(
        "greedy-pruning",
        "search",
        "pruning by exact effects, least edge first",
        "the edge is dropped whose loss changes the metric least, and the dead ends it leaves, one "
        "after the other, until as many are left as asked for; it begins with the edges of largest "
        "|EAP|, four times as many. Changes are computed anew lazily, the least first",
        "greedy_pruning",
        options=("edges",),
    ),
)

METHODS: dict[str, Method] = {method.name: method for method in _METHODS}


def find_method(name: str) -> Method:
    """The method of this name.

    Raises:
        WorkbenchError: there is none.
    """
    if name not in METHODS:
        raise WorkbenchError(
            f"There is no method {name[:60]!r}; choose one of: {', '.join(METHODS)}."
        )
    return METHODS[name]
