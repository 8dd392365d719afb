"""The command line: parses, calls, prints. Nothing is decided here."""

from __future__ import annotations

import sys


def main(arguments: list[str] | None = None) -> int:
    """Runs one command and returns its exit code.

    0: done. 1: understood, but the answer is no (not found, conflict, refused, damaged, unavailable). 2: the call itself is wrong.
    130: interrupted. Every error is one line on stderr.
    """
    from modelyard.cli.entry import run

    return run(sys.argv[1:] if arguments is None else arguments)


__all__ = ["main"]
