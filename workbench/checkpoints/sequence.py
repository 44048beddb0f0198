"""A sequence of checkpoints: a folder, a pattern, a list, or revisions. No torch."""

from __future__ import annotations

import filecmp
import glob
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias

from workbench.base.home import meant_path
from workbench.base.json_values import read_values
from workbench.base.text import shown_path
from workbench.errors import WorkbenchError

_NAMED = re.compile(r"(?:step|checkpoint|ckpt|iter)[-_]?(\d+)", re.IGNORECASE)
_NUMBER = re.compile(r"\d+")
_PATTERN = re.compile(r"[*?\[]")
_SHAPE = (
    *("num_hidden_layers", "n_layer", "n_layers", "num_layers"),
    *("hidden_size", "n_embd", "d_model", "num_attention_heads", "n_head", "vocab_size"),
)
"""Entries of a configuration that are the same all over a training."""


@dataclass(frozen=True)
class Checkpoint:
    """A model at one moment of its training.

    Attributes:
        model: as `load_model` takes it.
        revision: of a model of the hub.
        step: how many steps it was trained, by its name; None where no name of the sequence has a
            number.

    Glossary: docs/glossary.md#checkpoint.
    """

    model: str
    revision: str | None = None
    step: int | None = None

    @property
    def name(self) -> str:
        """The folder's name or the revision."""
        return self.revision or Path(self.model).name

    @property
    def label(self) -> str:
        """On an axis: the step, or the name."""
        return self.name if self.step is None else f"{self.step:,}"


Listed: TypeAlias = str | os.PathLike[str] | Checkpoint
Given: TypeAlias = str | os.PathLike[str] | Sequence[Listed] | Mapping[str, Any]
"""A folder that holds folders checkpoint-N, a pattern of folders, `MODEL@REVISION,REVISION`, a list
of folders or `MODEL@REVISION`, or a mapping with `model` and `revisions`."""


def step_of(name: str) -> int | None:
    """How many steps a name tells of: `step1000-tokens4B` is 1000; else its last number."""
    if found := _NAMED.findall(name):
        return int(found[-1])
    numbers = _NUMBER.findall(name)
    return int(numbers[-1]) if numbers else None


def read_checkpoints(given: Given, beside: Path | None = None) -> tuple[Checkpoint, ...]:
    """The checkpoints of a sequence, by the number of steps.

    A list without any number in its names keeps its order. Whether each can be loaded is found out
    when it is.

    Args:
        given: as `Given` says; checkpoints that were read before stay as they are.
        beside: the folder that relative paths are from; None: where the command is given.

    Raises:
        WorkbenchError: there are none, one step is there twice, some names have a number and some
            have none, or two folders are of models of different shape or tokenizer.
    """
    if not isinstance(given, str | os.PathLike | Mapping) and given:
        read = tuple(one for one in given if isinstance(one, Checkpoint))
        if len(read) == len(given):
            return read
    found = _found(given, beside)
    steps = [one.step for one in found]
    if any(step is None for step in steps):
        nameless = found[steps.index(None)]
        if not isinstance(given, str | os.PathLike) and not any(step is not None for step in steps):
            return found
        raise WorkbenchError(
            f"{nameless.name} has no number of steps in its name, as checkpoint-100 has: rename it "
            "or leave it out."
        )
    ordered = tuple(sorted(found, key=lambda one: one.step or 0))
    for one, other in pairwise(ordered):
        if one.step == other.step:
            raise WorkbenchError(
                f"{_shown(one)} and {_shown(other)} are both of step {one.label}: leave one out."
            )
    _check_alike(ordered)
    return ordered


def place_of(model: str, revision: str | None = None) -> tuple[str, str | None]:
    """A model's name and revision as they can be compared: a folder by its whole path."""
    path = meant_path(model)
    return str(path.resolve()) if path.exists() else model, revision


