"""Models that this machine can load without asking anyone. No torch."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from workbench.base.folders import cache_folder
from workbench.base.home import meant_path
from workbench.models.cache import STAMP
from workbench.models.source import SHORT_NAMES
from workbench.transformer.families.catalogue import FAMILIES


@dataclass(frozen=True)
class KnownModel:
    """A model to choose from.

    Attributes:
        name: what `load_model` takes.
        kind: `short name`, `recent` (a session used it), or `hub` (downloaded earlier).
        ready: whether its weights are on this machine.
        note: where they are, or how to get them.
    """

    name: str
    kind: str
    ready: bool
    note: str


def short_names() -> list[KnownModel]:
    """The models that have a short name."""
    return [
        KnownModel(name, "short name", short.ready, short.note)
        for name, short in SHORT_NAMES.items()
    ]


def downloads() -> list[KnownModel]:
    """Models of supported families in the hub's cache folder."""
    found = []
    for repository in sorted(_hub_cache().glob("models--*")):
        for config in sorted(repository.glob("snapshots/*/config.json")):
            if _family(config) in FAMILIES and _has_weights(config.parent):
                name = repository.name.removeprefix("models--").replace("--", "/")
                found.append(KnownModel(name, "hub", True, str(config.parent)))
                break
    return found


def _hub_cache() -> Path:
    """Where the hub's client keeps downloads, by its own rules; to import it takes longer."""
    if cache := os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE"):
        return meant_path(cache)
    base = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    home = os.environ.get("HF_HOME", os.path.join(base, "huggingface"))
    return meant_path(home) / "hub"


def _family(config: Path) -> str:
    try:
        return str(json.loads(config.read_text(encoding="utf-8")).get("model_type"))
    except (OSError, ValueError, AttributeError):
        return ""


def _has_weights(folder: Path) -> bool:
    return any(
        next(folder.glob(pattern), None) is not None
        for pattern in ("model*.safetensors", "pytorch_model*.bin")
    )


def converted_models() -> list[str]:
    """File names of the GGUF files whose conversion is kept in the cache."""
    names = []
    for stamp in sorted(cache_folder().glob(f"*/{STAMP}")):
        try:
            names.append(str(json.loads(stamp.read_text(encoding="utf-8"))["made_from"]))
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return names
