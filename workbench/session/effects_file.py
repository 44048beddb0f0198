"""Exact effects on the disk, beside the journal, so that a resumed session knows them.

Only those in the full model are kept, as they do not depend on the circuit. Beside each value
stands its estimate: they are taken up where pairs and estimates are those of the session, so that
values of another model, metric or ablation are not. A file that does not fit, or cannot be read, is
computed anew. Importing this loads no torch.
"""

from __future__ import annotations

import contextlib
import io
import zipfile
import zlib
from pathlib import Path

import numpy as np

from workbench.base.text import shown_path
from workbench.base.write_file import write_bytes
from workbench.engine.effect_settings import FULL
from workbench.errors import WorkbenchError
from workbench.session.known_effects import KnownEffects

MOST_EDGES = 2**20
"""Edges of which values are kept: 12 MB."""
MOST_BYTES = 2**25
"""Bytes above which a file is none of ours."""
AGREE = 1e-3
"""By how much of the largest estimate they may differ: another machine has another arithmetic."""


def effects_path(journal: Path) -> Path:
    """Where they are kept."""
    return journal.with_suffix(".effects.npz")


def save_effects(journal: Path, effects: KnownEffects, pairs: str) -> None:
    """Write the exact effects in the full model, if there are any; `pairs`: the set's digest.

    A folder that cannot be written costs computing them again, and nothing else.
    """
    if effects.old:
        return
    exact = effects.exact(FULL)
    where = np.flatnonzero(~np.isnan(exact))[:MOST_EDGES]
    if not len(where):
        return
    told = io.BytesIO()
    values = exact.ravel()[where], effects.eap.ravel()[where].astype(np.float32)
    np.savez(told, where=where.astype(np.uint32), exact=values[0], eap=values[1], pairs=pairs)
    with contextlib.suppress(OSError, WorkbenchError):
        write_bytes(effects_path(journal), told.getvalue())


def load_effects(journal: Path, effects: KnownEffects, pairs: str) -> str:
    """Take up what is kept, if it is of these pairs and estimates.

    Returns:
        A sentence on a damaged file, else nothing.
    """
    path = effects_path(journal)
    if not path.exists() or effects.old:
        return ""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ValueError("too large")
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as kept:
            where, exact, eap = kept["where"], kept["exact"], kept["eap"]
            own = str(kept["pairs"]) == pairs
        fits = exact.dtype == eap.dtype == np.float32 and where.dtype == np.uint32
        if not fits or not where.shape == exact.shape == eap.shape or where.ndim != 1:
            raise ValueError("other arrays")
        if len(where) and int(where.max()) >= effects.eap.size:
            own = False
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
        return f"The exact effects in {shown_path(path)} cannot be read: they are computed anew."
    if not own or not np.isfinite(exact).all():
        return ""
    present = effects.eap.ravel()[where]
    if np.abs(present - eap).max(initial=0.0) <= AGREE * np.abs(effects.eap).max(initial=0.0):
        effects.take_exact(where, exact)
    return ""
