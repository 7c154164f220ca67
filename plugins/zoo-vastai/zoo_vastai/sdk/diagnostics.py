"""Looking for a card and its SDK step by step, the cheapest first, as `zoo doctor` shows it."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from zoo_core.api import DiagnosticStep
from zoo_vastai.sdk import findings
from zoo_vastai.sdk.host import Host
from zoo_vastai.sdk.interpreter import MODULE, VARIABLE, Interpreter, find_interpreter
from zoo_vastai.sdk.tools import PROGRAMS, find_program
from zoo_vastai.whole import is_whole

if TYPE_CHECKING:
    from collections.abc import Sequence

BUDGET = 1.5
"""Seconds that all commands of one walk share."""

_PACKAGES = (MODULE, "vamc", "vastgenx")
_VERSIONS = f"""
import json, sys
from importlib import metadata
from importlib.util import find_spec
found = {{"python": sys.version.split()[0]}}
for name in {_PACKAGES!r}:
    try:
        found[name] = metadata.version(name)
    except metadata.PackageNotFoundError:
        found[name] = "version unknown" if find_spec(name) else None
print(json.dumps(found))
"""
_CARDS = f"import {MODULE} as v; print('cards:', v.get_all_cards_count())"


def diagnostics(host: Host | None = None) -> Sequence[DiagnosticStep]:
    """PCI devices, kernel module, nodes, driver, SDK, programs, Python packages, cards.

    Takes less than two seconds whatever hangs, never raises and never prints.
    """
    host = host or Host()
    clock = _Clock(BUDGET)
    interpreter = find_interpreter(host)
    packages = _packages(host, interpreter, clock)
    return (
        _pci(host, clock),
        _module(host),
        _nodes(host),
        _driver(host),
        _sdk(host),
        _programs(host, interpreter),
        packages,
        _cards(host, interpreter, packages.ok, clock),
    )


class _Clock:
    """What is left of the time that all commands share."""

    def __init__(self, budget: float) -> None:
        self._end = time.monotonic() + budget

    def left(self, most: float) -> float:
        return max(0.01, min(most, self._end - time.monotonic()))


def _pci(host: Host, clock: _Clock) -> DiagnosticStep:
    name = "PCI devices"
    found = _pci_devices(host, clock)
    if found is None:
        return DiagnosticStep(
            name=name, ok=False, state="neither lspci nor /sys/bus/pci lists PCI devices"
        )
    others = f"; the id {findings.PCI_DEVICE} is also that of vendor {', '.join(found.others)}"
    more = others if found.others else ""
    if found.ours:
        return DiagnosticStep(name=name, ok=True, state=f"{found.ours} (one a die){more}")
    step = "put the card in, or pass it through to this machine"
    return DiagnosticStep(name=name, ok=False, state=f"none of VastAI's{more}", next_step=step)


def _pci_devices(host: Host, clock: _Clock) -> findings.PciDevices | None:
    if program := host.which("lspci"):
        command = (program, "-n", f"-d:{findings.PCI_DEVICE}")
        outcome = host.run(command, clock.left(0.4), host.env)
        if outcome.code == 0:
            return findings.pci_from_lspci(outcome.text)
    return findings.pci_from_files(host)


def _module(host: Host) -> DiagnosticStep:
    name = "kernel module"
    if module := findings.kernel_module(host):
        return DiagnosticStep(name=name, ok=True, state=module)
    step = "install the vendor's driver (vastai_driver_install_*.run) and load it"
    return DiagnosticStep(
        name=name, ok=False, state=f"{findings.MODULE} is not loaded", next_step=step
    )


def _nodes(host: Host) -> DiagnosticStep:
    name = "device nodes"
    nodes = findings.die_nodes(host)
    if not nodes:
        step = "load the driver; in a container, pass its nodes in (--device)"
        return DiagnosticStep(
            name=name, ok=False, state="no /dev/vacc* or /dev/vastai*", next_step=step
        )
    found = f"{len(nodes)}: {', '.join(nodes.values())}"
    mask = findings.visible(host)
    if mask is None:
        return DiagnosticStep(name=name, ok=True, state=found)
    seen = [str(index) for index in nodes if str(index) in mask]
    summary = f"{found}; {findings.MASK} leaves {', '.join(seen) or 'none'}"
    step = "" if seen else f"unset {findings.MASK}, or name dies that are there"
    return DiagnosticStep(name=name, ok=bool(seen), state=summary, next_step=step)


def _driver(host: Host) -> DiagnosticStep:
    version = findings.driver_version(host)
    if version:
        return DiagnosticStep(name="driver", ok=True, state=version)
    step = "see whether the driver is loaded and the node may be read"
    missing = f"{findings.DRIVER_FILE} states no version"
    return DiagnosticStep(name="driver", ok=False, state=missing, next_step=step)


def _sdk(host: Host) -> DiagnosticStep:
    version = findings.sdk_version(host)
    if version:
        return DiagnosticStep(name="SDK", ok=True, state=version)
    missing = f"no {findings.SDK_VERSION_FILE}"
    return DiagnosticStep(name="SDK", ok=False, state=missing, next_step="install the vendor's SDK")


def _programs(host: Host, interpreter: Interpreter) -> DiagnosticStep:
    places = {name: find_program(host, name, interpreter.path) for name in PROGRAMS}
    found = "; ".join(f"{name}: {path or 'not found'}" for name, path in places.items())
    missing = [name for name, path in places.items() if path is None]
    step = f"put the folder of {', '.join(missing)} on PATH" if missing else ""
    return DiagnosticStep(name="programs", ok=not missing, state=found, next_step=step)


def _packages(host: Host, interpreter: Interpreter, clock: _Clock) -> DiagnosticStep:
    name = "Python packages"
    where = f"{interpreter.path} ({interpreter.source})"
    step = f"name the SDK's interpreter with {VARIABLE} or --option sdk_python=PATH"
    if interpreter.has_sdk is False:
        return DiagnosticStep(name=name, ok=False, state=f"{where} has no {MODULE}", next_step=step)
    outcome = host.run((interpreter.path, "-c", _VERSIONS), clock.left(1.0), host.env)
    versions = _last_object(outcome.text) if outcome.code == 0 else None
    if versions is None:
        why = outcome.trouble or f"ended with code {outcome.code}"
        return DiagnosticStep(name=name, ok=False, state=f"{where} {why}", next_step=step)
    summary = ", ".join(f"{key} {value}" for key, value in versions.items() if value)
    ok = bool(versions.get(MODULE))
    found = f"{where}: {summary}" if ok else f"{where}: {summary}; no {MODULE}"
    return DiagnosticStep(name=name, ok=ok, state=found, next_step="" if ok else step)


def _cards(host: Host, interpreter: Interpreter, has_sdk: bool, clock: _Clock) -> DiagnosticStep:
    name = "cards"
    if not has_sdk or not findings.die_nodes(host):
        why = f"not checked: no {MODULE}" if not has_sdk else "not checked: no device nodes"
        return DiagnosticStep(name=name, ok=False, state=why, next_step="see the steps above")
    outcome = host.run((interpreter.path, "-c", _CARDS), clock.left(BUDGET), host.env)
    count = outcome.text.rpartition("cards:")[2].strip() if outcome.code == 0 else ""
    if is_whole(count) and int(count) > 0:
        return DiagnosticStep(name=name, ok=True, state=count)
    why = f"{MODULE} counts {count}" if count else outcome.trouble or outcome.last_line
    step = f"run {interpreter.path} -c 'import {MODULE}' and look at what it says"
    return DiagnosticStep(name=name, ok=False, state=why, next_step=step)


def _last_object(text: str) -> dict[str, Any] | None:
    try:
        data = json.loads(text.strip().rpartition("\n")[2])
    except (ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) else None
