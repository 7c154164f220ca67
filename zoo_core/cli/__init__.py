"""The command line: parses arguments, calls one function of `commands`, prints, and exits."""

from __future__ import annotations

import gc
import sys
from io import TextIOWrapper
from typing import TYPE_CHECKING

from zoo_core.pipeline.watchdog import guard_exit

if TYPE_CHECKING:
    from collections.abc import Sequence

_GC_THRESHOLD = 20_000
"""GC threshold 0. Start-up allocates no cycles, so collections only cost time (5 % of a listing).

Python's default is 700.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    from zoo_core.cli.boundary import guarded

    arguments = list(sys.argv[1:] if argv is None else argv) or ["--help"]

    def run() -> int:
        from zoo_core.cli.app import run_app

        return run_app(arguments)

    return guarded(run, arguments)


def script() -> None:
    """The entry point of the `zoo` program."""
    gc.set_threshold(_GC_THRESHOLD)
    if isinstance(sys.stdout, TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")  # undecodable file names
    try:
        code = main()
    except KeyboardInterrupt:  # during the first imports
        sys.stderr.write("zoo: interrupted\n")
        code = 130
    guard_exit()
    sys.exit(code)
