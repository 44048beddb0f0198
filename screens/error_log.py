"""ErrorLog: unexpected errors in a file, since the screen has no room for a traceback."""

from __future__ import annotations

import logging
import threading

BYTES = 1_000_000  # of one file; the one before it is kept


class ErrorLog:
    """`workbench.log` in the state folder, from `open` to `close`. From any thread."""

    def __init__(self) -> None:
        self._handler: logging.Handler | None = None
        self._lock = threading.Lock()

    def open(self) -> None:
        """Begin to write; a second time does nothing. An unwritable folder costs the log only."""
        from logging.handlers import RotatingFileHandler

        from workbench.base.folders import make_private, state_folder

        with self._lock:
            if self._handler is not None:
                return
            try:
                folder = state_folder()
                make_private(folder)
                path = folder / "workbench.log"
                if path.is_symlink():
                    return
                path.touch(0o600)
                path.chmod(0o600)
                handler = RotatingFileHandler(path, maxBytes=BYTES, backupCount=1, delay=True)
            except OSError:
                return
            form = "%(asctime)s %(levelname)s %(name)s %(message)s"
            handler.setFormatter(logging.Formatter(form))
            logging.getLogger("workbench").addHandler(handler)
            self._handler = handler

    def close(self) -> None:
        with self._lock:
            if self._handler is not None:
                logging.getLogger("workbench").removeHandler(self._handler)
                self._handler.close()
                self._handler = None
