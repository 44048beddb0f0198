"""Parquet, in which data sets lie on the hub: its rows as records."""

from __future__ import annotations

import io

from workbench.errors import WorkbenchError
from workbench.prompts.files.records import Records, record_of

MAGIC = b"PAR1"
MAX_ROWS = 100_000
"""Far beyond any task; a file may hold more rows in a few bytes than memory has room for."""


def records(name: str, raw: bytes) -> Records:
    """The rows of a file.

    Raises:
        WorkbenchError: it is broken or too long, or pyarrow is not installed.
    """
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise WorkbenchError(
            f"{name} is Parquet, which takes the extra `parquet`: install it with `pip install "
            "'.[parquet]'` (that is pyarrow), or save the file as JSON Lines."
        ) from error
    try:
        file = parquet.ParquetFile(io.BytesIO(raw))
        if file.metadata.num_rows > MAX_ROWS:
            raise WorkbenchError(f"{name} has more than {MAX_ROWS:,} rows: split it.")
        rows = file.read().to_pylist()
    except WorkbenchError:
        raise
    except Exception as error:  # the library's errors have no class in common
        reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise WorkbenchError(f"{name} is broken Parquet: {reason.rstrip('.')}.") from error
    made = [record_of(row, f"{name}, row {number}") for number, row in enumerate(rows, start=1)]
    return Records("Parquet", made)