def _found(given: Given, beside: Path | None) -> tuple[Checkpoint, ...]:
    if isinstance(given, Mapping):
        revisions, model = given.get("revisions"), given.get("model")
        if not isinstance(model, str) or not revisions or isinstance(revisions, str):
            raise WorkbenchError("Checkpoints of the hub are a model and a list of its revisions.")
        return tuple(_revision(model, str(one)) for one in revisions)
    if isinstance(given, str | os.PathLike):
        return _by_name(os.fspath(given), beside)
    if not given:
        raise WorkbenchError("The list of checkpoints is empty.")
    return tuple(
        one if isinstance(one, Checkpoint) else _one(os.fspath(one), beside) for one in given
    )


def _by_name(name: str, beside: Path | None) -> tuple[Checkpoint, ...]:
    model, at, revisions = name.rpartition("@")
    path = _path(name, beside)
    if at and not path.exists():
        return tuple(_revision(model, one) for one in revisions.split(",") if one)
    if _PATTERN.search(name) and not path.exists():
        folders = [Path(one) for one in glob.glob(str(path)) if os.path.isdir(one)]
        if not folders:
            raise WorkbenchError(f"No folder is named as {shown_path(name)}.")
    elif path.is_dir():
        folders = [one for one in path.iterdir() if one.is_dir() and _NAMED.fullmatch(one.name)]
        if not folders:
            raise WorkbenchError(
                f"{shown_path(name)} holds no folders named checkpoint-N or stepN."
            )
    else:
        raise WorkbenchError(
            f"There is no folder {shown_path(name)}: name one that holds folders checkpoint-N, a "
            "pattern of such folders, or MODEL@REVISION,REVISION."
        )
    return tuple(Checkpoint(str(one), step=step_of(one.name)) for one in sorted(folders))


def _one(name: str, beside: Path | None) -> Checkpoint:
    path = _path(name, beside)
    model, at, revision = name.rpartition("@")
    if at and not path.exists():
        return _revision(model, revision)
    return Checkpoint(str(path) if path.exists() else name, step=step_of(path.name))


def _revision(model: str, revision: str) -> Checkpoint:
    return Checkpoint(model, revision, step_of(revision))


def _path(name: str, beside: Path | None) -> Path:
    path = meant_path(name)
    return path if beside is None else beside / path


def _shown(checkpoint: Checkpoint) -> str:
    return checkpoint.revision or shown_path(checkpoint.model)


def _check_alike(checkpoints: Sequence[Checkpoint]) -> None:
    """Of folders, that all are of one shape and tokenizer; what is damaged is left to loading."""
    first: tuple[Checkpoint, dict[str, Any]] | None = None
    for one in checkpoints:
        shape = _shape(Path(one.model))
        if one.revision is not None or shape is None:
            continue
        if first is None:
            first = one, shape
            continue
        for key in _SHAPE:
            if shape.get(key) != first[1].get(key):
                raise WorkbenchError(
                    f"{one.name} and {first[0].name} are not of one training: {key} is "
                    f"{shape.get(key)} and {first[1].get(key)}."
                )
        if not _same_tokens(Path(first[0].model), Path(one.model)):
            raise WorkbenchError(
                f"{one.name} and {first[0].name} are not of one training: their tokenizers differ."
            )


def _shape(folder: Path) -> dict[str, Any] | None:
    try:
        values = read_values(folder / "config.json")
    except (OSError, ValueError):
        return None
    return values if isinstance(values, dict) else None


def _same_tokens(one: Path, other: Path) -> bool:
    """Whether two folders' tokenizer.json have one vocabulary and its merges; True if unknown."""
    first, second = (folder / "tokenizer.json" for folder in (one, other))
    try:
        if filecmp.cmp(first, second):
            return True
        models = [read_values(file)["model"] for file in (first, second)]
    except (OSError, ValueError, LookupError, TypeError):
        return True
    return bool(models[0] == models[1])
