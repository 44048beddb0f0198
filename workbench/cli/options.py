"""The arguments and options that several commands share. Importing this loads no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from functools import wraps
from inspect import Parameter, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from workbench.base.number_formats import NUMBER_FORMATS
from workbench.experiment.ablations import ABLATIONS
from workbench.experiment.settings import ExperimentSettings

if TYPE_CHECKING:
    from workbench.formats.chosen import FileSelection

    Selecting = FileSelection | None
else:
    Selecting = object
    """What a command is handed for `selecting_options`; its class need not be loaded for help."""

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Pairs = Annotated[
    int | None,
    typer.Option(min=1, help="How many pairs. [default: 32 of a built-in task, all of a file]"),
]
Seed = Annotated[int, typer.Option(help="Seed of the task's generator.")]
Metric = Annotated[
    str | None,
    typer.Option(help="logit_diff, prob_diff, kl or accuracy. [default: the task's own]"),
]
Device = Annotated[
    str | None,
    typer.Option(help="cpu, cuda, cuda:N or mps. [default: the best there is]"),
]
DeviceMap = Annotated[
    str | None,
    typer.Option(
        metavar="auto|balanced|FILE",
        help="Spread the weights over several devices and the host; FILE: JSON, module to device.",
    ),
]
_FORMATS = f"{', '.join(NUMBER_FORMATS[:-1])} or {NUMBER_FORMATS[-1]}"
Dtype = Annotated[str | None, typer.Option(help=f"{_FORMATS}. [default: {NUMBER_FORMATS[0]}]")]
Revision = Annotated[str | None, typer.Option(help="Branch, tag or commit of a model of the hub.")]
Bos = Annotated[
    bool | None,
    typer.Option("--bos/--no-bos", help="BOS before the prompts. [default: the tokenizer's own]"),
]
Mismatch = Annotated[
    Literal["refuse", "drop"],
    typer.Option(help="What becomes of pairs whose prompts differ in token length."),
]
DropBad = Annotated[
    bool,
    typer.Option("--drop-bad", help="Leave out every pair that cannot be used; say how many."),
]
Ablation = Annotated[
    str, typer.Option(help=f"What an edge left out carries: {', '.join(ABLATIONS)}.")
]
Means = Annotated[
    str | None,
    typer.Option("--means-from", help="A task or file: take the means over its clean prompts."),
]
ModelName = Annotated[
    str,
    typer.Argument(
        metavar="MODEL", help="A hub id, a folder, a .gguf file, or a short name (pocket, smollm2)."
    ),
]
TaskName = Annotated[str, typer.Argument(metavar="TASK", help="A built-in task, or a task file.")]
Do = Annotated[
    list[str] | None,
    typer.Option(
        "--do",
        metavar="LINE",
        help="Change the model first, as workbench intervene does: 'a5.h1 * 2 at -1'. Repeatable.",
    ),
]
PlotFile = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="Write it too: a plot (.svg, .pdf, .png) or every value (.csv, .tsv, .md, .tex).",
    ),
]
CircuitPath = Annotated[Path, typer.Argument(metavar="CIRCUIT", help="A circuit file.")]


_BLOCK: dict[str, Any] = {
    "model": ModelName,
    "task": TaskName,
    "pairs": Pairs,
    "seed": Seed,
    "metric": Metric,
    "device": Device,
    "device_map": DeviceMap,
    "dtype": Dtype,
    "revision": Revision,
    "bos": Bos,
    "mismatch": Mismatch,
    "drop_bad": DropBad,
    "ablation": Ablation,
    "means": Means,
}
"""The settings of an experiment as options, in the order in which help lists them."""


def experiment_options(
    *,
    words: Mapping[str, Any] | None = None,
    amid: Mapping[str, str] | None = None,
    optional: bool = False,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command the options of an experiment, handed to it as one `ExperimentSettings`.

    Model and task come first of all, the rest where the command has its parameter `settings`.

    Args:
        words: by a setting's name, the option that this command has in place of the common one.
        amid: by a setting's name, the parameter of the command that is listed right after it.
        optional: the command can do without model and task, which are then empty.
    """
    options = _BLOCK | dict(words or {})
    defaults = {field.name: field.default for field in fields(ExperimentSettings)}
    defaults |= dict.fromkeys(("model", "task"), "" if optional else MISSING)

    def option(name: str) -> Parameter:
        default = Parameter.empty if defaults[name] is MISSING else defaults[name]
        return Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=options[name])

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        own = signature(command, eval_str=True)
        listed = [option("model"), option("task")]
        among = amid or {}
        for parameter in own.parameters.values():
            if parameter.name == "settings":
                for name in list(options)[2:]:
                    listed.append(option(name))
                    if name in among:
                        listed.append(own.parameters[among[name]])
            elif parameter.name not in among.values():
                listed.append(parameter)

        @wraps(command)
        def called(**given: Any) -> Any:
            settings = ExperimentSettings(**{name: given.pop(name) for name in options})
            return command(settings=settings, **given)

        by_name = [other.replace(kind=Parameter.KEYWORD_ONLY) for other in listed]
        called.__signature__ = own.replace(parameters=by_name)  # type: ignore[attr-defined]
        called.__annotations__ = {other.name: other.annotation for other in by_name}
        return called

    return decorate


_OF_FILE: dict[str, tuple[Any, Any]] = {
    "edges": (
        Annotated[
            int | None,
            typer.Option(min=1, help="Select so many edges by the scores in the circuit file."),
        ],
        None,
    ),
    "nodes": (
        Annotated[
            int | None,
            typer.Option(min=1, help="Select so many nodes by the scores in the circuit file."),
        ],
        None,
    ),
    "select": (
        Annotated[
            Literal["top", "greedy"] | None,
            typer.Option(help="With --edges: the best of all, or the best upward from the logits."),
        ],
        None,
    ),
    "signed": (
        Annotated[
            bool,
            typer.Option("--signed", help="With --edges or --nodes: by the score, not |score|."),
        ],
        False,
    ),
}
"""How a circuit is selected from the scores of a file, as options with their defaults."""


def selecting_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command that reads a circuit file the options to select from its scores.

    They are handed to it as one `FileSelection`, or None, under the name `selection`, whose place
    they take.
    """
    own = signature(command, eval_str=True)
    listed: list[Parameter] = []
    for parameter in own.parameters.values():
        if parameter.name != "selection":
            listed.append(parameter.replace(kind=Parameter.KEYWORD_ONLY))
            continue
        for name, (annotation, default) in _OF_FILE.items():
            kind = Parameter.KEYWORD_ONLY
            listed.append(Parameter(name, kind, default=default, annotation=annotation))

    @wraps(command)
    def called(**given: Any) -> Any:
        told = {name: given.pop(name) for name in _OF_FILE}
        return command(selection=_file_selection(**told), **given)

    called.__signature__ = own.replace(parameters=listed)  # type: ignore[attr-defined]
    called.__annotations__ = {other.name: other.annotation for other in listed}
    return called


def _file_selection(
    edges: int | None, nodes: int | None, select: Literal["top", "greedy"] | None, signed: bool
) -> FileSelection | None:
    if edges is None and nodes is None and select is None and not signed:
        return None
    from workbench.formats.chosen import FileSelection

    return FileSelection(edges, nodes, select or "top", signed)
