"""How a command tells what it does while it works for long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from zoo_core.pipeline.executor import Listener


@dataclass(frozen=True, slots=True)
class ProgressReporter:
    """A listener while stages run, and single lines while speed is measured.

    The listener's context is left before anything is timed, so that no display disturbs it.
    """

    listening: Callable[[], AbstractContextManager[Listener]]
    tell: Callable[[str], None]
