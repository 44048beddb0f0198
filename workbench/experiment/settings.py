"""What a session was asked for: `OpenRequest` before anything is loaded, `Settings` as kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class OpenRequest:
    """A session to start, in plain values.

    Attributes:
        model: hub id, folder, `.gguf` file or short name.
        task: name of a built-in task or path of a task file.
        pairs: how many pairs to generate or take; None: the task's own default, or the whole file.
        seed: of the generator.
        metric: name of a metric; None: the task's own.
        device, dtype, revision: as `load_model` takes them; None: the defaults.
        bos: whether a BOS token is prepended; None: as the tokenizer does by itself.
        mismatch: what becomes of pairs whose prompts differ in token length.
        circuit: a circuit file to begin with.
        ablation: what takes the place of an edge that is not in the circuit.
        means: the task or file over whose prompts a mean ablation's means are taken.
    """

    model: str
    task: str
    pairs: int | None = None
    seed: int = 0
    metric: str | None = None
    device: str | None = None
    dtype: str | None = None
    revision: str | None = None
    bos: bool | None = None
    mismatch: Literal["refuse", "drop"] = "refuse"
    circuit: Path | None = None
    ablation: str = "patching"
    means: str | None = None


@dataclass(frozen=True)
class Settings:
    """How a session was asked to begin: with the task, all that is needed to begin it again.

    Attributes:
        model: what `load_model` takes: a name, or the whole path of what lies locally.
        revision, dtype, device: as asked for; None for the default.
        bos, mismatch, ablation: as `start_session` takes them.
        seed: of whatever is random in the session.
        means: the task or file over whose prompts means are taken; None for the task's own.
    """

    model: str
    revision: str | None = None
    dtype: str | None = None
    device: str | None = None
    bos: bool | None = None
    mismatch: Literal["refuse", "drop"] = "refuse"
    ablation: str = "patching"
    seed: int = 0
    means: str | None = None
