"""Reading a model out of a folder in transformers' format.

There is a sentence for each way it can be broken. Nothing here touches the network, and no code
from the folder is ever run.
"""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeAlias

import torch

from workbench.base.failures import first_line, is_memory_error, memory_errors
from workbench.base.json_values import read_values
from workbench.base.progress import Progress
from workbench.base.text import quoted
from workbench.errors import WorkbenchError
from workbench.models.device_map import quiet_accelerate
from workbench.models.source import ADAPTER_CONFIG
from workbench.models.text_inside import take_text
from workbench.models.transformers_access import require_no_kernels, tokenizer_of, weights_of
from workbench.models.transformers_progress import quiet_transformers
from workbench.transformer.families.catalogue import FAMILIES
from workbench.transformer.families.supported import require_supported, text_inside
from workbench.transformer.torch_modules import set_buffer

WRAPPERS = ("_orig_mod.module.", "module._orig_mod.", "_orig_mod.", "module.")
"""What torch.compile and DistributedDataParallel put before the names of weights."""

TOKENIZER_BYTES = 100_000_000
"""The largest in use, of 260,000 tokens, has 35 MB."""
WRONG_TYPES = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What comes of entries of a configuration that are of other types than they should be."""
POSITIONS = 2**24
"""More than any model has been made for."""
SIZES = frozenset(
    [
        "num_hidden_layers",
        "n_layer",
        "n_layers",
        "num_layers",
        "hidden_size",
        "n_embd",
        "d_model",
        "vocab_size",
        "intermediate_size",
        "n_inner",
        "ffn_dim",
        "num_attention_heads",
        "n_head",
        "num_key_value_heads",
        "head_dim",
        "max_position_embeddings",
        "n_positions",
        "n_ctx",
        "rotary_dim",
        "word_embed_proj_dim",
    ]
)
"""Entries of a configuration by which transformers makes room."""

WIDTHS = frozenset(["hidden_size", "n_embd", "d_model"])
SIDES = frozenset(["vocab_size", "intermediate_size", "n_inner", "ffn_dim"])
"""Those of which a model has weights of that width and this side."""

NO_CODE = "Weights only load failed"
"""How torch begins to say what it refuses to unpickle."""

# Any one of these is the heart of a tokenizer.
TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json", "spiece.model")


Entries: TypeAlias = Callable[[Path], dict[str, str]]
"""Makes of a folder a device map of its model: names of modules, and the device of each."""


def read_folder(
    folder: Path,
    name: str,
    dtype: torch.dtype,
    say: Progress,
    entries: Entries | None = None,
) -> tuple[Any, Any]:
    """The transformers model and tokenizer that lie in a folder.

    Args:
        folder: holds config.json, weights and tokenizer.
        name: what to call the model in messages.
        dtype: numbers to read the weights into.
        say: told how far it is.
        entries: a device map by which weights are read to their devices; None: to the host, as
            those of a model that reads images always are.

    Raises:
        WorkbenchError: the folder is no model of a supported family, or its files are incomplete or
            damaged.
    """
    if (folder / ADAPTER_CONFIG).is_file():
        # With peft installed, transformers would load the model that this file names instead.
        raise WorkbenchError(
            f"{name} holds an adapter ({ADAPTER_CONFIG}), not a whole model: merge it into its "
            "base model, save that, and load the result."
        )
    config = read_config(folder, name)
    try:
        require_supported(config, name)
        inside = text_inside(config)
    except WRONG_TYPES as error:
        raise WorkbenchError(
            f"The config.json of {name} is damaged ({first_line(error)}); fetch it again."
        ) from error
    # Its module may register classes with transformers, which the weights are then read into.
    FAMILIES[(inside or config).model_type].load_adapter()
    require_no_kernels(config, name)
    if not any((folder / file).is_file() for file in TOKENIZER_FILES):
        raise WorkbenchError(
            f"{name} has no tokenizer: none of {', '.join(TOKENIZER_FILES)} lies in {folder}."
        )
    check_tokenizer(folder, name)
    check_weights(folder, name)
    check_sizes(config, folder, name)
    say("Reading the tokenizer", None)
    with quiet_transformers(say):
        try:
            tokenizer = tokenizer_of(folder, name)
        except WorkbenchError:
            raise
        except Exception as error:
            raise WorkbenchError(
                f"The tokenizer of {name} cannot be read ({first_line(error)}); fetch its "
                "files again."
            ) from error
        say("Reading weights", None)
        with memory_errors(too_big(name)):
            try:
                where = {} if inside or entries is None else {"device_map": entries(folder)}
                with quiet_accelerate(name) if where else nullcontext():
                    model, report = weights_of(
                        folder, dtype, multimodal=inside is not None, **where
                    )
            except WorkbenchError:
                raise
            except Exception as error:
                if is_memory_error(error):
                    raise
                if isinstance(error, pickle.UnpicklingError) or NO_CODE in str(error):
                    raise WorkbenchError(
                        f"The weights of {name} cannot be read: they are a pickle that is damaged "
                        "or holds more than tensors, such as code, which is never run; fetch them "
                        "as model.safetensors."
                    ) from error
                raise WorkbenchError(
                    f"The weights of {name} cannot be read ({first_line(error)}); fetch them again."
                ) from error
    missing = sorted(report["missing_keys"])
    if missing:
        prefix = _prefix(missing, report.get("unexpected_keys", ()))
        if prefix:
            raise WorkbenchError(
                f"The weights of {name} carry {prefix!r} before every name, as a model wrapped by "
                "torch.compile or for several GPUs is saved: take it off the names, or save the "
                "model that was wrapped."
            )
        if set(missing) <= _unembedding(model):
            raise WorkbenchError(
                f"{name} has no unembedding ({missing[0]} is not in its files), as a base model or "
                "a classifier is saved: fetch the model with its language model's head."
            )
        raise WorkbenchError(
            f"The weights of {name} are not whole: {len(missing)} of them are not in the files, "
            f"{missing[0]} for one."
        )
    return model if inside is None else take_text(model, name), tokenizer


def _unembedding(model: Any) -> set[str]:
    """The names of the weights by which a transformers model makes logits."""
    head = model.get_output_embeddings()
    names = [name for name, module in model.named_modules() if module is head]
    return {f"{name}.{weight}" for name in names for weight in ("weight", "bias")}


def _prefix(missing: list[str], unexpected: Iterable[str]) -> str:
    """What stands before the names of weights that are there otherwise; empty for nothing."""
    there = sorted(unexpected)
    for prefix in WRAPPERS:
        bare = {key.removeprefix(prefix) for key in there if key.startswith(prefix)}
        if bare & set(missing):
            return prefix
    return ""


def read_config(folder: Path, name: str) -> SimpleNamespace:
    """config.json as attributes.

    Raises:
        WorkbenchError: it is missing or is not a model's configuration.
    """
    path = folder / "config.json"
    try:
        config = read_values(path)
    except FileNotFoundError:
        raise WorkbenchError(f"{name} is no model: {folder} holds no config.json.") from None
    except (OSError, ValueError) as error:
        raise WorkbenchError(f"{path} cannot be read ({first_line(error)}).") from error
    if not isinstance(config, dict) or not isinstance(config.get("model_type"), str):
        raise WorkbenchError(f"{name} is no model: its config.json names no model_type.")
    for key in sorted(SIZES & config.keys()):
        if config[key] is not None and type(config[key]) is not int:
            raise WorkbenchError(
                f"The config.json of {name} says {key} is {quoted(config[key])}, which is no whole "
                "number; fetch it again."
            )
    return SimpleNamespace(**config)


def weight_files(folder: Path, name: str) -> list[Path]:
    """The files that hold the weights, safetensors if there are any.

    Raises:
        WorkbenchError: there are none, or some that an index names are missing.
    """
    for stem, suffix in (("model", "safetensors"), ("pytorch_model", "bin")):
        index = folder / f"{stem}.{suffix}.index.json"
        if index.is_file():
            try:
                shards = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
                files = [folder / shard for shard in sorted(shards)]
            except (ValueError, KeyError, AttributeError, TypeError) as error:
                raise WorkbenchError(
                    f"{index} is damaged ({first_line(error)}); fetch it again."
                ) from error
            missing = [file.name for file in files if not file.is_file()]
            if missing:
                raise WorkbenchError(
                    f"{name} is not whole: {len(missing)} of {len(files)} weights files are "
                    f"missing, {missing[0]} for one."
                )
            return files
        single = folder / f"{stem}.{suffix}"
        if single.is_file():
            return [single]
    raise WorkbenchError(
        f"{name} has no weights: {folder} holds neither model.safetensors nor pytorch_model.bin."
    )


def check_weights(folder: Path, name: str) -> None:
    """Look at each safetensors file's head: a truncated download is said before it is read.

    Raises:
        WorkbenchError: a file is truncated or is no safetensors file.
    """
    from safetensors import SafetensorError, safe_open

    for file in weight_files(folder, name):
        if file.suffix != ".safetensors":
            continue
        try:
            with safe_open(str(file), framework="pt"):
                pass
        except (SafetensorError, OSError) as error:
            raise WorkbenchError(
                f"{file} is truncated or corrupt ({first_line(error)}); fetch it again."
            ) from error


def check_tokenizer(folder: Path, name: str) -> None:
    """Refuse a tokenizer whose files are larger than any: reading takes ten times that.

    Raises:
        WorkbenchError: one is.
    """
    for file in folder.iterdir():
        if file.suffix in (".json", ".model", ".txt", ".jinja") and "index" not in file.name:
            size = file.stat().st_size
            if size > TOKENIZER_BYTES:
                raise WorkbenchError(
                    f"{name} has a file {file.name} of {size / 1e6:,.0f} MB, and such files are "
                    f"read up to {TOKENIZER_BYTES / 1e6:,.0f} MB."
                )


def check_sizes(config: SimpleNamespace, folder: Path, name: str) -> None:
    """Refuse a configuration of more layers, or larger ones, than the weights can be of.

    transformers would make the whole model first, and fill what no file has with noise.

    Raises:
        WorkbenchError: it claims one.
    """
    files = weight_files(folder, name)
    size = sum(file.stat().st_size for file in files)
    for key in ("dtype", "torch_dtype"):
        named = getattr(config, key, None)
        if named is not None and not isinstance(getattr(torch, str(named), None), torch.dtype):
            raise WorkbenchError(
                f"The config.json of {name} says {key} is {quoted(named)}, which are no numbers of "
                "torch's; fetch it again."
            )
    sizes = {
        key: value
        for key, value in vars(config).items()
        if key in SIZES and isinstance(value, int | float) and not isinstance(value, bool)
    }
    for key, value in sizes.items():
        # A layer has four weights at least, and none of its sides is longer than all its bytes, of
        # which eight numbers may take one. Positions need no weights.
        most = max(size, POSITIONS) if "position" in key or key == "n_ctx" else 8 * size
        most = size // 16 if "layer" in key else most
        if not (isinstance(value, int) and 0 <= value <= most):
            raise _too_large(name, key, value, size)
    wide = max((key for key in sizes if key in WIDTHS), key=lambda key: sizes[key], default=None)
    for key in sizes.keys() & SIDES:
        if wide is not None and sizes[wide] * sizes[key] > 8 * size:
            larger = max(wide, key, key=lambda key: sizes[key])
            raise _too_large(name, larger, sizes[larger], size)


def _too_large(name: str, key: str, value: object, size: int) -> WorkbenchError:
    return WorkbenchError(
        f"The config.json of {name} says {key} is {quoted(value)}, which weights of "
        f"{size / 1e6:,.1f} MB are not of; fetch it again."
    )


def too_big(name: str) -> str:
    """What to say of a model that does not fit into memory."""
    return (
        f"{name} does not fit into memory: take dtype bfloat16, another device, or a smaller model."
    )


def sharing_weights(model: Any) -> Any:
    """Another transformers model of the same class and tensors: nothing is held twice.

    What transformers dequantised it still counts as quantised and would not save, and a model that
    was wrapped runs slower than a plain one; this one never was either.
    """
    config = copy.deepcopy(model.config)
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    with torch.device("meta"):
        other = type(model)(config)
    other.load_state_dict(model.state_dict(), strict=True, assign=True)
    for full_name, buffer in model.named_buffers():  # rotary frequencies are in no state dict
        set_buffer(other, full_name, buffer)
    other.tie_weights()
    other.generation_config = copy.deepcopy(model.generation_config)
    return other.eval().requires_grad_(False)
