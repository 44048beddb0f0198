"""Self-checks that models passed, kept: the same model on the same device passes at once.

What was checked is named by all that a result depends on: the digest of weights, configuration and
tokenizer, the number format, the device, the versions of the packages that compute, and the source
files of ours that say how. A change of any of them is another name, and the check is made again.
Records lie in the state folder, where their owner alone may look; one that is damaged, or that
cannot be read or written, is not there. `workbench models --check` checks whatever is kept.

Glossary: docs/glossary.md#check-on-loading.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import torch

from workbench.base.folders import make_private, state_folder
from workbench.base.installed import OURS, version_of
from workbench.base.json_values import (
    READERS,
    count,
    maybe,
    object_of,
    read_values,
    shaped,
    string,
    truth,
)
from workbench.base.progress import Progress, silent
from workbench.base.write_file import write_bytes
from workbench.errors import WorkbenchError
from workbench.models.device import kind_of
from workbench.models.file_digests import digest_of
from workbench.models.file_tokenizer import SpecialTokens
from workbench.models.folder import check_tokenizer, weight_files
from workbench.models.info import Architecture, ModelInfo, SelfCheck

COMPUTING = ("torch", "transformers", "tokenizers", "safetensors")
"""Packages whose version is in a record's name."""

SOURCES = ("transformer", "models")
"""Rooms of ours whose source files are: they say how a model is taken apart and checked."""

SMALL = (".json", ".model", ".txt", ".jinja")
"""Endings of the files beside the weights that a model depends on."""

LARGEST = 1 << 32
"""Bytes of weights whose digest is worth its time; reading more takes longer than the check."""

MOST = 200
"""Records that are kept; those that were written last stay."""


@dataclass(frozen=True)
class Passed:
    """What was found of a model that passed.

    Attributes:
        info: the model in plain values, its check among them.
        stand_in: whether its stand-in computes the very same logits, see `stand_in`.
        tokens: the special tokens, where `tokenizer.json` alone gives the same tokens as the
            tokenizer that transformers makes; None where it does not.
    """

    info: ModelInfo
    stand_in: bool
    tokens: SpecialTokens | None

    def as_named(self, name: str, where: str) -> Passed:
        """The same of a model that goes by another name now, or lies elsewhere."""
        return replace(self, info=replace(self.info, name=name, where=where))


def digest_of_folder(folder: Path, name: str, say: Progress = silent) -> str | None:
    """The digest of all files that a model in transformers' format depends on.

    None where there are too many bytes for it to be worth its time, or they cannot be read.
    """
    try:
        check_tokenizer(folder, name)  # what is too large to be read is not read here either
        weights = weight_files(folder, name)
        if sum(file.stat().st_size for file in weights) > LARGEST:
            return None
        small = sorted(
            file for file in folder.iterdir() if file.suffix in SMALL and file not in weights
        )
        found = digest_of([*small, *weights], say)
    except (OSError, WorkbenchError):
        return None
    named = "\0".join(file.name for file in (*small, *weights))
    return hashlib.blake2b(f"{named}\0{found}".encode(), digest_size=16).hexdigest()


def passed_before(digest: str, device: torch.device, dtype: torch.dtype) -> Passed | None:
    """What was found of these weights, on this device and in these numbers; None if nothing."""
    try:
        kept = object_of(read_values(_place(digest, device, dtype)))
        body = string(kept["found"])
        if _seal(body) != kept["seal"]:
            return None
        return _passed(json.loads(body))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def keep_passed(digest: str, device: torch.device, dtype: torch.dtype, found: Passed) -> None:
    """Keep what was found. Where it cannot be written, the check is made again."""
    body = json.dumps(asdict(found))
    place = _place(digest, device, dtype)
    with suppress(OSError, WorkbenchError):
        make_private(place.parent)
        write_bytes(place, json.dumps({"found": body, "seal": _seal(body)}).encode("ascii"))
        _sweep(place.parent)


def _sweep(folder: Path) -> None:
    files = sorted(folder.glob("*.json"), key=lambda file: file.stat().st_mtime)
    for file in files[:-MOST]:
        file.unlink(missing_ok=True)


def _passed(value: Any) -> Passed:
    """Raises TypeError or ValueError where the record is not of this form."""

    def architecture(of: Any) -> Architecture:
        return shaped(Architecture, of)

    def check(of: Any) -> SelfCheck:
        return shaped(SelfCheck, of)

    def info(of: Any) -> ModelInfo:
        own = {"architecture": architecture, "check": check, "notes": READERS["tuple[str, ...]"]}
        return shaped(ModelInfo, of, own)

    def tokens(of: Any) -> SpecialTokens:
        return SpecialTokens.from_json(object_of(of))

    found = shaped(Passed, value, {"info": info, "stand_in": truth, "tokens": maybe(tokens)})
    if not found.info.check.passed or count(found.info.check.tokens) < 1:
        raise ValueError("this is no check that was passed")
    return found


def _place(digest: str, device: torch.device, dtype: torch.dtype) -> Path:
    named = [digest, str(dtype), *_device(device), *_versions(), _sources()]
    key = hashlib.blake2b(json.dumps(named).encode("utf-8"), digest_size=16).hexdigest()
    return state_folder() / "self-checks" / f"{key}.json"


def _device(device: torch.device) -> Sequence[str]:
    return str(device), kind_of(device)


@cache
def _versions() -> tuple[str, ...]:
    return tuple(f"{package} {version_of(package)}" for package in (OURS, *COMPUTING))


@cache
def _sources() -> str:
    """By which an edited source file shows, in a checkout whose version stays the same."""
    package = Path(__file__).parents[1]
    files = sorted(file for room in SOURCES for file in (package / room).rglob("*.py"))
    marks = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    return hashlib.blake2b(json.dumps(marks).encode("utf-8"), digest_size=16).hexdigest()


def _seal(body: str) -> str:
    return hashlib.blake2b(body.encode("utf-8"), digest_size=8).hexdigest()
