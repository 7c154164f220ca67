"""The command line: parses, calls one core function, prints. The one place that exits."""

from __future__ import annotations

import gc
import sys
from io import TextIOWrapper
from typing import TYPE_CHECKING

from zoo_core.pipeline.watchdog import guard_exit

if TYPE_CHECKING:
    from collections.abc import Sequence

_RARELY = 20_000
"""Objects made between two looks for garbage: importing leaves none, and looks 30 times less often.

Python's own 700 cost a listing a twentieth of its time.
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
    gc.set_threshold(_RARELY)
    if isinstance(sys.stdout, TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")  # file names may be no text
    try:
        code = main()
    except KeyboardInterrupt:  # while the first modules are imported
        sys.stderr.write("zoo: interrupted\n")
        code = 130
    guard_exit()
    sys.exit(code)
