"""What the backend can run on here, found from files alone: quick, silent, and never raising."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo_core.api import Availability, Device
from zoo_core.errors import install_step
from zoo_vastai.extensions import EMULATOR_DISTRIBUTION, EMULATOR_MODULE
from zoo_vastai.names import EMULATOR, FILES
from zoo_vastai.sdk import findings
from zoo_vastai.sdk.host import Host
from zoo_vastai.sdk.interpreter import MODULE, VARIABLE, find_interpreter
from zoo_vastai.sdk.tools import find_program

if TYPE_CHECKING:
    from collections.abc import Mapping

_WITHOUT = "without a card use --device emulator, or zoo compile --emit-only DIR"


def probe(host: Host | None = None) -> Availability:
    """Dies by index, the emulator and stored files; `ok` needs a die, vaststreamx and vamc.

    `reason` and `next_step` name the first thing that is missing, the cheapest to find out first.
    A named SDK interpreter is believed; only running something can ask it.
    """
    host = host or Host()
    missing = _first_missing(host)
    dies = _dies(host, missing[0] if missing else "")
    if not missing and not any(die.available for die in dies):
        missing = (dies[0].reason, f"unset {findings.MASK}, or name one of the dies in it")
    reason, step = missing or ("", "")
    return Availability(
        ok=missing is None,
        version=findings.sdk_version(host),
        reason=reason,
        next_step=step,
        devices=(*dies, _emulator(host), Device(id=FILES, available=True)),
    )


def facts(device: str) -> Mapping[str, object]:
    """What vasmi says of the device ("0", "0,1" or "emulator"), to go with every figure.

    Never raises: what cannot be had is told under "reason".
    """
    from zoo_vastai.sdk.vasmi import device_facts

    return device_facts(device)


def _first_missing(host: Host) -> tuple[str, str] | None:
    return _missing_card(host) or _missing_sdk(host)


def _missing_card(host: Host) -> tuple[str, str] | None:
    if findings.die_nodes(host):
        return None
    pci = findings.pci_from_files(host)
    if pci is not None and pci.ours == 0:
        return "no VastAI card is on the PCI bus", _WITHOUT
    if findings.kernel_module(host) is None:
        return (
            f"the kernel module {findings.MODULE} is not loaded",
            f"install the vendor's driver and load it; {_WITHOUT}",
        )
    return (
        "the driver made no /dev/vacc0",
        f"pass the nodes into the container, or look at dmesg; {_WITHOUT}",
    )


def _missing_sdk(host: Host) -> tuple[str, str] | None:
    interpreter = find_interpreter(host)
    if interpreter.has_sdk is False:
        return (
            f"{interpreter.path} ({interpreter.source}) has no {MODULE}",
            f"name the SDK's interpreter with --option sdk_python=PATH or {VARIABLE}",
        )
    if find_program(host, "vamc", interpreter.path) is None:
        return "the program vamc is not on PATH", "put the SDK's programs on PATH"
    return None


def _dies(host: Host, reason: str) -> tuple[Device, ...]:
    nodes = findings.die_nodes(host)
    if not nodes:
        return (Device(id="0", available=False, reason=reason),)
    mask = findings.visible(host)
    hidden = f"{findings.MASK}={host.env.get(findings.MASK, '')} hides it"
    devices = []
    for index in nodes:
        masked = mask is not None and str(index) not in mask
        why = reason or (hidden if masked else "")
        devices.append(Device(id=str(index), available=not why, reason=why))
    return tuple(devices)


def _emulator(host: Host) -> Device:
    reason = ""
    if not host.has_module(EMULATOR_MODULE):
        reason = f"not installed: {install_step(EMULATOR_DISTRIBUTION)}"
    elif missing := [name for name in ("onnxruntime", "onnx") if not host.has_module(name)]:
        reason = f"not installed: {', '.join(missing)}"
    return Device(id=EMULATOR, available=not reason, reason=reason, emulated=True)
