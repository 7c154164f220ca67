"""Parts of this backend that other distributions bring, looked up by entry point.

The group `zoo_vastai.sdk` holds modules with `programs()` and `environment()`, by the device they
stand for; `zoo_vastai.commands` holds sub-commands of `zoo-vastai`, by their name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, cast

from zoo_core.errors import UnavailableError, install_step
from zoo_vastai.sdk.host import is_importable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

EMULATOR_DISTRIBUTION = "zoo-vastai-emulator"
EMULATOR_MODULE = "zoo_vastai_emulator"
LINT_DISTRIBUTION = "zoo-vastai-lint"

_SDK, _COMMANDS = "zoo_vastai.sdk", "zoo_vastai.commands"


class EmulatedSdk(Protocol):
    """What stands in for the vendor's SDK."""

    def programs(self) -> Mapping[str, tuple[str, ...]]:
        """The beginning of the command lines of vamc, vamp and vasmi."""

    def environment(self) -> dict[str, str]:
        """A whole environment in which those names, and vaststreamx, are the emulated ones."""


def check_emulator() -> None:
    """Raises UnavailableError where the emulator's distribution is not installed."""
    if not is_importable(EMULATOR_MODULE):
        raise _no_emulator()


def emulated_sdk() -> EmulatedSdk:
    """The emulator; raises UnavailableError where its distribution is not installed."""
    sdk = _entry_points(_SDK).get("emulator")
    if sdk is None:
        raise _no_emulator()
    return cast("EmulatedSdk", sdk)


def commands() -> dict[str, Callable[..., int]]:
    """Sub-commands by name."""
    return _entry_points(_COMMANDS)


def not_installed(what: str, distribution: str) -> UnavailableError:
    """The error for a part whose distribution is missing."""
    return UnavailableError(f"{what} is not installed", next=install_step(distribution))


def _no_emulator() -> UnavailableError:
    return not_installed("the emulator", EMULATOR_DISTRIBUTION)


def _entry_points(group: str) -> dict[str, Any]:
    from importlib.metadata import entry_points

    return {point.name: point.load() for point in entry_points(group=group)}
