"""How weights are spread over devices where no file says it.

Importing this loads no torch.
"""

from __future__ import annotations

AUTO, BALANCED = "auto", "balanced"
PLACINGS = (AUTO, BALANCED)
"""One device filled after the other; or all of them alike."""
