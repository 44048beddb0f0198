"""The number formats that a model may be loaded in. Importing this loads no torch."""

from __future__ import annotations

NUMBER_FORMATS = ("float32", "bfloat16", "float16", "float64")
"""By the names that torch gives them, the usual one first."""
