"""Pauses: the interpreter's own, during which no key is answered, kept short.

Two things hold up the thread that draws while another one computes. Whoever computes in Python
keeps the interpreter's lock for an interval, and a key passes it several times on its way: from the
thread that reads it to the one that draws to the one that writes. And a collection of garbage looks
at everything there is: with a model and its libraries loaded that is half a million objects, again
and again, all of which are in use.
"""

from __future__ import annotations

import gc
import sys

INTERVAL = 0.001
"""Seconds for which a thread may keep the interpreter's lock while another one waits for it. It
costs nothing as long as none waits."""

RARELY = 100
"""Collections of the middle generation for one of all objects; ten by default, which while keys
are pressed is one in two seconds."""


def keep_short() -> None:
    """Have threads give way sooner, and garbage that is old looked for less often."""
    sys.setswitchinterval(INTERVAL)
    young, middle, _ = gc.get_threshold()
    gc.set_threshold(young, middle, RARELY)


def set_aside() -> None:
    """Collect all garbage now; what is left is taken to be in use, and looked at no more.

    For when something large was opened or closed: this is a pause itself, of some tenths of a
    second. Whatever of it becomes garbage later is found the next time that this is called.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
