"""Asking one part its question; a plug-in's failure is told and costs no other part."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from workbench.assessment.catalogue import PARTS, Part
from workbench.base.failures import is_memory_error
from workbench.base.kept_values import kept_text, value_of
from workbench.base.ledger import is_kept, recorded_work, scope
from workbench.base.work import Work
from workbench.errors import Cancelled, WorkbenchError
from workbench.plugins import resolve

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from workbench.assessment.settings import AssessmentSettings
    from workbench.circuits.circuit import Circuit
    from workbench.experiment.experiment import Experiment

RESULTS = "workbench.assessment.results"
"""Where the classes of the parts' results stand."""


def ask(
    part: Part, experiment: Experiment, circuit: Circuit, settings: AssessmentSettings
) -> Work[Any]:
    """What a part finds of one circuit.

    Raises:
        WorkbenchError: it cannot be answered; or the part is a plug-in's and fails.
    """
    return _answer(part, experiment, circuit, settings)


def ask_together(
    part: Part,
    experiments: Sequence[Experiment],
    named: Sequence[tuple[str, Circuit]],
    settings: AssessmentSettings,
) -> Work[Any]:
    """What a part that compares finds of several circuits; errors as of `ask`."""
    return _answer(part, experiments, named, settings)


def _answer(part: Part, *about: Any) -> Work[Any]:
    foreign = PARTS.is_foreign(part.name)
    try:
        work = resolve(part.assess)(*about)
        if not is_kept():
            result = yield from work
        elif foreign:  # the class of its results is not known here
            with scope(part.name):
                result = yield from work
        else:
            text = yield from recorded_work(part.name, bytes, lambda: _text(work))
            result = value_of(text.tobytes().decode(), RESULTS)
        if foreign:
            _try_telling(part, result)
    except (WorkbenchError, Cancelled):
        raise
    except Exception as error:
        if not foreign or is_memory_error(error):
            raise
        said = (str(error).strip().splitlines() or [""])[0].rstrip(".")
        raise WorkbenchError(
            f"The part {part.name} of {PARTS.source(part.name)} fails: {type(error).__name__}"
            f"{': ' + said if said else ''}."
        ) from error
    return result


def _text(work: Work[Any]) -> Work[NDArray[np.uint8]]:
    """What a part finds as a text, to be kept."""
    import numpy as np

    result = yield from work
    return np.frombuffer(kept_text(result).encode(), dtype=np.uint8)


def _try_telling(part: Part, result: Any) -> None:
    """Fail now rather than when hours of other parts are to be written down."""
    result.to_json()
    resolve(part.headline)(result)
    list(resolve(part.sections)(result))
    if part.pictures is not None:
        list(resolve(part.pictures)(result))
