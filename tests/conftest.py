"""What holds for all tests."""

from __future__ import annotations

import os
import signal

# The models are tiny: more threads would only wait for one another, and the tests run in parallel
# processes. Before anything imports torch, and for the processes that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A shell that starts something in the background lets it ignore Ctrl-C; some tests press it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
