"""What goes wrong with the Hugging Face hub, as sentences: for models and for data sets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from workbench.base.failures import first_line
from workbench.errors import WorkbenchError

UNREACHABLE = ("ConnectError", "ConnectTimeout", "ReadTimeout", "ProxyError", "ConnectionError")
"""Classes of the network library below the client, which changes between its releases."""


@dataclass(frozen=True)
class Wanted:
    """What the hub is asked for, in the words of its failures.

    Attributes:
        repo: whose it is, as the subject of a sentence.
        revision: that is asked for.
        nowhere: what there is none of, "model 'x', neither here nor".
        no_file: the sentence where the repository lacks the file.
        thing: what is fetched, as the subject of a sentence.
        instead: what to do where the hub cannot be reached.
    """

    repo: str
    revision: str | None
    nowhere: str
    no_file: str
    thing: str
    instead: str


@contextmanager
def hub_errors_as_sentences(wanted: Wanted) -> Iterator[None]:
    """Turn what goes wrong with the hub inside into a sentence; its client is kept silent."""
    from huggingface_hub.utils import logging

    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    except WorkbenchError:
        raise
    except Exception as error:
        # The client's errors, those of the network library below it and a full disk have no other
        # class in common.
        raise WorkbenchError(_sentence(wanted, error)) from error
    finally:
        logging.set_verbosity(verbosity)


def _sentence(wanted: Wanted, error: Exception) -> str:
    from huggingface_hub import errors

    if isinstance(error, errors.GatedRepoError):
        return (
            f"{wanted.repo} is gated: accept its conditions on its page on the hub, then log in "
            "with `hf auth login`."
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return f"{wanted.repo} has no revision {wanted.revision!r} on the hub."
    if isinstance(error, errors.RepositoryNotFoundError | errors.HFValidationError):
        return f"There is no {wanted.nowhere} on the hub (a private one needs `hf auth login`)."
    if isinstance(error, errors.RemoteEntryNotFoundError):
        return wanted.no_file
    names = {kind.__name__ for kind in type(error).__mro__}
    if isinstance(error, errors.LocalEntryNotFoundError) or not names.isdisjoint(UNREACHABLE):
        return (
            f"{wanted.thing} is not on this machine and the hub cannot be reached: check the "
            f"network, or {wanted.instead}."
        )
    return f"{wanted.thing} could not be fetched from the hub: {first_line(error)}."
