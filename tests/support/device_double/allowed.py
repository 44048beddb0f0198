"""The places that may wait for the device, each with its reason: the one list of them."""

from __future__ import annotations

from tests.support.device_double.events import Allowed

ALLOWED: tuple[Allowed, ...] = ()
