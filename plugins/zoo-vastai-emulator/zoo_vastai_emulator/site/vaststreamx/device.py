"""Cards and dies, and the device of each thread."""

from __future__ import annotations

import os
import threading

from .faults import faults

CARD_TYPE = "EMULATED"
SERIAL = "EMULATOR"
DIES = 2
"""Dies of the one card, as a VA1-16G has."""

MEMORY = 8 << 30
SHARED = "ZOO_VASTAI_EMULATED_THREADS"
"""With the value `shared`, a thread that set no device works on die 0.

The vendor's own scripts count on that; its profilers set the device in every thread. What the real
module wants is unknown, so the strict rule is the default.
"""

_thread = threading.local()


def set_device(device_id: int) -> int:
    """Give this thread a die; 0 for success, else a status."""
    requested = faults()
    if "set-device" in requested:
        return int(requested["set-device"] or 1)
    if not 0 <= device_id < DIES:
        return 1
    _thread.device = device_id
    return 0


def current_device(doing: str) -> int:
    """This thread's die; raises RuntimeError where none was set."""
    device = getattr(_thread, "device", 0 if os.environ.get(SHARED) == "shared" else None)
    if device is None:
        raise RuntimeError(f"{doing}: this thread has no device; call set_device in every thread")
    return int(device)


def checked_device(doing: str, device_id: int) -> int:
    """The die that was named, which has to be this thread's; raises RuntimeError otherwise."""
    current = current_device(doing)
    if device_id != current:
        raise RuntimeError(f"{doing}: device {device_id}, but this thread's device is {current}")
    return current


class Die:
    """Facts about a die, in the units of the vendor's module."""

    def __init__(self, device_id: int) -> None:
        if not 0 <= device_id < DIES:
            raise ValueError(f"there is no die {device_id}; there are {DIES}")
        self.device_id = device_id

    @property
    def temperature(self) -> dict[str, list[int]]:
        """Hundredths of a degree Celsius."""
        return {"temperature": [3448]}

    @property
    def power(self) -> dict[str, list[int]]:
        """Microwatts; the fourth number is the card's."""
        return {"power": [0, 0, 0, 30990000]}

    @property
    def memory(self) -> dict[str, float]:
        """Bytes, and the rate in percent."""
        used = 638 << 20
        return {
            "total": MEMORY,
            "free": MEMORY - used,
            "used": used,
            "usage_rate": 100 * used / MEMORY,
        }

    @property
    def utilization(self) -> dict[str, object]:
        """Percent."""
        return {"ai": 0.0, "vdsp": [0.0], "vdmcu": [0.0], "vemcu": [0.0]}


class Card:
    """The one card, which says that it is emulated."""

    uuid = f"{SERIAL}-0"
    card_type = CARD_TYPE

    @property
    def dies(self) -> list[Die]:
        """Its dies."""
        return [Die(number) for number in range(DIES)]


def get_all_cards() -> list[Card]:
    """The one card."""
    return [Card()]


def get_all_cards_count() -> int:
    """One."""
    return 1
