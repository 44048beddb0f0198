"""The command `workbench`, also as `python -m workbench`."""

from __future__ import annotations

import signal
import sys


def _command() -> int:
    from workbench.cli.main import main as run_command

    return run_command(sys.argv[1:])


def main() -> int:
    """Run the command line; returns the exit code."""
    # Until what tells of an interruption is loaded, one ends the process without a word: there is
    # nothing to tell yet.
    if own := signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from workbench.cli import console

    if own:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if len(sys.argv) > 1:
        return console.run(_command)
    # Without a word there is nothing to parse, and the first frame should not wait for the parser.
    from workbench.cli.launch import show

    with console.our_warnings():
        return console.run(show)


if __name__ == "__main__":
    sys.exit(main())
