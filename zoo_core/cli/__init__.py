"""The command line: parses, calls one core function, prints. The one place that exits."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from zoo_core.cli.boundary import guarded

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)

    def run() -> int:
        from zoo_core.cli.app import run_app

        return run_app(arguments)

    return guarded(run, arguments)


def script() -> None:
    """The entry point of the `zoo` program."""
    sys.exit(main())
