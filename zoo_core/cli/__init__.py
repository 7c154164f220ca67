"""The command line: parses arguments, calls one function of `commands`, prints, and exits."""

from __future__ import annotations

TYPE_CHECKING = False  # as typing's: nothing is imported before `run_program` is ready for Ctrl-C
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_GC_THRESHOLD = 20_000
"""GC threshold 0. Start-up allocates no cycles, so collections only cost time (5 % of a listing).

Python's default is 700.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    import sys

    from zoo_core.cli.boundary import guarded

    arguments = list(sys.argv[1:] if argv is None else argv) or ["--help"]

    def run() -> int:
        from zoo_core.cli.app import run_app
        from zoo_core.cli.interrupt import check

        check()
        return run_app(arguments)

    return guarded(run, arguments)


def script() -> None:
    """The entry point of the `zoo` program."""
    run_program(main)


def run_program(run: Callable[[], int]) -> None:
    """Run a program's function and exit with its code; Ctrl-C is one line and 130 until then."""
    import sys

    try:
        import gc
        import os

        from zoo_core.cli import interrupt
        from zoo_core.cli.output import occupy

        interrupt.install()
        occupy()
        os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")  # zoo says itself what is wrong
        gc.set_threshold(_GC_THRESHOLD)
        if sys.stdout is not None and sys.stdout.errors == "strict":
            sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
        code = run()
        interrupt.check()
        interrupt.ignore()
    except KeyboardInterrupt:
        import signal

        signal.signal(signal.SIGINT, signal.SIG_IGN)
        sys.stderr.write("zoo: interrupted; the next run resumes here\n")
        code = 130
    from zoo_core.cli.output import settle
    from zoo_core.pipeline.watchdog import guard_exit

    settle()
    guard_exit()
    sys.exit(code)
