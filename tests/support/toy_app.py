"""The app on a made-up session, as a process of its own: for what only a real terminal shows.

It needs no torch, so it is there a few times faster than one that opens a model.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

COMMAND = (sys.executable, "-m", "tests.support.toy_app")
"""Run with the project's root in PYTHONPATH and a folder in WORKBENCH_STATE."""


def main() -> int:
    """Show it until it is left."""
    from screens.app import WorkbenchApp
    from tests.support.toy_session import toy_session

    folder = Path(os.environ["WORKBENCH_STATE"])
    folder.mkdir(parents=True, exist_ok=True)
    session, _ = toy_session(folder, layers=4, heads=4)
    app = WorkbenchApp(session=session)
    app.run()
    return app.return_code or 0


if __name__ == "__main__":
    raise SystemExit(main())
