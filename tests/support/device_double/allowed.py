"""The places that may wait for the device, each with its reason: the one list of them."""

from __future__ import annotations

from tests.support.device_double.events import Allowed

TRANSFERS = "workbench/base/transfers.py"

ALLOWED = (
    Allowed(TRANSFERS, "on_host", "what was computed comes back by this function alone"),
    Allowed(
        "workbench/models/self_check.py",
        "_own_logits",
        "the model's own code, which is run once when it is opened, may ask about its masks",
    ),
)
