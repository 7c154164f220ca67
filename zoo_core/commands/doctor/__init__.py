"""`zoo doctor`: checks what runs need on this machine; imports nothing heavy."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from zoo_core.commands.doctor.check import Check
from zoo_core.commands.doctor.machine import machine_checks
from zoo_core.commands.doctor.places import network_checks, place_checks
from zoo_core.commands.doctor.software import software_checks

if TYPE_CHECKING:
    from collections.abc import Callable

    from zoo_core.plugins.manager import Plugins

__all__ = ["Check", "checks"]


def checks(plugins: Plugins, reachable: Callable[[str], bool] | None = None) -> list[Check]:
    """All checks, in the order in which to fix what fails.

    `reachable` reports whether the host of a URL answers, in bounded time, for all hosts at once;
    by default `network_reachable`, which takes at most 5 s. The other checks take less than 2 s.
    """
    results = (
        *software_checks(plugins),
        *machine_checks(),
        *place_checks(),
        *network_checks(plugins, reachable),
    )
    return [replace(check, next="") if check.ok else check for check in results]
