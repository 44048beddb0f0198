"""The methods of discovery: their names, what they compute, and where they are.

Pure data, so that a list of them waits for nothing. Each method names its function,

    find(experiment, findings, options) -> Work[None]

which fills in `findings` as it goes: what is there after each piece is right as far as it goes.

Glossary: docs/glossary.md#searches.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from workbench.base.work import Work
from workbench.discovery.options import (
    ABSOLUTE,
    BY_ROLE,
    EDGES,
    MEASURE,
    SEED,
    THRESHOLD,
    Flag,
    Number,
    OneOf,
    Option,
    Options,
    Whole,
    steps,
)
from workbench.experiment.ablations import ABLATIONS, PATCHING
from workbench.plugins import Catalogue, resolve

if TYPE_CHECKING:
    from workbench.discovery.findings import Findings
    from workbench.experiment.experiment import Experiment

__all__ = ["METHODS", "Flag", "Method", "Number", "OneOf", "Whole", "find_method"]

Kind = Literal["edges", "nodes", "search", "learned"]
"""What a method gives: scores of all edges, scores of nodes, or a circuit of its own."""

Find = Callable[["Experiment", "Findings", "Options"], Work[None]]

_HERE = "workbench.discovery.methods"


@dataclass(frozen=True)
class Method:
    """One method.

    Attributes:
        name: as the command line takes it.
        kind: what it gives.
        title: a few words.
        definition: one or two sentences with the formula, and the paper.
        find: its function, as "package.module:name".
        options: what it can be told, as fields.
        ablations: those it is defined for.
        slopes: it follows a metric's slope, so that metrics that change in steps are refused.
        unit: of its scores; "" if they are in units of the metric.
        select: how edges are selected from its scores where nothing is said.
        adds_up: its scores are means over pairs of what each pair gives by itself, so that more
            pairs than memory holds at once can be scored some at a time.
        by_role: it scores edges at roles of the prompts, where that is asked for: by the selection
            from scores, or by the option `by_role` of a search or a learned mask.
        per_pair: the function that makes its `Scorer` of single pairs from options, as
            "package.module:name"; None if it has none.
    """

    name: str
    kind: Kind
    title: str
    definition: str
    find: str
    options: tuple[Option, ...] = ()
    ablations: tuple[str, ...] = tuple(ABLATIONS)
    slopes: bool = False
    unit: str = ""
    select: Literal["top", "greedy"] = "top"
    adds_up: bool = False
    per_pair: str | None = None
    by_role: bool = False

    def load(self) -> Find:
        """The function that does it; importing it may load torch.

        Raises:
            WorkbenchError: it is not to be found.
        """
        function: Find = resolve(self.find)
        return function

    @property
    def option_names(self) -> tuple[str, ...]:
        """The names of its options."""
        return tuple(field.name for field in self.options)

    @property
    def defaults(self) -> dict[str, Any]:
        """What its options are where nothing is said, for those that then mean something."""
        return {field.name: field.default for field in self.options if field.default is not None}

    def to_json(self) -> dict[str, Any]:
        """Plain values, its options with their defaults and what may be said of them."""
        told = [{"type": type(f).__name__.lower(), **vars(f)} for f in self.options]
        return {**vars(self), "options": told}


BUILT_IN = (
    Method(
        "eap",
        "edges",
        "edge attribution patching",
        "(e' - e) . dL/de at the clean run: two forward passes and one backward (Syed et al. 2023, "
        "2310.10348)",
        f"{_HERE}.eap:find",
        slopes=True,
        adds_up=True,
        per_pair=f"{_HERE}.eap:scorer",
        by_role=True,
    ),
    Method(
        "eap-ig",
        "edges",
        "EAP with integrated gradients over the inputs",
        "(e' - e) . mean of dL/de over m runs whose embeddings go from the corrupted prompt's, "
        "the first, towards the clean one's, which is left out (Hanna et al. 2024, 2403.17806)",
        f"{_HERE}.eap_ig:find",
        options=(steps(5),),
        ablations=(PATCHING,),
        slopes=True,
        adds_up=True,
        per_pair=f"{_HERE}.eap_ig:scorer",
        by_role=True,
    ),
    Method(
        "eap-ig-activations",
        "edges",
        "EAP with integrated gradients over each node's output",
        "for each source, (e' - e) . mean of dL/de over m runs in which its output goes from the "
        "ablated one, which is left out, to the clean one, which is the last (after the code of "
        "Hanna et al. 2024, 2403.17806)",
        f"{_HERE}.eap_ig_activations:find",
        options=(steps(5),),
        slopes=True,
        adds_up=True,
        per_pair=f"{_HERE}.eap_ig_activations:scorer",
        by_role=True,
    ),
    Method(
        "clean-corrupted",
        "edges",
        "EAP with the mean of the gradients at both ends",
        "(e' - e) . mean of dL/de at the clean and at the corrupted run (after the code of Hanna "
        "et al. 2024, 2403.17806)",
        f"{_HERE}.clean_corrupted:find",
        ablations=(PATCHING,),
        slopes=True,
        adds_up=True,
        per_pair=f"{_HERE}.clean_corrupted:scorer",
        by_role=True,
    ),
    Method(
        "gim",
        "edges",
        "EAP with gradient interaction modifications",
        "EAP with a backward pass whose softmax is taken at twice the temperature, whose norms' "
        "scales are frozen, and whose products share their gradient; no layers of experts (Edin et "
        "al. 2025, 2505.17630)",
        f"{_HERE}.gim:find",
        slopes=True,
        adds_up=True,
        per_pair=f"{_HERE}.gim:scorer",
        by_role=True,
    ),
    Method(
        "relp",
        "edges",
        "relevance patching",
        "EAP with a backward pass by rules of layer-wise relevance propagation: norms' scales "
        "frozen, activations as factors, products halved, attention patterns followed; no layers "
        "of experts (Jafari et al. 2025, 2508.21258)",
        f"{_HERE}.relp:find",
        slopes=True,
        adds_up=True,
        per_pair=f"{_HERE}.relp:scorer",
        by_role=True,
    ),
    Method(
        "exact",
        "edges",
        "exact effect of every edge in the full model",
        "m(model with the edge corrupted) - m(model), for every edge",
        f"{_HERE}.exact:find",
        by_role=True,
        adds_up=True,
    ),
    Method(
        "ifr",
        "edges",
        "information flow routes",
        "the share of what a destination reads that the source writes, by closeness in L1 "
        "(Ferrando and Voita 2024, 2403.00824); the corrupted prompt plays no part",
        f"{_HERE}.ifr:find",
        unit="share",
        # Shares of one destination's input: the best of all edges would be those into
        # destinations that read little else, which do not join the input to the logits.
        select="greedy",
        adds_up=True,
        by_role=True,
    ),
    Method(
        "atp",
        "nodes",
        "attribution patching of nodes and MLP neurons",
        "(n' - n) . dL/dn at the clean run (Nanda 2023; Kramar et al. 2024, 2403.00745)",
        f"{_HERE}.atp:find",
        slopes=True,
        adds_up=True,
    ),
    Method(
        "atp-star",
        "nodes",
        "attribution patching with QK fix and GradDrop (AtP*)",
        "AtP with the attention pattern recomputed for a patched query or key, averaged in "
        "magnitude over backward passes that each leave one layer out (Kramar et al. 2024, "
        "2403.00745)",
        f"{_HERE}.atp_star:find",
        slopes=True,
    ),
    Method(
        "activation-patching",
        "nodes",
        "activation patching of nodes, in all and by position",
        "m(model with the node's output corrupted, at one position or at all) - m(model), exact",
        f"{_HERE}.activation_patching:find",
        adds_up=True,
    ),
    Method(
        "edge-pruning",
        "learned",
        "a mask on all edges learned by gradient, within an L0 budget",
        "a hard-concrete gate on every edge, trained towards the model's output (KL) while the "
        "expected number of open gates falls to what is asked for; the score is the probability "
        "that the gate is open (Bhaskar et al. 2024, 2406.16778; Louizos et al. 2018, 1712.01312)",
        f"{_HERE}.edge_pruning:find",
        options=(steps(400), EDGES, SEED, BY_ROLE),
        by_role=True,
        unit="probability",
    ),
    Method(
        "acdc",
        "search",
        "automatic circuit discovery",
        "from the logits to the input, last source first, every edge is dropped whose loss makes "
        "the measure worse by less than tau, or changes it by less, the circuit being what is left "
        "so far (Conmy et al. 2023, 2304.14997)",
        f"{_HERE}.acdc:find",
        options=(THRESHOLD, ABSOLUTE, MEASURE, BY_ROLE),
        by_role=True,
    ),
    Method(
        "greedy-growth",
        "search",
        "growth by exact effects, best edge first",
        "from the logits, the edge into a node already reached is added that brings the metric "
        "nearest the model's, beside its input without it; inputs that have no edge yet are as in "
        "the clean run. Gains are computed anew lazily, the largest first",
        f"{_HERE}.greedy_growth:find",
        options=(EDGES, BY_ROLE),
        by_role=True,
    ),
    Method(
        "greedy-pruning",
        "search",
        "pruning by exact effects, least edge first",
        "the edge is dropped whose loss changes the metric least, and the dead ends it leaves, one "
        "after the other, until as many are left as asked for; it begins with the edges of largest "
        "|EAP|, four times as many. Changes are computed anew lazily, the least first",
        f"{_HERE}.greedy_pruning:find",
        options=(EDGES, BY_ROLE),
        by_role=True,
    ),
)

METHODS: Catalogue[Method] = Catalogue("methods", "method", Method, BUILT_IN)


def find_method(name: str) -> Method:
    """The method of this name, or in a file, `FILE.py:NAME`.

    Raises:
        WorkbenchError: there is none.
    """
    return METHODS.find(name)


def methods_per_pair() -> tuple[str, ...]:
    """The names of the methods that score each pair by itself."""
    return tuple(method.name for method in METHODS.values() if method.per_pair is not None)
