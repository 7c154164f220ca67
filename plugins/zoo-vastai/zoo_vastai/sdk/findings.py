"""What the files of a machine say about a card, its driver and its SDK; nothing is started."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoo_vastai.sdk.host import Host

PCI_DEVICE = "0100"
PCI_VENDOR = "1f4f"
MODULE = "vastai_pci"
MASK = "VACC_VISIBLE_DEVICES"
SDK_VERSION_FILE = "/opt/vastai/vaststream/version.txt"
DRIVER_FILE = "/dev/vastai0_version"

_PCI = "/sys/bus/pci/devices"
_NODES = (r"vacc(\d+)", r"vastai(\d+)", r"va(\d+)_ctl")
_LONGEST = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class PciDevices:
    """Devices with the id 0100: `ours` by the vendor 1f4f, and the vendors of the `others`.

    Other makers use that id too (Intel for memory controllers), so the id alone proves nothing.
    """

    ours: int
    others: tuple[str, ...] = ()


def pci_from_files(host: Host) -> PciDevices | None:
    """What the kernel lists on the PCI bus, one device a die; None where it lists nothing."""
    names = host.names(_PCI)
    if not names:
        return None
    vendors = [
        _hex(host.text(f"{_PCI}/{name}/vendor"))
        for name in names
        if _hex(host.text(f"{_PCI}/{name}/device")) == PCI_DEVICE
    ]
    return _by_vendor(vendors)


def pci_from_lspci(text: str) -> PciDevices:
    """What `lspci -n -d:0100` prints; a line without numeric ids counts as the vendor's."""
    found = [
        re.search(r"\b([0-9a-f]{4}):" + PCI_DEVICE + r"\b", line.lower())
        for line in text.splitlines()
        if line.strip()
    ]
    return _by_vendor([match[1] if match else PCI_VENDOR for match in found])


def kernel_module(host: Host) -> str | None:
    """The loaded module's name; None where it is not loaded or modules are not told."""
    for line in (host.text("/proc/modules", 1 << 20) or "").splitlines():
        name = line.partition(" ")[0]
        if name.lower().startswith(MODULE):
            return name
    return next((name for name in host.names("/sys/module") if name.startswith(MODULE)), None)


def die_nodes(host: Host) -> dict[int, str]:
    """Die index -> its node below /dev, by the first of the spellings that is there."""
    names = host.names("/dev")
    for pattern in _NODES:
        found = [(match, name) for name in names if (match := re.fullmatch(pattern, name))]
        if found:
            return dict(sorted((int(match[1]), f"/dev/{name}") for match, name in found))
    return {}


def visible(host: Host) -> frozenset[str] | None:
    """Die indices that VACC_VISIBLE_DEVICES leaves, as written there; None where it is not set."""
    mask = host.env.get(MASK)
    if mask is None:
        return None
    return frozenset(part for part in re.split(r"[,\s]+", mask) if part)


def driver_version(host: Host) -> str | None:
    """The driver's version from its node, such as "00.26.01.23 d3_3_v2_9_a3_1_sp1"."""
    lines = _lines(host.text(DRIVER_FILE, 4096))
    line = next((line for line in lines if "driver" in line.lower()), lines[0] if lines else "")
    version = re.sub(r"(?i)^.*?driver(\s*version)?\s*[:=]?\s*", "", line)
    return (version or line)[:_LONGEST] or None


def sdk_version(host: Host) -> str | None:
    """The compiler's version from the SDK's file, such as "ai-v3.0.0-20250814"."""
    lines = _lines(host.text(SDK_VERSION_FILE, 4096))
    return lines[0][:_LONGEST] if lines else None


def _by_vendor(vendors: list[str]) -> PciDevices:
    others = tuple(sorted({vendor for vendor in vendors if vendor != PCI_VENDOR}))
    return PciDevices(ours=vendors.count(PCI_VENDOR), others=others)


def _hex(text: str | None) -> str:
    return (text or "").strip().lower().removeprefix("0x")


def _lines(text: str | None) -> list[str]:
    printable = "".join(
        letter if letter.isprintable() else "\n" if letter in "\r\n" else " "
        for letter in text or ""
    )
    return [line.strip() for line in printable.splitlines() if line.strip()]
