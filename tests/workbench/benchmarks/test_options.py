"""What `workbench bench` refuses rather than pass over."""

from __future__ import annotations

import pytest

from workbench.cli import main
from workbench.cli.bench import UNHEEDED

VALUES = {"--device": "cpu", "--device-map": "auto", "--dtype": "float32"}


@pytest.mark.parametrize("mode", UNHEEDED)
def test_an_option_that_is_not_heeded_is_refused(
    mode: str, capfd: pytest.CaptureFixture[str]
) -> None:
    mode_given = [mode, "page.md"] if mode == "--gpu-report" else [mode]
    for option in UNHEEDED[mode]:
        given = ["bench", "pocket", *mode_given, option, VALUES[option]]
        assert main.main(given) == 2
        assert f"{option} does not go with {mode}" in capfd.readouterr().err


def test_one_thing_is_measured_at_a_time(capfd: pytest.CaptureFixture[str]) -> None:
    assert main.main(["bench", "pocket", "--start", "--app"]) == 2
    assert "measures something else" in capfd.readouterr().err
