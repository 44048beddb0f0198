"""All that the workbench asks of transformers beside its models' modules.

Every model and tokenizer is read here, so that what must not happen is said in one place: code that
comes with a model is never run and never asked about, nothing is fetched, pickles are read as plain
tensors only, and neither kernels nor adapters named in a model's files are loaded.

What transformers promises nobody, and we use all the same, stands here too, and is checked.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch

from workbench.base.installed import admitted, version_of
from workbench.errors import WorkbenchError

CODE_KEY = "auto_map"
"""Entry of a configuration that names classes in Python files beside it."""

TOKENIZER_CONFIG = "tokenizer_config.json"

IMPLEMENTATION_KEYS = ("attn_implementation", "experts_implementation")
"""Entries of a configuration that say how it is computed; a leading underscore is transformers'."""

NOTES = "_notes_on_reading"
"""Attribute of a model that holds sentences on how it was read."""

QUOTED = 60
"""Characters of a file's content that a sentence quotes."""

# What no file of a model may change.
SAFE: dict[str, Any] = {"trust_remote_code": False, "local_files_only": True}
SAFE_WEIGHTS: dict[str, Any] = {
    **SAFE,
    "weights_only": True,
    # What the engine is compared with; see `with_plain_attention`.
    "attn_implementation": "eager",
}


def tokenizer_of(folder: Path, name: str, **where: Any) -> Any:
    """A folder's tokenizer.

    Args:
        folder: holds its files.
        name: what to call the model.
        where: `gguf_file` for one within such a file.

    Raises:
        WorkbenchError: the tokenizer is code that comes with the model.
    """
    from transformers import AutoTokenizer

    code = _tokenizer_code(folder)
    if code is not None:
        raise WorkbenchError(
            f"The tokenizer of {name} is code that comes with the model ({code}), which is never "
            "run; save it with a tokenizer of transformers' own and load that."
        )
    return _without_word_of_length(AutoTokenizer.from_pretrained(str(folder), **SAFE, **where))


def _without_word_of_length(tokenizer: Any) -> Any:
    """A tokenizer that warns nobody of long texts: we refuse prompts that are too long."""
    warned = getattr(tokenizer, "deprecation_warnings", None)
    if isinstance(warned, dict):
        warned["sequence-length-is-longer-than-the-specified-maximum"] = True
    return tokenizer


def empty_model(folder: Path, dtype: torch.dtype) -> Any:
    """A folder's causal language model without its weights, on the meta device.

    Only its configuration is read.
    """
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.from_pretrained(str(folder), **SAFE)
    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(config, dtype=dtype, attn_implementation="eager")


def weights_of(
    folder: Path, dtype: torch.dtype, *, multimodal: bool = False, **where: Any
) -> tuple[Any, dict[str, Any]]:
    """A folder's causal language model, and transformers' report on the reading.

    Args:
        folder: holds configuration and weights.
        dtype: numbers to read into.
        multimodal: the whole model, which reads images, too.
        where: `gguf_file` for a model within such a file, and its `config`.
    """
    from transformers import AutoModelForCausalLM, AutoModelForImageTextToText

    kind = AutoModelForImageTextToText if multimodal else AutoModelForCausalLM
    model, report = kind.from_pretrained(
        str(folder), dtype=dtype, output_loading_info=True, **SAFE_WEIGHTS, **where
    )
    return model, report


def gguf_config_of(path: Path) -> Any:
    """The configuration that transformers makes of a GGUF file's head."""
    from transformers import AutoConfig

    return AutoConfig.from_pretrained(str(path.parent), gguf_file=path.name, **SAFE)


