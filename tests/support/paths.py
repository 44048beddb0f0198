"""Where the repository and the files that tests compare with lie."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden"
REFERENCE = ROOT / "tests" / "reference"
