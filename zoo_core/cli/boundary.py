"""The error boundary: a failure becomes one line, an exit code and, with --json, JSON."""

from __future__ import annotations

import os
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from typer import Abort, Exit, TyperException

from zoo_core.cli import interrupt
from zoo_core.cli.json_output import check_target, json_target, write_document
from zoo_core.cli.output import flush, only_json, say, silence
from zoo_core.errors import DataError, StageError, UsageError, ZooError, is_interrupt
from zoo_core.system.files import disk_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

INTERRUPTED = 130
_LONGEST = 200
"""Letters of a file's name in an error."""

GATES = frozenset({3, 4})
"""Exit codes of failed gates; the report has been printed by then."""


def guarded(
    run: Callable[[], int], arguments: Sequence[str], *, only_documents: bool = True
) -> int:
    """The exit code of `run`; prints handled failures. A defect shows its traceback.

    With `only_documents` nothing but `cli.output` reaches stdout where JSON is written to it; a
    program that writes to `sys.stdout` itself says no.
    """
    try:
        with only_json(only_documents and json_target(arguments) == "-"):
            return _guarded(run, arguments)
    except KeyboardInterrupt:
        return _interrupted(arguments)
    except ZooError as error:
        return _report(error, arguments)


def _guarded(run: Callable[[], int], arguments: Sequence[str]) -> int:
    try:
        check_target(json_target(arguments))
        with disk_errors(_here()):
            code = run()
            flush()
            return _interrupted(arguments) if code == INTERRUPTED else code
    except Exit as error:
        return error.exit_code
    except (KeyboardInterrupt, Abort):
        return _interrupted(arguments)
    except TyperException as error:
        return _report(_usage(error), arguments)
    except ZooError as error:
        if is_interrupt(error) or interrupt.came():
            return _interrupted(arguments)
        _debug()
        return _report(error, arguments)
    except BaseException as error:
        return _unexpected(error, arguments)


def _unexpected(error: BaseException, arguments: Sequence[str]) -> int:
    """What no code of zoo has turned into a ZooError; raises what only its traceback explains."""
    if is_interrupt(error) or interrupt.came():
        return _interrupted(arguments)
    if isinstance(error, OSError) and error.filename is not None:
        _debug()
        where = str(error.filename)[:_LONGEST]
        return _report(DataError(error.strerror or str(error), where=where), arguments)
    if isinstance(error.__context__, BrokenPipeError) and isinstance(error, SystemExit):
        silence(sys.stdout)  # typer and rich end so where nobody reads their help
        return 0
    completing = any(word.endswith("-completion") for word in arguments)
    if isinstance(error, SystemExit) and not completing:  # click ends those so
        what = f"a plugin or a library ended the program with {error.code!r}"
        return _report(StageError(what), arguments)
    if not isinstance(error, SystemExit):
        _write_error(arguments, "defect", StageError(f"{type(error).__name__}: {error}"))
    raise error


def _here() -> Path:
    try:
        return Path.cwd()
    except FileNotFoundError as error:
        raise DataError("the working folder is gone", next="change to another one") from error


def _debug() -> None:
    if os.environ.get("ZOO_DEBUG"):
        traceback.print_exc()


def _interrupted(arguments: Sequence[str]) -> int:
    interrupt.ignore()
    error = StageError("interrupted", next="the next run resumes here")
    say(f"zoo: {error}")
    _write_error(arguments, "interrupted", error)
    return INTERRUPTED


def _usage(error: TyperException) -> ZooError:
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "zoo"
    return UsageError(error.format_message().rstrip("."), next=f"see `{path} --help`")


def _report(error: ZooError, arguments: Sequence[str]) -> int:
    say(f"zoo: {' '.join(str(error).splitlines())}")
    if error.exit_code not in GATES:
        _write_error(arguments, error.code, error)
    return error.exit_code


def _write_error(arguments: Sequence[str], code: str, error: ZooError) -> None:
    target = json_target(arguments)
    if target:
        body = {"code": code, "what": error.what, "where": error.where, "next": error.next}
        with suppress(ZooError):  # report the first failure only
            write_document(target, {"schema": "zoo.error/1", "error": body})
