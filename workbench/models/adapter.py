"""LoRA adapters: a folder with one is merged into its base model when it is read.

Hu et al. 2021, 2106.09685: a linear map W becomes W + s B A, where s is alpha / r, or alpha over
the root of r (Kalajdzievski 2023, 2312.03732). Read from the adapter's own files, as peft saves
them. What they ask for beyond that sum is refused, since the model would be another one without.
"""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from workbench.base.failures import first_line
from workbench.base.progress import Progress
from workbench.base.text import printable
from workbench.errors import WorkbenchError
from workbench.models.folder import read_folder
from workbench.models.source import ADAPTER_CONFIG, find_model
from workbench.models.transformers_access import add_reading_note

WEIGHTS = ("adapter_model.safetensors", "adapter_model.bin")

PREFIX = "base_model.model."
"""What peft puts before the names of a model's modules."""

KEY = re.compile(r"(?P<module>.+)\.lora_(?P<side>[AB])(\.default)?\.weight")

HEEDED = frozenset({
    "alpha_pattern", "base_model_name_or_path", "fan_in_fan_out", "lora_alpha", "peft_type", "r",
    "rank_pattern", "revision", "use_rslora",
})  # fmt: skip
"""Entries of a configuration that the merge goes by; ranks are those of the matrices."""

WITHOUT_EFFECT = frozenset({
    "auto_mapping", "ensure_weight_tying", "exclude_modules", "inference_mode", "layers_pattern",
    "layers_to_transform", "lora_dropout", "megatron_core", "peft_version", "qalora_group_size",
    "runtime_config", "target_modules", "task_type",
})  # fmt: skip
"""Entries that only training heeds, or that say again which matrices there are."""

HARMLESS_BEGINNINGS = (True, False, None, "gaussian", "orthogonal")
"""`init_lora_weights` that leaves the base model's own weights alone."""


def read_adapter(
    folder: Path, name: str, dtype: torch.dtype, say: Progress
) -> tuple[Any, Any, str]:
    """An adapter's base model with it merged, its tokenizer, and where both lie.

    Args:
        folder: holds adapter_config.json and the adapter's weights.
        name: what to call the model in messages.
        dtype: numbers to read the weights into; the sum is taken in float32.
        say: told how far it is.

    Raises:
        WorkbenchError: the base model is not on this machine, a file is damaged, or the adapter is
            more than low-rank matrices that are added.
    """
    config = _config(folder, name)
    weights = _weights(folder, name)
    base, where = _base(config, folder, name)
    model, tokenizer = read_folder(where, base, dtype, say)
    say("Merging the adapter", None)
    n = merge(model, weights, config, name)
    add_reading_note(model, f"{name} is an adapter, merged into {base}: {n} of its matrices.")
    return model, tokenizer, f"{folder}, merged into {where}"


def merge(model: Any, weights: dict[str, Tensor], config: dict[str, Any], name: str) -> int:
    """Add an adapter's matrices to a model's, in place.

    Returns:
        How many matrices were changed.

    Raises:
        WorkbenchError: they do not fit the model.
    """
    sides: dict[str, dict[str, Tensor]] = {}
    for key, value in weights.items():
        match = KEY.fullmatch(key.removeprefix(PREFIX))
        if match is None:
            raise WorkbenchError(
                f"{name} changes more than linear maps by low-rank matrices ({printable(key)}): "
                f"{_MERGE_ELSEWHERE}"
            )
        sides.setdefault(match["module"], {})[match["side"]] = value
    if not sides:
        raise WorkbenchError(f"{name} holds no low-rank matrices; save the adapter again.")
    shared = _shared(model)
    for path, of in sides.items():
        weight = _weight(model, path, shared, name)
        if of.keys() != {"A", "B"}:
            raise WorkbenchError(f"{name} is not whole: {path} has only one of two matrices.")
        change = (of["B"].float() @ of["A"].float()) * _scale(config, path, len(of["A"]))
        if config.get("fan_in_fan_out"):
            change = change.T
        if change.shape != weight.shape:
            raise WorkbenchError(
                f"{name} does not fit its base model: at {path} its matrices make "
                f"{tuple(change.shape)}, and the weight is {tuple(weight.shape)}."
            )
        with torch.no_grad():
            weight.copy_(weight.float() + change.to(weight.device))
    return len(sides)


_MERGE_ELSEWHERE = (
    "merge it into its base model with peft (merge_and_unload, then save_pretrained) and name that "
    "folder."
)


