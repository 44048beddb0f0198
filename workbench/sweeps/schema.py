"""What stands in the file of a sweep, as pydantic models.

The JSON Schema comes from these. Importing this loads no torch.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from workbench.base.text import shown_path
from workbench.config.toml_file import TomlFile
from workbench.errors import WorkbenchError

Number = Annotated[int, Field(ge=1)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Name = Annotated[str, Field(min_length=1)]
OptionValue = bool | int | Finite | str
Sizes = Annotated[list[Number], Field(min_length=1)]


class Strict(BaseModel):
    """A misspelt name is refused, not lost."""

    model_config = ConfigDict(extra="forbid", strict=True)


class MethodTable(Strict):
    """A method with what it alone is told."""

    name: Name
    sizes: Sizes | None = Field(
        default=None, description="in place of the sweep's; nodes, of a method that scores nodes"
    )
    thresholds: Annotated[list[Finite], Field(min_length=1)] | None = Field(
        default=None, description="in place of sizes: one cell each"
    )
    select: Literal["top", "greedy"] | None = None
    signed: bool = False
    exactly: bool = False
    steps: Number | None = None
    absolute: bool = False
    measure: Literal["metric", "kl"] = "metric"
    options: dict[str, OptionValue] = Field(default_factory=dict)


class RevisionTable(Strict):
    """Revisions of a model of the hub."""

    model: Name
    revisions: Annotated[list[Name], Field(min_length=1)]


class SweepFile(Strict):
    """A sweep: every combination of its lists is a cell."""

    models: list[Name] = []
    checkpoints: Name | list[Name] | RevisionTable | None = Field(
        default=None,
        description="models of one training: a folder that holds folders checkpoint-N, a pattern "
        "of folders, MODEL@REVISION,REVISION, a list, or a model and its revisions",
    )
    tasks: Annotated[list[Name], Field(min_length=1)]
    methods: list[Name | MethodTable] = []
    circuits: list[Name] = Field(
        default=[], description="circuit files, each scored on every model"
    )
    heads: bool = Field(default=False, description="measure the heads of every model")
    sizes: Sizes | None = Field(default=None, description="how many edges a circuit has")
    nodes: Sizes | None = Field(default=None, description="the same of methods that score nodes")
    seeds: Annotated[list[int], Field(min_length=1)] = [0]
    ablations: Annotated[list[Name], Field(min_length=1)] = ["patching"]
    pairs: Number | None = None
    metric: str | None = None
    device: str | None = None
    device_map: str | None = Field(
        default=None, description="auto, balanced or a file, as --device-map"
    )
    dtype: str | None = None
    revision: str | None = None
    bos: bool | None = None
    mismatch: Literal["refuse", "drop"] = "refuse"
    drop_bad: bool = False
    means: str | None = Field(default=None, description="as --means-from, for ablations by means")
    folder: str | None = Field(
        default=None,
        description="where results go, from the file's own folder; else its name's stem",
    )


def schema() -> dict[str, Any]:
    """The JSON Schema of a sweep's file; docs/sweep.schema.json holds it."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **SweepFile.model_json_schema(),
    }


def read_file(path: Path) -> SweepFile:
    """A sweep's file, every name and type in it checked.

    Raises:
        WorkbenchError: one sentence with the line: it is not there, no TOML, or says something
            that a sweep does not have.
    """
    file = TomlFile(path)
    if file.missing:
        raise WorkbenchError(f"There is no file {shown_path(path)}.")
    if file.problem is not None:
        raise WorkbenchError(file.problem.sentence)
    try:
        told = SweepFile.model_validate(file.values)
    except ValidationError as error:
        raise WorkbenchError(_sentence(error, file)) from None
    if not told.models and told.checkpoints is None:
        raise WorkbenchError(f"{shown_path(path.name)}: it has to say models or checkpoints.")
    if not (told.methods or told.circuits or told.heads):
        raise WorkbenchError(
            f"{shown_path(path.name)}: it has to say methods, circuits or heads = true."
        )
    return told


KINDS = ("MethodTable", "RevisionTable", "constrained-str", "list[constrained-str]")
"""How pydantic calls what a value may be of."""


def _sentence(error: ValidationError, file: TomlFile) -> str:
    """The first fault, or of a table among names the one that lies deepest in it."""
    faults = error.errors(include_url=False)
    # A list's entry is by its number; what is no list is by its name alone.
    depth = 1 if faults[0]["loc"][:1] == ("checkpoints",) else 2
    first = max(
        (one for one in faults if one["loc"][:depth] == faults[0]["loc"][:depth]),
        key=lambda one: len(one["loc"]),
    )
    # Which of the kinds that a value may have was tried is no part of its name.
    where = [str(at) for at in first["loc"] if str(at) not in KINDS]
    line = file.line(where[0]) if where else 0
    at = f"{shown_path(file.path.name)}{f', line {line}' if line else ''}: "
    name = ".".join(where)
    if first["type"] == "extra_forbidden":
        from workbench.config.problem import nearest

        tables: dict[str, type[Strict]] = {"methods": MethodTable, "checkpoints": RevisionTable}
        table = tables.get(where[0], SweepFile) if len(where) > 1 else SweepFile
        known = table.model_fields
        return f"{at}there is no setting {name!r} of a sweep.{nearest(where[-1], known)}"
    if first["type"] == "missing":
        return f"{at}it has to say {name}."
    message = first["msg"]
    return f"{at}{name}: {message[:1].lower()}{message[1:]}."
