"""A request for a discovery: method, options and selection, parsed and checked once.

Importing this loads no torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, TypedDict, get_args

from workbench.base.json_values import count, maybe, object_of, one_of, shaped
from workbench.discovery.catalogue import METHODS, Method, find_method
from workbench.discovery.options import OWN_FLAGS, Options, heeds, own_flag
from workbench.discovery.selection import How, Selection
from workbench.errors import WorkbenchError
from workbench.experiment.ablations import check_ablation

FLAGS = OWN_FLAGS | {"nodes": "--nodes N"}


class RequestChoices(TypedDict, total=False):
    """What may be asked of a method; see `DiscoveryRequest.parse`."""

    edges: int | None
    nodes: int | None
    threshold: float | None
    select: Literal["top", "greedy"] | None
    signed: bool
    exactly: bool
    by_role: bool
    steps: int | None
    absolute: bool
    measure: Literal["metric", "kl"]
    options: Mapping[str, Any]


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
    def by_role(self) -> bool:
        """Whether edges are to be scored, chosen, kept or dropped by role."""
        chosen = self.selection is not None and self.selection.by_role
        return chosen or bool(self.options.by_role)

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
        select: Literal["top", "greedy"] | None = None,
        signed: bool = False,
        exactly: bool = False,
        by_role: bool = False,
        steps: int | None = None,
        absolute: bool = False,
        measure: Literal["metric", "kl"] = "metric",
        options: Mapping[str, Any] | None = None,
        seed: int = 0,
    ) -> DiscoveryRequest:
        """Sort one list of arguments into what a method is told and what is selected afterwards.

        A search or a learned mask arrives at a circuit of its own: number and threshold are then
        the method's, and nothing is selected.

        Args:
            edges, nodes: how many are to be selected; of a search or a learned mask, with how many
                edges it is to end.
            threshold: in place of a number: that scores have to reach; tau of a search.
            select, signed, exactly, by_role: how the best of so many scores are chosen; see
                `Selection`. By role, a search goes from edge at a role to edge at a role.
                `select` None: as suits the method's scores.
            steps, absolute, measure, seed: options that many methods have.
            options: any option of the method by its name.

        Raises:
            WorkbenchError: there is no such method, or number and threshold do not suit it.
        """
        entry = find_method(method)
        method = entry.name
        usual: dict[str, Any] = {
            "steps": steps,
            "absolute": absolute or None,
            "measure": None if measure == "metric" else measure,
        }
        told = Options(**(usual | {"seed": seed} | dict(options or {})))
        if not _scores(entry):
            others = select not in (None, "top") or signed or exactly
            if nodes is not None or others:
                raise WorkbenchError(
                    f"{method} arrives at a circuit of its own: leave out --nodes, --select, "
                    "--signed and --exactly."
                )
            own = {"edges": edges, "threshold": threshold, "by_role": by_role or None}
            return cls(method, told.with_(**{n: v for n, v in own.items() if v is not None}))
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
            how = select or entry.select
            return cls(method, told, Selection(how, number, None, signed, exactly, by_role))
        if select not in (None, "top"):
            raise WorkbenchError(f"A {select} selection takes a number of {unit}, not a threshold.")
        return cls(method, told, Selection("threshold", None, threshold, signed, exactly, by_role))

    @classmethod
    def from_json(cls, method: str, value: Mapping[str, Any]) -> DiscoveryRequest:
        """What `to_json` gave for this method; options of other methods are left out.

        Raises:
            WorkbenchError: there is no such method, something is missing, or has a value that it
                cannot have.
        """
        try:
            options = options_from_json(method, object_of(value["options"]))
            return cls(method, options, maybe(selection_from_json)(value["selection"]))
        except (KeyError, TypeError, ValueError) as error:
            raise WorkbenchError(f"What is asked of {method[:60]!r} is damaged: {error}.") from None

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
        return self.with_defaults()

    def with_defaults(self) -> DiscoveryRequest:
        """The same with the method's own values for the options of which nothing was said."""
        return replace(self, options=Options(**(self.entry.defaults | self.options.to_json())))

    def check_metric(self, metric: str) -> None:
        """Refuse a metric that does not exist, or whose slope the method cannot follow.

        Raises:
            WorkbenchError: which of the two it is.
        """
        from workbench.metrics.catalogue import changes_in_steps

        in_steps = changes_in_steps(metric)
        if self.entry.slopes and in_steps:
            raise WorkbenchError(
                f"{self.method} follows a metric's slope, and {metric} changes in steps: choose "
                "another metric, or a method that computes exact effects."
            )

    def to_json(self) -> dict[str, Any]:
        """Options and selection in plain values."""
        return {
            "options": self.options.to_json(),
            "selection": self.selection and asdict(self.selection),
        }

    def heeded(self) -> dict[str, Any]:
        """The options that the method heeds, by their names."""
        return {name: getattr(self.options, name) for name in self.entry.option_names}


def selection_from_json(value: Any) -> Selection:
    """A selection from its fields. Raises TypeError or ValueError for what is none."""
    return shaped(Selection, value, {"how": one_of(get_args(How))})


def options_from_json(method: str, told: Mapping[str, Any]) -> Options:
    """Those that the method has; older files name options of other methods too.

    Raises:
        WorkbenchError: one has a value that it cannot have.
    """
    heeded = {option.name: option for option in find_method(method).options}
    values = {name: value for name, value in told.items() if name in heeded}
    for name, value in values.items():
        heeded[name].check(value)
    return Options(**(values | {"seed": count(told.get("seed", 0))}))


def _scores(method: Method) -> bool:
    """Whether it gives scores, from which a circuit is then selected."""
    return method.kind in ("edges", "nodes")


def _check_options(method: Method, options: Options) -> None:
    for name in options.told:
        if name not in method.option_names:
            flag = own_flag(name) if name in OWN_FLAGS else name
            raise WorkbenchError(f"{method.name} does not heed {flag}; {heeds(method.options)}.")
    for field in method.options:
        value = options.told.get(field.name)
        if value is not None:
            field.check(value)
        elif field.needed and field.default is None:
            flag = FLAGS.get(field.name, f"--option {field.name}=VALUE")
            raise WorkbenchError(f"{method.name} has to be told {field.needed} ({flag}).")


def _check_selection(method: Method, selection: Selection | None) -> None:
    if selection is not None and selection.by_role and not method.by_role:
        able = ", ".join(each.name for each in METHODS.values() if each.by_role)
        why = "scores nodes, which are not told apart" if method.kind == "nodes" else "does not go"
        raise WorkbenchError(f"{method.name} {why} by role; choose one of: {able}.")
    if _scores(method) and selection is None:
        raise WorkbenchError(f"{method.name} gives scores: say how a circuit is to be selected.")
    if not _scores(method) and selection is not None:
        raise WorkbenchError(f"{method.name} arrives at a circuit of its own: select nothing.")
    if method.kind == "nodes" and selection is not None:
        if selection.how == "greedy":
            raise WorkbenchError(f"{method.name} scores nodes: they are not selected greedily.")
        if selection.fill:
            raise WorkbenchError(f"{method.name} scores nodes: their number is not made up.")