def require_no_kernels(config: Any, name: str) -> None:
    """Refuse a configuration that names kernels: transformers would fetch and run them.

    Args:
        config: config.json's entries as attributes.

    Raises:
        WorkbenchError: it names some.
    """
    for key, value in vars(config).items():
        # A repository's name, as it may stand in place of one of transformers' own ways.
        if key.lstrip("_") in IMPLEMENTATION_KEYS and "/" in str(value):
            raise WorkbenchError(
                f"The configuration of {name} names kernels to be fetched and run "
                f"({_quoted(value)}), which is never done; remove {key} from its config.json."
            )


def add_reading_note(model: Any, sentence: str) -> None:
    """Say something of how a model was read, for `reading_notes`."""
    setattr(model, NOTES, (*getattr(model, NOTES, ()), sentence))


def reading_notes(model: Any, name: str) -> tuple[str, ...]:
    """What to know of how a model was read: that its own code was passed over, for one."""
    config, notes = model.config, tuple(getattr(model, NOTES, ()))
    named = getattr(config, CODE_KEY, None)
    if not isinstance(named, dict) or not named:
        return notes
    return (
        *notes,
        f"{name} brings code of its own ({_quoted(next(iter(named.values())))}), which is never "
        f"run: it is computed as transformers' own {config.model_type}.",
    )


def with_plain_attention(model: Any) -> None:
    """Make a model compute attention step by step.

    Fused kernels give no scores, and round differently. `set_attn_implementation`, which
    transformers offers for it, leaves families as they were whose attention was not rewritten yet
    (Falcon in 5.9), so the entry that it sets is set.

    Raises:
        AttributeError: this release keeps no such entry.
    """
    config = model.config
    config._attn_implementation  # noqa: B018  (missing: to be said, not to be made)
    # With ALiBi a Falcon's own eager way adds the distances twice.
    doubled = getattr(config, "model_type", None) == "falcon" and config.alibi
    config._attn_implementation = "sdpa" if doubled else "eager"


@contextmanager
def silent_transformers(bar: Callable[..., Any], *, gguf: bool = False) -> Iterator[None]:
    """While it lasts, transformers logs errors only, and its progress bars are made by `bar`.

    Args:
        bar: called as tqdm is.
        gguf: a GGUF file is read, whose reader has a bar of its own, which no hook reaches.

    Raises:
        WorkbenchError: this release shows its bars in a way that was not tried.
    """
    from transformers.utils import logging

    if not hasattr(logging, "set_tqdm_hook"):
        raise _bars_unknown()
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()
    hook = logging.set_tqdm_hook(lambda factory, args, kwargs: bar(*args, **kwargs))
    try:
        with _gguf_bar(bar) if gguf else nullcontext():
            yield
    finally:
        logging.set_verbosity(verbosity)
        logging.set_tqdm_hook(hook)


@contextmanager
def _gguf_bar(bar: Callable[..., Any]) -> Iterator[None]:
    from transformers import modeling_gguf_pytorch_utils as gguf_loader

    if not hasattr(gguf_loader, "tqdm"):
        raise _bars_unknown()
    before, gguf_loader.tqdm = gguf_loader.tqdm, bar
    try:
        yield
    finally:
        gguf_loader.tqdm = before


def _bars_unknown() -> WorkbenchError:
    return WorkbenchError(
        f"transformers {version_of('transformers')} shows its progress in a way that the "
        f"workbench does not know; install a release that was tried "
        f"({admitted('transformers')})."
    )


def _tokenizer_code(folder: Path) -> str | None:
    """The class, and with it the file, that a tokenizer's configuration wants to have run."""
    try:
        config = json.loads((folder / TOKENIZER_CONFIG).read_text(encoding="utf-8"))
        named = config.get(CODE_KEY)
        if isinstance(named, dict):
            named = named.get("AutoTokenizer")
    except (OSError, ValueError, AttributeError):
        return None  # transformers says what is wrong with it
    return _quoted(named) if named else None


def _quoted(named: Any) -> str:
    """A class that a configuration names: its first name where there are several, shortened."""
    if isinstance(named, list | tuple):
        named = next((item for item in named if item), "")
    return str(named)[:QUOTED]
