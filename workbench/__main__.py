"""The command `workbench`, also as `python -m workbench`."""

from __future__ import annotations

import sys

from workbench.cli import console


def _command() -> int:
    from workbench.cli.main import main as run_command

    return run_command(sys.argv[1:])


def main() -> int:
    """Run the command line; returns the exit code."""
    if len(sys.argv) > 1:
        return console.run(_command)
    # Without a word there is nothing to parse, and the first frame should not wait for the parser.
    from workbench.cli.launch import show

    with console.our_warnings():
        return console.run(show)


if __name__ == "__main__":
    sys.exit(main())
