"""The verb that runs any command among the emulated tools: emulate."""

from __future__ import annotations

import subprocess
import sys
from typing import Annotated

import typer


def emulate(
    command: Annotated[
        list[str], typer.Argument(metavar="-- COMMAND...", help="What to run, as in a shell.")
    ],
    fault: Annotated[
        list[str] | None,
        typer.Option("--fault", metavar="NAME[:ARGUMENT]", help="A fault to inject; repeatable."),
    ] = None,
    strict: Annotated[
        bool,
        typer.Option("--strict", help="Every thread has to set its device."),
    ] = False,
) -> int:
    """Run a command where vamc, vamp, vasmi and vaststreamx are the emulator's.

    Returns the command's exit code, 128 + signal where one ended it, 127 where it is not found.
    """
    from zoo_core.errors import UsageError
    from zoo_vastai_emulator.launch import environment
    from zoo_vastai_emulator.site.vaststreamx.device import SHARED
    from zoo_vastai_emulator.site.vaststreamx.faults import VARIABLE, faults

    env = environment()
    if fault:
        env[VARIABLE] = ",".join(fault)
    if not strict:
        env[SHARED] = "shared"
    try:
        faults(env)
    except ValueError as error:
        raise UsageError(str(error), next="the README has a table of faults") from error
    sys.stderr.write("zoo-vastai: everything below is emulated; no figure is a card's\n")
    sys.stderr.flush()
    return _ran(command, env)


def _ran(command: list[str], env: dict[str, str]) -> int:
    from shutil import which

    program = which(command[0], path=env["PATH"])
    if program is None:
        sys.stderr.write(f"zoo-vastai: {command[0]}: command not found\n")
        return 127
    with subprocess.Popen([program, *command[1:]], env=env) as process:
        while True:
            try:
                code = process.wait()
                break
            except KeyboardInterrupt:  # the command got it too, and decides
                continue
    return code if code >= 0 else 128 - code
