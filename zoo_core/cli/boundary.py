"""Where failures become one line, an exit code and, if asked for, JSON."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from typer import Abort, Exit, TyperException

from zoo_core.errors import UsageError, ZooError
from zoo_core.store import disk_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

INTERRUPTED = 130
GATES = frozenset({3, 4})
"""Exit codes of a run whose report was given all the same."""

TO_FILE = frozenset({"run", "eval", "bench", "plan", "predict"})


def guarded(run: Callable[[], int], arguments: Sequence[str]) -> int:
    """The exit code of `run`; handled failures are told here. A defect shows its traceback."""
    try:
        with disk_errors(Path.cwd()):
            code = run()
            return _interrupted() if code == INTERRUPTED else code
    except Exit as ending:
        return ending.exit_code
    except (KeyboardInterrupt, Abort):
        return _interrupted()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except TyperException as error:
        return _tell(_usage(error), arguments)
    except ZooError as error:
        if os.environ.get("ZOO_DEBUG"):
            raise
        return _tell(error, arguments)


def _interrupted() -> int:
    sys.stderr.write("zoo: interrupted; the next run goes on from here\n")
    return INTERRUPTED


def _usage(error: TyperException) -> ZooError:
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "zoo"
    return UsageError(error.format_message().rstrip("."), next=f"see `{path} --help`")


def _tell(error: ZooError, arguments: Sequence[str]) -> int:
    sys.stderr.write(f"zoo: {error}\n")
    target = json_target(arguments)
    if target and error.exit_code not in GATES:
        body = {"code": error.code, "what": error.what, "where": error.where, "next": error.next}
        text = json.dumps({"schema": "zoo.error/1", "error": body}, indent=1) + "\n"
        if target == "-":
            sys.stdout.write(text)
        else:
            Path(target).write_text(text, encoding="utf-8")
    return error.exit_code


def json_target(arguments: Sequence[str]) -> str | None:
    """Where `--json` wants its output: a file, "-" for stdout, None where not asked for."""
    for at, argument in enumerate(arguments):
        if argument.startswith("--json="):
            return argument.partition("=")[2]
        if argument == "--json":
            takes_file = arguments[0] in TO_FILE
            after = arguments[at + 1] if at + 1 < len(arguments) else "-"
            return after if takes_file else "-"
    return None
