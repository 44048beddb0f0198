"""Files of data sets on the Hugging Face hub, named `hf://datasets/OWNER/NAME/FILE`.

A file that was fetched before is used as it is, so that no network is needed for it.
"""

from __future__ import annotations

import re
from pathlib import Path

from workbench.base.text import printable
from workbench.errors import WorkbenchError

SCHEME = "hf://"
ADDRESS = re.compile(
    r"hf://datasets/(?P<repo>[\w.-]+/[\w.-]+?)(@(?P<revision>[\w./%-]+?))?/(?P<file>[^/].*)"
)
"""As the hub's own file system writes it; `@main` after the name asks for a revision."""

UNREACHABLE = ("ConnectError", "ConnectTimeout", "ReadTimeout", "ProxyError", "ConnectionError")


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
    from huggingface_hub.utils import logging

    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        return Path(hf_hub_download(repo, file, repo_type="dataset", revision=revision))
    except Exception as error:
        # The client's errors and those of the network library below it have no class in common.
        raise _hub_error(repo, file, revision, error) from error
    finally:
        logging.set_verbosity(verbosity)


def _hub_error(repo: str, file: str, revision: str | None, error: Exception) -> WorkbenchError:
    """What went wrong, in a sentence."""
    from huggingface_hub import errors

    if isinstance(error, errors.GatedRepoError):
        return WorkbenchError(
            f"The data set {repo} is gated: accept its conditions on its page on the hub, then log "
            "in with `hf auth login`."
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return WorkbenchError(f"The data set {repo} has no revision {revision!r} on the hub.")
    if isinstance(error, errors.RepositoryNotFoundError | errors.HFValidationError):
        return WorkbenchError(
            f"There is no data set {repo} on the hub (a private one needs `hf auth login`)."
        )
    if isinstance(error, errors.RemoteEntryNotFoundError):
        return WorkbenchError(f"The data set {repo} has no file {printable(file)} on the hub.")
    names = {kind.__name__ for kind in type(error).__mro__}
    if isinstance(error, errors.LocalEntryNotFoundError) or not names.isdisjoint(UNREACHABLE):
        return WorkbenchError(
            f"{printable(file)} of the data set {repo} is not on this machine and the hub cannot "
            "be reached: check the network, or download the file and name it."
        )
    first = (str(error).strip().splitlines() or [type(error).__name__])[0][:200].rstrip(".")
    return WorkbenchError(
        f"{printable(file)} of the data set {repo} could not be fetched: {first}."
    )
