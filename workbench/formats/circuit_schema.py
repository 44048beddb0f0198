"""What stands in a circuit file of ours, as pydantic models.

The JSON Schema is generated from these. The version counts up with any change that an older Circuit
Workbench would not understand, a new field included, since unknown fields are refused: a misspelt
one would otherwise be lost without a word.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, FailFast, Field, JsonValue

FORMAT = "circuit-workbench"
VERSION = 3
"""The newest that is read. A file is written as the oldest version that can hold it."""

Finite = Annotated[float, Field(allow_inf_nan=False)]
Score = Finite | Literal["Infinity", "-Infinity"] | None
Item = TypeVar("Item")
# One wrong item is enough: a report on each of ten million takes all the memory there is.
Items = Annotated[list[Item], FailFast()]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Open(BaseModel):
    """Further fields are welcome: they are kept."""

    model_config = ConfigDict(extra="allow", strict=True)
    __pydantic_extra__: dict[str, JsonValue] = Field(init=False)


class GraphShape(Strict):
    """The architecture as far as its edges depend on it."""

    n_layers: int = Field(ge=1)
    n_heads: int = Field(ge=1, description="query heads per layer")
    parallel: bool = Field(
        default=False, description="attention and MLP of a layer read the same residual (GPT-NeoX)"
    )


class Described(Open):
    """A thing by its name, with whatever else is known of it."""

    name: str


class Evaluation(Open):
    """What the circuit was measured to do, with every edge outside it corrupted."""

    clean: Finite | None = Field(default=None, description="mean metric of the whole model")
    corrupted: Finite | None = Field(
        default=None, description="mean metric on the corrupted prompts"
    )
    circuit: Finite | None = Field(default=None, description="mean metric of the circuit")
    faithfulness: Finite | None = Field(
        default=None, description="(circuit - corrupted) / (clean - corrupted)"
    )
    accuracy: Finite | None = Field(default=None, description="of the circuit, from 0 to 1")
    kl: Finite | None = Field(
        default=None, description="KL(model || circuit) summed over the vocabulary, mean over pairs"
    )
    edges: int | None = None
    nodes: int | None = None


class RoleGroupEntry(Strict):
    name: str
    role: str = ""
    nodes: Items[str] = []


class CircuitFile(Strict):
    """A circuit of Circuit Workbench: a set of edges of a transformer's computational graph.

    Nodes are named input, a9.h1, m10 and logits; edges input->a9.h1<q>, a9.h1->m10, m10->logits.
    """

    model_config = ConfigDict(title="Circuit Workbench circuit")

    format: Literal["circuit-workbench"]
    version: Literal[1, 2, 3]
    model: str | Described | None = None
    graph: GraphShape
    task: str | Described | None = None
    metric: str | Described | None = None
    ablation: str | Described | None = None
    seed: int | None = None
    versions: dict[str, str] = Field(
        default={}, description="of the software that made it, by package"
    )
    evaluation: Evaluation | None = None
    open: Items[str] = Field(
        default=[],
        description="destinations not yet expanded, which read the clean residual; none: closed",
    )
    groups: Items[RoleGroupEntry] = []
    notes: dict[str, str] = Field(
        default={}, description='by name of a node or an edge; "" is the note on the whole circuit'
    )
    commands: Items[JsonValue] = Field(default=[], description="the steps that led here, in order")
    edges: dict[str, Score] = Field(
        description="the kept edges with their scores, null where there is none"
    )
    neurons: dict[str, Items[int]] = Field(
        default={},
        description="of each MLP that is narrowed the numbers of its kept neurons (version 2)",
    )
    token_roles: Items[str] = Field(
        default=[],
        description="names of all roles of the prompts' positions, as they stand there (version 3)",
    )
    at: dict[str, Items[str]] = Field(
        default={},
        description="of each kept edge that is kept at some roles only, at which (version 3)",
    )
    dropped: dict[str, Score] = Field(default={}, description="scores of edges that are not kept")
    other: dict[str, JsonValue] = Field(
        default={},
        description='whatever else is known; a number that JSON lacks is {"$number": "NaN"}',
    )


# Fields that are a circuit's provenance, under the same names.
PROVENANCE = (
    "model",
    "task",
    "metric",
    "ablation",
    "seed",
    "versions",
    "evaluation",
    "commands",
)


def schema() -> dict[str, Any]:
    """The JSON Schema of a circuit file; docs/circuit.schema.json holds it."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **CircuitFile.model_json_schema(),
    }
