"""What holds for all tests."""

from __future__ import annotations

import os

# The models are tiny: more threads would only wait for one another, and the tests run in parallel
# processes. Before anything imports torch, and for the processes that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")
