"""Files of data sets on the Hugging Face hub, named `hf://datasets/OWNER/NAME/FILE`.

A file that was fetched before is used as it is, so that no network is needed for it.
"""

from __future__ import annotations

import re
from pathlib import Path

from workbench.base.hub_errors import Wanted, hub_errors_as_sentences
from workbench.base.text import printable
from workbench.errors import WorkbenchError

SCHEME = "hf://"
ADDRESS = re.compile(
    r"hf://datasets/(?P<repo>[\w.-]+/[\w.-]+?)(@(?P<revision>[\w./%-]+?))?/(?P<file>[^/].*)"
)
"""As the hub's own file system writes it; `@main` after the name asks for a revision."""


def is_address(name: str) -> bool:
    """Whether a task's name is meant for the hub."""
    return name.startswith(SCHEME)


def known_file(name: str) -> Path | None:
    """A file of the hub that was fetched before; None if it was not, or the name is none."""
    from huggingface_hub import try_to_load_from_cache

    found = ADDRESS.fullmatch(name)
    if found is None:
        return None
    repo, file, revision = found["repo"], found["file"], found["revision"]
    here = try_to_load_from_cache(repo, file, revision=revision, repo_type="dataset")
    return Path(here) if isinstance(here, str) else None


def local_file(name: str) -> Path | None:
    """Where a file of the hub lies on this machine, fetched if need be; None for other names.

    Raises:
        WorkbenchError: the name is no address of a file, the file is not there, it is gated, or the
            hub cannot be reached.
    """
    if not is_address(name):
        return None
    found = ADDRESS.fullmatch(name)
    if found is None:
        raise WorkbenchError(
            f"{printable(name)} is no file of a data set of the hub: write "
            "hf://datasets/OWNER/NAME/FILE."
        )
    return known_file(name) or _fetched(found["repo"], found["file"], found["revision"])


def _fetched(repo: str, file: str, revision: str | None) -> Path:
    from huggingface_hub import hf_hub_download

    owner, shown = f"The data set {repo}", printable(file)
    wanted = Wanted(
        owner,
        revision,
        nowhere=f"data set {repo}",
        no_file=f"{owner} has no file {shown} on the hub.",
        thing=f"{shown} of the data set {repo}",
        instead="download the file and name it",
    )
    with hub_errors_as_sentences(wanted):
        return Path(hf_hub_download(repo, file, repo_type="dataset", revision=revision))
