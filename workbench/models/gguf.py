"""GGUF files: looked at, converted once by transformers, then kept as plain weights."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from workbench.base.failures import first_line, is_memory_error, memory_errors
from workbench.base.progress import Progress
from workbench.errors import WorkbenchError
from workbench.models.cache import CacheEntry
from workbench.models.device import in_numbers
from workbench.models.folder import read_folder, sharing_weights, too_big
from workbench.models.gguf_bounds import check_bounds
from workbench.models.gguf_head import GGUFHead
from workbench.models.gguf_parts import parts_of_file, put_together
from workbench.models.transformers_access import gguf_config_of, tokenizer_of, weights_of
from workbench.models.transformers_progress import quiet_transformers
from workbench.transformer.families.catalogue import FAMILIES

MAGIC = b"GGUF"

POSITIONS = 2**24
"""More than any model has been made for."""

# GGUF's names of architectures -> model_type; only those whose conversion is tested.
ARCHITECTURES = {
    "llama": "llama",
    "gpt2": "gpt2",
    "qwen2": "qwen2",
    "qwen2moe": "qwen2_moe",
    "qwen3": "qwen3",
    "qwen3moe": "qwen3_moe",
    "gemma2": "gemma2",
    "gemma3": "gemma3_text",
    "phi3": "phi3",
    "stablelm": "stablelm",
    "starcoder2": "starcoder2",
    "nemotron": "nemotron",
}


def read_gguf(path: Path, name: str, dtype: torch.dtype, say: Progress) -> tuple[Any, Any]:
    """The transformers model and tokenizer of a GGUF file, dequantised.

    The cache is used and filled.

    Args:
        path: the file; of a model that was split, any of its parts.
        name: what to call the model in messages.
        dtype: numbers to hold the weights in; the conversion itself is in float32.
        say: told how far it is.

    Raises:
        WorkbenchError: the file is damaged, or of a family that is not exact here.
    """
    try:
        with path.open("rb") as stream:
            magic = stream.read(len(MAGIC))
        if magic != MAGIC:
            raise WorkbenchError(f"{path} is not a GGUF file; fetch it again.")
        parts = parts_of_file(path)
        entry = entry_of(parts, say)
    except OSError as error:
        raise WorkbenchError(f"{path} cannot be read ({error.strerror}).") from error
    if entry.is_whole(say):
        try:
            return read_folder(entry.folder, name, dtype, say)
        except WorkbenchError:
            say("The converted model is damaged, converting again", None)
            with suppress(OSError):  # in a folder that cannot be written it stays
                entry.discard()
    for part in parts:
        _check_bounds(part)
    with put_together(parts, say) as whole:
        head = check_gguf(whole, name, say)
        model, tokenizer = _convert(whole, name, head, say)

    def write(folder: Path) -> None:
        with quiet_transformers(say):
            model.save_pretrained(folder)
            tokenizer.save_pretrained(folder)

    say("Writing the converted weights", None)
    entry.store(write, sum(w.numel() * w.element_size() for w in model.parameters()))
    return in_numbers(model, dtype), tokenizer


def entry_of(parts: Sequence[Path], say: Progress) -> CacheEntry:
    """Where the converted model of a GGUF file, or of all parts of one, lies or would lie.

    Raises:
        OSError: one cannot be read.
    """
    return CacheEntry.of(parts[0], say, parts[1:])


def check_gguf(path: Path, name: str, say: Progress) -> GGUFHead:
    """Look at a GGUF file before converting it.

    Returns:
        What its head says of the model.

    Raises:
        WorkbenchError: it is truncated or corrupt, or the conversion would not be exact.
    """
    from gguf import GGUFReader

    say("Reading the GGUF file's head", None)
    try:
        reader = GGUFReader(path)
        _refuse_sizes(reader, path)
        architecture = str(reader.fields["general.architecture"].contents())
        end = max((int(t.data_offset) + int(t.n_bytes) for t in reader.tensors), default=0)
        names = {tensor.name for tensor in reader.tensors}
        head = GGUFHead.of(reader, architecture)
    except WorkbenchError:
        raise
    except Exception as error:
        # The reader fails in many ways on a cut or altered file, none of them its own exception.
        raise WorkbenchError(
            f"{path} is truncated or corrupt ({first_line(error)}); fetch it again."
        ) from error
    if not names or end > path.stat().st_size:
        raise WorkbenchError(f"{path} is truncated: its last weights are missing; fetch it again.")
    if architecture not in ARCHITECTURES:
        raise WorkbenchError(
            f"{name} is a GGUF file of the family {architecture!r}, whose conversion is "
            f"not tested yet; as GGUF the workbench takes {' and '.join(ARCHITECTURES)}, in "
            f"transformers' format {', '.join(FAMILIES)}."
        )
    refusal = head.refusal()
    if refusal is not None:
        raise WorkbenchError(
            f"{name} {refusal}, which cannot be carried over exactly; load the model in "
            "transformers' format instead."
        )
    return head


def _refuse_sizes(reader: Any, path: Path) -> None:
    """Refuse a model that claims more layers than it has weights for, or a larger one.

    transformers would make room for it first. Raises ValueError.
    """
    size = path.stat().st_size
    for name, field in reader.fields.items():
        if not name.startswith(("general.", "tokenizer.", "split.", "GGUF.")):
            value = field.contents()
            most = len(reader.tensors) if name.endswith(".block_count") else max(size, POSITIONS)
            if isinstance(value, int) and value > most:
                raise ValueError(f"its {name} is {value:,}")


def _check_bounds(path: Path) -> None:
    """Raises WorkbenchError for a file whose head claims more than is there."""
    try:
        check_bounds(path)
    except ValueError as error:
        raise WorkbenchError(
            f"{path} is truncated or corrupt ({first_line(error)}); fetch it again."
        ) from error


def _convert(path: Path, name: str, head: GGUFHead, say: Progress) -> tuple[Any, Any]:
    """Model (float32) and tokenizer of a GGUF file, free of any trace of quantisation."""
    say("Converting the GGUF tokenizer", None)
    with quiet_transformers(say, gguf=True), memory_errors(too_big(name)):
        try:
            tokenizer = tokenizer_of(path.parent, name, gguf_file=path.name)
            say("Converting the GGUF weights", None)
            config = gguf_config_of(path)
            head.complete(config)
            model, report = weights_of(
                path.parent, torch.float32, gguf_file=path.name, config=config
            )
        except Exception as error:
            if is_memory_error(error) or isinstance(error, WorkbenchError):
                raise
            raise WorkbenchError(
                f"{path} cannot be converted ({first_line(error)}); fetch it again, or load the "
                "model in transformers' format."
            ) from error
    missing = sorted(report["missing_keys"])
    if missing:
        raise WorkbenchError(f"{path} is not whole: {missing[0]} is missing; fetch it again.")
    return sharing_weights(model), tokenizer
