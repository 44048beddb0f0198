"""The runs that a readout reads, by name: of clean and corrupted prompts, of a circuit."""

from __future__ import annotations

RUNS: dict[str, tuple[tuple[float, str], ...]] = {
    "clean": ((1.0, "clean"),),
    "corrupted": ((1.0, "corrupted"),),
    "clean-corrupted": ((1.0, "clean"), (-1.0, "corrupted")),
    "circuit": ((1.0, "circuit"),),
    "circuit-clean": ((1.0, "circuit"), (-1.0, "clean")),
}
"""Whose activations a readout reads, by name: runs, each with the sign that its values count with.

The clean and the corrupted prompts' in the model; the circuit's, with everything outside it
corrupted; and two differences of what is read.
"""

RUN_WORDS = {name: name.replace("-", " − ") for name in RUNS}
"""The same for people."""
