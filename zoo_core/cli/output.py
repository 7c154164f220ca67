"""The one way to stdout (results) and stderr (talk): without control characters or secrets."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from zoo_core.errors import DataError
from zoo_core.system.terminal import masked, shown, stdout_to_stderr

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import TextIO

_STDERR = 2
_SAID: set[str] = set()
"""The lines of talk that a terminal has shown."""
_RESULTS: ContextVar[TextIO | None] = ContextVar("results", default=None)


def echo(line: str | Path) -> None:
    """Write one line to stdout."""
    _write(f"{shown(str(line))}\n")


def say(text: str, quiet: bool = False) -> None:
    """Write one line to stderr; where that cannot be written, nothing else can be told."""
    if quiet:
        return
    if sys.stderr.isatty():
        _SAID.add(text)
    try:
        sys.stderr.write(f"{shown(text)}\n")
        sys.stderr.flush()
    except OSError:
        silence(sys.stderr)


def was_said(text: str) -> bool:
    """Whether the terminal that shows stdout has shown a line of talk already."""
    return text in _SAID and sys.stdout is not None and sys.stdout.isatty()


def write_json_text(text: str) -> None:
    """Write a JSON document to stdout; JSON has no control characters."""
    _write(masked(text))


def flush() -> None:
    """Bring what was written to where stdout leads; raises as writing does."""
    _write("")


@contextmanager
def only_json(wanted: bool) -> Iterator[None]:
    """Where `wanted`, what the block prints goes to stderr, except the document itself."""
    if not wanted or sys.stdout is None:
        yield
        return
    results = sys.stdout
    own = None
    with suppress(OSError, ValueError, AttributeError):  # stands for no file
        own = os.fdopen(os.dup(results.fileno()), "w", encoding="utf-8")
    token = _RESULTS.set(own or results)
    try:
        with stdout_to_stderr():
            yield
    finally:
        _RESULTS.reset(token)
        if own is not None:
            with suppress(OSError):  # has been told by `_write`
                own.close()


def _write(text: str) -> None:
    """Raises DataError for a full disk and a closed stdout.

    Where the reader of a pipe has ended, the command goes on, and its exit code is its own.
    """
    stream: Any = _RESULTS.get() or sys.stdout
    if stream is None:
        raise DataError("is closed", where="stdout", next="open it, or send it to /dev/null")
    try:
        stream.write(text)
        if not text or _RESULTS.get():
            stream.flush()
    except BrokenPipeError:
        silence(stream)
    except OSError as error:
        if not _RESULTS.get():
            silence(stream)
        what, step = f"cannot be written: {error.strerror}", "send it elsewhere"
        raise DataError(what, where="stdout", next=step) from error


def silence(stream: TextIO) -> None:
    """Send what is still to come on it nowhere: nobody reads it, or it cannot be written."""
    with suppress(OSError, ValueError, AttributeError):  # stands for no file
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def settle() -> None:
    """For the end of a program: nothing is left that could not be written."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError:
            silence(stream)


def occupy() -> None:
    """Make descriptors 0 to 2 that are closed lead nowhere, so that no file of zoo gets them."""
    while (at := os.open(os.devnull, os.O_RDWR)) <= _STDERR:
        os.set_inheritable(at, True)
    os.close(at)
    if sys.stderr is None:
        sys.stderr = os.fdopen(_STDERR, "w", closefd=False)
