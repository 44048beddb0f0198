"""Refusing a model that is not built as its adapter knows it, in a sentence that names it.

Adapters read modules and attributes of transformers' models by name. These names are no promise of
transformers: a release may move or rename one. Whatever Python then raises becomes one sentence,
which says what was not there and which releases were tried.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from workbench.base.failures import is_memory_error
from workbench.base.installed import admitted, version_of
from workbench.errors import WorkbenchError

# What Python and torch raise where a part is missing, has another type, or another shape.
NOT_AS_KNOWN = (AttributeError, TypeError, LookupError, ValueError, ArithmeticError, RuntimeError)


@contextmanager
def known_parts(name: str, family: str) -> Iterator[None]:
    """Refuse the model by name where what is done inside does not find its parts as expected.

    Args:
        name: what to call the model.
        family: its `model_type`.

    Raises:
        WorkbenchError: in place of every error that tells of a part that is not as expected.
    """
    try:
        yield
    except NOT_AS_KNOWN as error:
        if isinstance(error, WorkbenchError) or is_memory_error(error):
            raise
        lines = str(error).strip().splitlines()
        said = lines[0].rstrip(".")[:200] if lines else type(error).__name__
        tried = admitted("transformers")
        raise WorkbenchError(
            f"{name} is not built as the workbench knows models of the family {family!r}: {said} "
            f"(transformers {version_of('transformers')} is installed"
            + (f"; {tried} was tried" if tried else "")
            + "). Install a release that was tried, or report it with `workbench report`."
        ) from error
