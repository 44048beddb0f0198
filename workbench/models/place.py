"""Where a model's files lie on this machine, and what was found of them before."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from workbench.base.failures import memory_errors
from workbench.base.progress import Progress
from workbench.errors import WorkbenchError
from workbench.models.file_tokenizer import same_tokens
from workbench.models.folder import too_big
from workbench.models.passed_checks import (
    Passed,
    digest_of_folder,
    keep_passed,
    passed_before,
)
from workbench.models.self_check import engine_logits, tokens_of
from workbench.models.source import ModelSource, find_model
from workbench.models.stand_in import StandIn, read_stand_in
from workbench.transformer.families import parts_of
from workbench.transformer.families.catalogue import BUILT_IN

if TYPE_CHECKING:
    from workbench.models.info import ModelInfo
    from workbench.transformer.parts import ModelParts


@dataclass(frozen=True)
class Place:
    """A model's files, and on which device and in which numbers they are wanted.

    Attributes:
        name: as the user named it.
        folder: in transformers' format; None where there is none yet, or none that can be kept by.
        where: what `ModelInfo` says of where the weights came from.
        digest: of all files that the model depends on; None where that is not worth its time.
        device, dtype: where it is to run and in which numbers.
    """

    name: str
    folder: Path | None
    where: str
    digest: str | None
    device: torch.device
    dtype: torch.dtype

    @classmethod
    def of(
        cls,
        name: str,
        revision: str | None,
        device: torch.device,
        dtype: torch.dtype,
        say: Progress,
    ) -> Place:
        """The place of a model; nothing is read but its files' digest, and nobody is asked.

        Raises:
            WorkbenchError: the name stands for nothing, a file of a model of ours is damaged, or a
                local model is asked for by revision.
        """
        source = source_of(name, revision)
        folder = None
        with suppress(OSError, WorkbenchError):  # reading it says what is wrong
            folder = _folder(source, revision, say)
        where = "hub" if source.kind == "hub" else str(source.path)
        digest = None if folder is None else digest_of_folder(folder, name, say)
        return cls(name, folder, where, digest, device, dtype)

    def passed(self) -> Passed | None:
        """What was found when these files passed before; None if they did not."""
        if self.digest is None:
            return None
        found = passed_before(self.digest, self.device, self.dtype)
        return None if found is None else found.as_named(self.name, self.where)

    def stand_in(self, passed: Passed) -> tuple[StandIn, Path] | None:
        """The stand-in and the folder that it is of, where it was found to compute the same."""
        if self.folder is None or not passed.stand_in or passed.tokens is None:
            return None
        with memory_errors(too_big(self.name)):
            made = read_stand_in(self.folder, self.name, self.dtype, self.device)
        return None if made is None else (made, self.folder)

    def keep(self, info: ModelInfo, hf_model: Any, parts: ModelParts, tokenizer: Any) -> None:
        """Keep that a model of these files, read by transformers, passed its check now."""
        families = {family.model_type for family in BUILT_IN}
        if self.digest is None or self.folder is None or info.family not in families:
            return
        same, tokens = False, same_tokens(self.folder, tokenizer)
        if tokens is not None:
            made = read_stand_in(self.folder, self.name, self.dtype, self.device)
            prompts = tokens_of(hf_model, parts, tokenizer)
            same = made is not None and computes_the_same(made, parts, prompts)
        keep_passed(self.digest, self.device, self.dtype, Passed(info, same, tokens))


def source_of(name: str, revision: str | None) -> ModelSource:
    """What a name stands for, its files looked at where they are ours. Errors as `Place.of`."""
    source = find_model(name)
    source.check()
    if revision is not None and source.kind != "hub":
        raise WorkbenchError(f"Only models of the hub have revisions; {name} is local.")
    return source


def computes_the_same(stand_in: StandIn, parts: ModelParts, tokens: Tensor) -> bool:
    """Whether the engine makes the same logits, to the last bit, of a stand-in's parts.

    Args:
        parts: those of transformers' own model.
        tokens: two prompts [2, position], of which both runs are made.
    """
    own = parts_of(stand_in)
    if own.graph() is not parts.graph():
        return False
    ours, theirs = engine_logits(own, tokens), engine_logits(parts, tokens)
    return all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


def _folder(source: ModelSource, revision: str | None, say: Progress) -> Path | None:
    """The folder in transformers' format that a model is read from, if it is there."""
    if source.kind == "folder":
        return source.path
    if source.kind == "hub":
        from workbench.models.hub import downloaded

        return downloaded(source.name, revision)
    if source.kind == "gguf" and source.path is not None:
        from workbench.models.gguf import entry_of
        from workbench.models.gguf_parts import parts_of_file

        entry = entry_of(parts_of_file(source.path), say)
        return entry.folder if entry.is_whole(say) else None
    return None
