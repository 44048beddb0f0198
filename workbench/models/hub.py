"""Models of the Hugging Face hub: what is there is used as it is, the rest fetched once.

Only configuration, tokenizer and one format of weights are fetched, the configuration first, so
that a model that cannot be analysed is refused before gigabytes travel.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from workbench.base.hub_errors import Wanted, hub_errors_as_sentences
from workbench.base.progress import Progress
from workbench.errors import WorkbenchError
from workbench.models.folder import TOKENIZER_FILES, read_config, weight_files
from workbench.models.transformers_progress import STEP
from workbench.transformer.families.supported import require_supported

# Beside the weights: all that a tokenizer or a configuration can consist of.
SMALL_FILES = ("*.json", "tokenizer.model", "*.txt", "*.jinja")

PATIENCE = 20.0
"""Seconds to wait for the hub's first answer."""


def hub_folder(repo: str, revision: str | None, say: Progress) -> Path:
    """The local folder of a hub model, downloaded if it is not there yet.

    Args:
        repo: `owner/name` or a bare name.
        revision: branch, tag or commit; None: the newest, or the one that is here.

    Raises:
        WorkbenchError: there is no such model or revision, it is gated, the hub cannot be reached,
            or the model is of no supported family.
    """
    local = downloaded(repo, revision)
    if local is not None:
        return local
    from huggingface_hub import HfApi, hf_hub_download, snapshot_download

    with hub_errors_as_sentences(_as_words(repo, revision)):
        say(f"Asking the hub for {repo}", None)
        # One plain question first: unlike downloads it is not tried five times where no network is.
        about = HfApi().model_info(repo, revision=revision, timeout=PATIENCE)
        wanted = _wanted(repo, [file.rfilename for file in about.siblings or []])
        config = hf_hub_download(repo, "config.json", revision=revision)
        require_supported(read_config(Path(config).parent, repo), repo)
        folder = snapshot_download(
            repo, revision=revision, allow_patterns=wanted, tqdm_class=_bar_class(say)
        )
    return Path(folder)


def downloaded(repo: str, revision: str | None) -> Path | None:
    """The folder of an earlier, complete download; asks nobody."""
    from huggingface_hub import snapshot_download

    try:
        # With this pattern the client does not ask for files that we never fetch; what a model
        # needs is looked for below.
        folder = Path(
            snapshot_download(
                repo, revision=revision, allow_patterns="config.json", local_files_only=True
            )
        )
        weight_files(folder, repo)
    except (OSError, ValueError, WorkbenchError):
        return None
    if not (folder / "config.json").is_file():
        return None
    return folder if any((folder / file).is_file() for file in TOKENIZER_FILES) else None


def _wanted(repo: str, files: list[str]) -> list[str]:
    """Which files to fetch: the small ones, and the weights in the safest format there is."""
    top = [file for file in files if "/" not in file]
    for prefix, suffix in (("model", ".safetensors"), ("pytorch_model", ".bin")):
        if any(file.startswith(prefix) and file.endswith(suffix) for file in top):
            return [*SMALL_FILES, f"{prefix}*{suffix}"]
    if any(file.endswith(".gguf") for file in files):
        raise WorkbenchError(
            f"{repo} holds GGUF files only: download the one you want and name the file."
        )
    raise WorkbenchError(f"{repo} holds no weights that can be read here.")


def _bar_class(say: Progress) -> Any:
    """A tqdm class that reports the bytes fetched to `say` and draws nothing."""
    from tqdm.auto import tqdm

    class Bar(tqdm):  # type: ignore[misc, type-arg, unused-ignore]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            kwargs.pop("name", None)
            self._sink = open(os.devnull, "w")  # noqa: SIM115  (closed with the bar)
            self._told = -1.0
            kwargs.update(file=self._sink, disable=False)
            super().__init__(*args, **kwargs)

        def update(self, n: float | None = 1) -> bool | None:
            changed = super().update(n)
            if self.unit == "B" and self.total:
                fraction = min(1.0, self.n / self.total)
                if fraction >= self._told + STEP or fraction == 1.0:
                    self._told = fraction
                    say(f"Fetching {self.total / 1e6:.0f} MB", fraction)
            return changed

        def close(self) -> None:
            super().close()
            self._sink.close()

    return Bar


def _as_words(repo: str, revision: str | None) -> Wanted:
    return Wanted(
        repo,
        revision,
        nowhere=f"model {repo!r}, neither here nor",
        no_file=f"{repo} is no model: on the hub it has no config.json.",
        thing=repo,
        instead="give a local folder or a .gguf file",
    )
