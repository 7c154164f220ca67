"""The error boundary: a failure becomes one line, an exit code and, with --json, JSON."""

from __future__ import annotations

import os
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from typer import Abort, Exit, TyperException

from zoo_core.cli.json_output import check_target, json_target, write_document
from zoo_core.errors import StageError, UsageError, ZooError, is_interrupt
from zoo_core.system.files import disk_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

INTERRUPTED = 130
GATES = frozenset({3, 4})
"""Exit codes of failed gates; the report has been printed by then."""


def guarded(run: Callable[[], int], arguments: Sequence[str]) -> int:
    """The exit code of `run`; prints handled failures. A defect shows its traceback."""
    try:
        check_target(json_target(arguments))
        with disk_errors(Path.cwd()):
            code = run()
            return _interrupted(arguments) if code == INTERRUPTED else code
    except Exit as error:
        return error.exit_code
    except (KeyboardInterrupt, Abort):
        return _interrupted(arguments)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except TyperException as error:
        return _report(_usage(error), arguments)
    except ZooError as error:
        if is_interrupt(error):
            return _interrupted(arguments)
        if os.environ.get("ZOO_DEBUG"):
            traceback.print_exc()
        return _report(error, arguments)
    except Exception as error:
        if is_interrupt(error):
            return _interrupted(arguments)
        _write_error(arguments, "defect", StageError(f"{type(error).__name__}: {error}"))
        raise


def _interrupted(arguments: Sequence[str]) -> int:
    error = StageError("interrupted", next="the next run resumes here")
    sys.stderr.write(f"zoo: {error}\n")
    _write_error(arguments, "interrupted", error)
    return INTERRUPTED


def _usage(error: TyperException) -> ZooError:
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "zoo"
    return UsageError(error.format_message().rstrip("."), next=f"see `{path} --help`")


def _report(error: ZooError, arguments: Sequence[str]) -> int:
    sys.stderr.write(f"zoo: {' '.join(str(error).splitlines())}\n")
    if error.exit_code not in GATES:
        _write_error(arguments, error.code, error)
    return error.exit_code


def _write_error(arguments: Sequence[str], code: str, error: ZooError) -> None:
    target = json_target(arguments)
    if target:
        body = {"code": code, "what": error.what, "where": error.where, "next": error.next}
        with suppress(ZooError):  # report the first failure only
            write_document(target, {"schema": "zoo.error/1", "error": body})
