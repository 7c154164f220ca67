"""How the vendor's programs are called here: the real ones, or the emulator's."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from zoo_core.errors import UnavailableError, UsageError
from zoo_vastai.extensions import emulated_sdk
from zoo_vastai.names import EMULATOR, FILES
from zoo_vastai.sdk.host import Host
from zoo_vastai.sdk.interpreter import MODULE, VARIABLE, ask, find_interpreter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zoo_vastai.sdk.interpreter import Interpreter

NEEDED = ("vamc", "vamp", "python")
"""What is asked for where a caller does not say; vasmi only adds facts to figures."""

PROGRAMS: Mapping[str, tuple[str, ...]] = {
    "vamc": ("vamc",),
    "vamp": ("vamp",),
    "vasmi": ("vasmi_internal", "vasmi"),
}
"""Each program's file names, the preferred one first; containers hold a `vasmi_internal`."""

_FOLDERS = ("/vacc", "/usr/bin", "/usr/local/bin")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """Argument prefixes of the vendor's programs and of the SDK's interpreter.

    `env` is the whole environment to run them in. A program that was not found and not needed is
    its bare name.
    """

    vamc: tuple[str, ...]
    vamp: tuple[str, ...]
    vasmi: tuple[str, ...]
    python: tuple[str, ...]
    env: Mapping[str, str]
    emulated: bool


def tools(
    device: str,
    options: Mapping[str, str],
    needs: tuple[str, ...] = NEEDED,
    host: Host | None = None,
) -> Tools:
    """The programs for a device ("0", "0,1" or "emulator").

    `options["sdk_python"]` names the SDK's interpreter. Raises `UnavailableError` for the first of
    `needs` (vamc, vamp, vasmi, python) that is not there and for an emulator that is not installed,
    `UsageError` for the device "files".
    """
    if device == FILES:
        raise UsageError(
            "the device 'files' reads stored outputs and runs no program",
            next="choose a die, or --device emulator",
        )
    if device == EMULATOR:
        return _emulated()
    return _real(options, needs, host or Host())


def find_program(host: Host, name: str, python: str = "") -> str | None:
    """Where vamc, vamp or vasmi is: on PATH, beside the interpreter `python`, or where SDKs go."""
    folders = [str(Path(python).parent)] if Path(python).is_absolute() else []
    folders += [str(host.path(folder)) for folder in _FOLDERS]
    for spelling in PROGRAMS[name]:
        if path := host.which(spelling):
            return path
    for folder in folders:
        for spelling in PROGRAMS[name]:
            if path := host.which(str(Path(folder) / spelling)):
                return path
    return None


def _emulated() -> Tools:
    sdk = emulated_sdk()
    programs = sdk.programs()
    return Tools(
        vamc=programs["vamc"],
        vamp=programs["vamp"],
        vasmi=programs["vasmi"],
        python=(sys.executable,),
        env=sdk.environment(),
        emulated=True,
    )


def _real(options: Mapping[str, str], needs: tuple[str, ...], host: Host) -> Tools:
    interpreter = find_interpreter(host, options.get("sdk_python", ""))
    if "python" in needs:
        interpreter = _with_sdk(host, interpreter)
    paths = {name: find_program(host, name, interpreter.path) for name in PROGRAMS}
    for name in needs:
        if name in paths and paths[name] is None:
            raise UnavailableError(
                f"the program {name} is not on PATH",
                next="install the vendor's SDK or put its folder on PATH; "
                "--device emulator does without it",
            )
    return Tools(
        vamc=(paths["vamc"] or "vamc",),
        vamp=(paths["vamp"] or "vamp",),
        vasmi=(paths["vasmi"] or "vasmi",),
        python=(interpreter.path,),
        env=dict(host.env),
        emulated=False,
    )


def _with_sdk(host: Host, interpreter: Interpreter) -> Interpreter:
    answer = ask(host, interpreter)
    if answer.has_sdk:
        return answer
    trouble = f"has no {MODULE}" if host.which(answer.path) else "is not a program"
    raise UnavailableError(
        f"{answer.path} ({answer.source}) {trouble}",
        next=f"name the SDK's interpreter with --option sdk_python=PATH or {VARIABLE}; "
        "--device emulator does without it",
    )
