"""A request for a discovery: method, options and selection, parsed and checked once. No torch."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, TypedDict

from workbench.discovery.catalogue import Method, find_method
from workbench.discovery.options import Options
from workbench.discovery.selection import Selection
from workbench.errors import WorkbenchError
from workbench.experiment.ablations import check_ablation

MEASURES = ("metric", "kl")
FLAGS = {"edges": "--edges N", "threshold": "--threshold T", "nodes": "--nodes N"}
NEEDED = {
    "threshold": "how much worse the loss of an edge has to make it for the edge to be kept",
    "edges": "with how many edges it is to end",
}


class RequestChoices(TypedDict, total=False):
    """What may be asked of a method; see `DiscoveryRequest.parse`."""

    edges: int | None
    nodes: int | None
    threshold: float | None
    select: Literal["top", "greedy"]
    signed: bool
    exactly: bool
    steps: int | None
    absolute: bool
    measure: Literal["metric", "kl"]


@dataclass(frozen=True)
class DiscoveryRequest:
    """What is to be run, and how a circuit is chosen from what it finds.

    Attributes:
        method: its name in the catalogue.
        options: what it is told; once checked, with the method's defaults filled in.
        selection: how edges or nodes are chosen; None where the method chooses them itself.
    """

    method: str
    options: Options
    selection: Selection | None = None

    @property
    def entry(self) -> Method:
        """The method's entry in the catalogue."""
        return find_method(self.method)

    @classmethod
    def parse(
        cls,
        method: str,
        *,
        edges: int | None = None,
        nodes: int | None = None,
        threshold: float | None = None,
        select: Literal["top", "greedy"] = "top",
        signed: bool = False,
        exactly: bool = False,
        steps: int | None = None,
        absolute: bool = False,
        measure: Literal["metric", "kl"] = "metric",
        seed: int = 0,
    ) -> DiscoveryRequest:
        """Sort one list of arguments into what a method is told and what is selected afterwards.

        A search or a learned mask arrives at a circuit of its own: number and threshold are then
        the method's, and nothing is selected.

        Args:
            edges, nodes: how many are to be selected; of a search or a learned mask, with how many
                edges it is to end.
            threshold: in place of a number: that scores have to reach; tau of a search.
            select, signed, exactly: how the best of so many scores are chosen; see `Selection`.
            steps, absolute, measure, seed: see `Options`.

        Raises:
            WorkbenchError: there is no such method, or number and threshold do not suit it.
        """
        entry = find_method(method)
        options = Options(steps=steps, absolute=absolute, measure=measure, seed=seed)
        if not _scores(entry):
            if nodes is not None or select != "top" or signed or exactly:
                raise WorkbenchError(
                    f"{method} arrives at a circuit of its own: leave out --nodes, --select, "
                    "--signed and --exactly."
                )
            return cls(method, replace(options, edges=edges, threshold=threshold))
        unit, other, number, of_other = "edges", "nodes", edges, nodes
        if entry.kind == "nodes":
            unit, other, number, of_other = other, unit, of_other, number
        if of_other is not None:
            raise WorkbenchError(f"{method} scores {unit}: give {FLAGS[unit]}, not {FLAGS[other]}.")
        if (number is None) == (threshold is None):
            raise WorkbenchError(
                f"Say how many {unit} are to be selected ({FLAGS[unit]}) or what their scores have "
                f"to reach ({FLAGS['threshold']}): one of the two."
            )
        if threshold is None:
            return cls(method, options, Selection(select, number, None, signed, exactly))
        if select != "top":
            raise WorkbenchError(f"A {select} selection takes a number of {unit}, not a threshold.")
        return cls(method, options, Selection("threshold", None, threshold, signed, exactly))

    def checked(self, *, metric: str | None, ablation: str) -> DiscoveryRequest:
        """The same with the method's defaults filled in, if it can do all this.

        Args:
            metric: None where it is not known yet; `check_metric` then makes up for it.

        Raises:
            WorkbenchError: one sentence on what it cannot do, or does not heed.
        """
        method, options = self.entry, self.options
        _check_options(method, options)
        _check_selection(method, self.selection)
        check_ablation(ablation)
        if ablation not in method.ablations:
            raise WorkbenchError(
                f"{method.name} is defined for the ablation {' and '.join(method.ablations)} "
                f"alone, not for {ablation}."
            )
        if metric is not None:
            self.check_metric(metric)
        unset: dict[str, Any] = {
            name: method.defaults[name] for name in method.defaults if _is_unset(options, name)
        }
        return replace(self, options=replace(options, **unset))

    def check_metric(self, metric: str) -> None:
        """Refuse a metric that does not exist, or whose slope the method cannot follow.

        Raises:
            WorkbenchError: which of the two it is.
        """
        from workbench.metrics.catalogue import STEPS, check_metric

        check_metric(metric)
        if self.entry.slopes and metric in STEPS:
            raise WorkbenchError(
                f"{self.method} follows a metric's slope, and {metric} changes in steps: choose "
                "another metric, or a method that computes exact effects."
            )

    def to_json(self) -> dict[str, Any]:
        """Options and selection in plain values."""
        return {
            "options": asdict(self.options),
            "selection": self.selection and asdict(self.selection),
        }

    def heeded(self) -> dict[str, Any]:
        """The options that the method heeds, by their names."""
        return {name: getattr(self.options, name) for name in self.entry.options}


def _scores(method: Method) -> bool:
    """Whether it gives scores, from which a circuit is then selected."""
    return method.kind in ("edges", "nodes")


def _is_unset(options: Options, name: str) -> bool:
    return bool(getattr(options, name) == getattr(Options(), name))


def _check_options(method: Method, options: Options) -> None:
    given = [field.name for field in fields(Options) if not _is_unset(options, field.name)]
    for name in given:
        # A seed goes with every command; most methods leave nothing to chance.
        if name != "seed" and name not in method.options:
            heeds = [f"--{option}" for option in method.options if option != "seed"]
            raise WorkbenchError(
                f"{method.name} does not heed --{name}; "
                + (f"it heeds {', '.join(heeds)}." if heeds else "it has no such options.")
            )
    for name in ("steps", "edges"):
        value = getattr(options, name)
        if value is not None and value < 1:
            raise WorkbenchError(f"The number of {name} has to be 1 or more, not {value}.")
    if options.threshold is not None and not math.isfinite(options.threshold):
        raise WorkbenchError("The threshold has to be a finite number.")
    if options.measure not in MEASURES:
        raise WorkbenchError(
            f"There is no measure {options.measure!r}; choose one of: {', '.join(MEASURES)}."
        )
    for name in NEEDED:
        needed = not _scores(method) and name in method.options and name not in method.defaults
        if needed and _is_unset(options, name):
            raise WorkbenchError(f"{method.name} has to be told {NEEDED[name]} ({FLAGS[name]}).")


def _check_selection(method: Method, selection: Selection | None) -> None:
    if _scores(method) and selection is None:
        raise WorkbenchError(f"{method.name} gives scores: say how a circuit is to be selected.")
    if not _scores(method) and selection is not None:
        raise WorkbenchError(f"{method.name} arrives at a circuit of its own: select nothing.")
    if method.kind == "nodes" and selection is not None:
        if selection.how == "greedy":
            raise WorkbenchError(f"{method.name} scores nodes: they are not selected greedily.")
        if selection.fill:
            raise WorkbenchError(f"{method.name} scores nodes: their number is not made up.")
