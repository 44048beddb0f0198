"""The settings in which an edge's effect is measured; no number is shown without its own.

Glossary: docs/glossary.md#along-the-circuit, docs/glossary.md#in-the-full-model,
docs/glossary.md#setting, docs/glossary.md#within-the-circuit.
"""

from __future__ import annotations

from workbench.errors import WorkbenchError

FULL, ALONG, WITHIN = "full", "along", "within"
SETTINGS = (FULL, ALONG, WITHIN)
DEFINITIONS: dict[str, str] = {
    FULL: "in the full model: corrupt this edge alone, s(E) = L(x | do(E = e')) - L(x)",
    ALONG: "along the circuit: corrupt this edge and let it spread through kept edges only",
    WITHIN: "within the circuit, all else corrupted: the circuit without the edge minus with it",
}
NAMES: dict[str, str] = {
    FULL: "in the full model",
    ALONG: "along the circuit",
    WITHIN: "within the circuit",
}
"""The settings as they are called in a sentence."""

EAP = "eap"
"""In place of a setting: decided by the estimates alone, nothing exact being computed."""
DECIDING = (*SETTINGS, EAP)
"""What edges can be kept by."""


def check_setting(setting: str) -> str:
    """The setting back, if it is one.

    Raises:
        WorkbenchError: if it is not.
    """
    if setting not in SETTINGS:
        raise WorkbenchError(
            f"There is no setting {setting!r}; choose one of: {', '.join(SETTINGS)}."
        )
    return setting


def check_deciding(by: str) -> str:
    """A setting, or "eap", back. Raises WorkbenchError for anything else."""
    return by if by == EAP else check_setting(by)