def _config(folder: Path, name: str) -> dict[str, Any]:
    path = folder / ADAPTER_CONFIG
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(config, dict):
            raise ValueError("it is no table of entries")
        float(config["lora_alpha"]) if config.get("peft_type") == "LORA" else None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WorkbenchError(f"{path} cannot be read ({first_line(error)}).") from error
    kind = config.get("peft_type")
    if kind != "LORA":
        raise WorkbenchError(
            f"{name} is an adapter of the kind {printable(str(kind))}; of adapters the workbench "
            "takes LoRA, or whole models."
        )
    if config.get("init_lora_weights") not in HARMLESS_BEGINNINGS:
        raise WorkbenchError(
            f"{name} was begun by {printable(config['init_lora_weights'])}, which changes the base "
            f"model's own weights: {_MERGE_ELSEWHERE}"
        )
    known = HEEDED | WITHOUT_EFFECT | {"init_lora_weights", "bias"}
    more = sorted(key for key, value in config.items() if value and key not in known)
    more += ["bias"] if config.get("bias", "none") != "none" else []
    if more:
        raise WorkbenchError(
            f"{name} asks for more than low-rank matrices that are added ({printable(more[0])}): "
            f"{_MERGE_ELSEWHERE}"
        )
    return config


def _weights(folder: Path, name: str) -> dict[str, Tensor]:
    for file in WEIGHTS:
        path = folder / file
        if not path.is_file():
            continue
        try:
            if path.suffix == ".bin":
                loaded: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
                return loaded
            from safetensors.torch import load_file

            return load_file(path)
        except Exception as error:  # of any kind: the file is somebody else's
            raise WorkbenchError(
                f"{path} is truncated or corrupt ({first_line(error)}); fetch it again."
            ) from error
    raise WorkbenchError(f"{name} has no weights: {folder} holds neither {' nor '.join(WEIGHTS)}.")


def _base(config: dict[str, Any], folder: Path, name: str) -> tuple[str, Path]:
    """The base model's name, and the folder that it lies in.

    Raises:
        WorkbenchError: it is not named, or not on this machine.
    """
    base = config.get("base_model_name_or_path")
    if not isinstance(base, str) or not base:
        raise WorkbenchError(
            f"{name} does not say which model it is an adapter for "
            f"(base_model_name_or_path in its {ADAPTER_CONFIG})."
        )
    beside = folder / base
    if beside.is_dir():
        return printable(base), beside
    try:
        source = find_model(base)
    except WorkbenchError:
        source = None
    if source is not None and source.kind == "folder" and source.path is not None:
        source.check()
        return printable(base), source.path
    if source is not None and source.kind == "hub":
        from workbench.models.hub import downloaded

        revision = config.get("revision")
        where = downloaded(base, revision if isinstance(revision, str) else None)
        if where is not None:
            return printable(base), where
    raise WorkbenchError(
        f"{name} is an adapter for {printable(base)}, which is not on this machine as a folder in "
        "transformers' format: load that once, so that it is fetched, or write the folder that it "
        f"lies in as base_model_name_or_path into {ADAPTER_CONFIG}."
    )


def _scale(config: dict[str, Any], path: str, rank: int) -> float:
    """The factor on B A of a module: alpha by rank, or by its root."""
    alpha = config["lora_alpha"]
    for pattern, other in (config.get("alpha_pattern") or {}).items():
        # As peft matches them: the whole name, or its end after a dot.
        if re.match(rf"(.*\.)?({pattern})$", path):
            alpha = other
            break
    return float(alpha) / (math.sqrt(rank) if config.get("use_rslora") else rank)


def _shared(model: nn.Module) -> set[int]:
    """Where weights lie that several modules have."""
    seen: dict[int, int] = {}
    for _, weight in model.named_parameters(remove_duplicate=False):
        seen[weight.data_ptr()] = seen.get(weight.data_ptr(), 0) + 1
    return {place for place, times in seen.items() if times > 1}


def _weight(model: nn.Module, path: str, shared: set[int], name: str) -> Tensor:
    try:
        module = model.get_submodule(path)
    except AttributeError:
        module = None
    weight = getattr(module, "weight", None)
    if not isinstance(weight, Tensor) or weight.dim() != 2 or isinstance(module, nn.Embedding):
        raise WorkbenchError(
            f"{name} does not fit its base model: that has no linear map {printable(path)}."
        )
    if weight.data_ptr() in shared:
        raise WorkbenchError(
            f"{name} changes {printable(path)}, whose weight is the embedding's too, so that "
            f"merging would change both: {_MERGE_ELSEWHERE}"
        )
    return weight
