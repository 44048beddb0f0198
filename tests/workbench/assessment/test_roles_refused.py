"""An assessment of a circuit with edges at roles says which parts it cannot do."""

from __future__ import annotations

import pytest

from tests.support.references.by_role import by_role, mixed
from workbench.assessment.parts.directions import assess_part
from workbench.assessment.settings import AssessmentSettings
from workbench.assessment.tools.variants import alive
from workbench.base.work import finish
from workbench.errors import WorkbenchError


def test_parts_that_go_by_whole_edges_say_so() -> None:
    experiment = by_role("gpt2").case.experiment
    circuit = mixed(experiment.graph, 1)
    for asked in (lambda: alive(circuit), lambda: finish(assess_part(experiment, circuit, AssessmentSettings()))):
        with pytest.raises(WorkbenchError, match=r"keeps \d+ edges at some roles only"):
            asked()
