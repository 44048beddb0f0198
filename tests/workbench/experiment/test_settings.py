"""Settings of an experiment: choices by name are its fields; what is wrong is said early."""

from __future__ import annotations

from dataclasses import fields

import pytest

from workbench.errors import WorkbenchError
from workbench.experiment.settings import ExperimentSettings, ModelChoices, TaskChoices


def test_the_choices_are_the_fields() -> None:
    names = {field.name for field in fields(ExperimentSettings)} - {"model", "task"}
    assert ModelChoices.__annotations__.keys() == names
    assert TaskChoices.__annotations__.keys() == names - {
        *("device", "device_map", "dtype", "revision")
    }


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (ExperimentSettings("not a model!", "ioi"), "not a model!"),
        (ExperimentSettings("pocket", "no-such-task"), "no-such-task"),
        (ExperimentSettings("pocket", "ioi", ablation="fire"), "no ablation"),
        (ExperimentSettings("pocket", "ioi", means="ioi"), "takes no means"),
        (ExperimentSettings("pocket", "ioi", ablation="mean", means="no-such"), "no-such"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_loaded(
    settings: ExperimentSettings, says: str
) -> None:
    with pytest.raises(WorkbenchError, match=says):
        settings.checked()


def test_settings_that_are_right_come_back() -> None:
    settings = ExperimentSettings("pocket", "ioi", ablation="mean", means="greater-than")
    assert settings.checked() is settings
