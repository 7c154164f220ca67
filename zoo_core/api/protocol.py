"""How results are scored, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoringProtocol:
    """A named, hashed set of scoring choices.

    `values` holds the preprocessing overrides (`resize`, `interpolation`, `pad`, `rounding`) and
    the fields that the task's evaluator owns. `base` is the protocol it was derived from, or None.
    `unknown` names fields that the publisher did not state; `note` says what was assumed.
    """

    name: str
    task: str
    values: Mapping[str, Any]
    base: str | None = None
    unknown: tuple[str, ...] = ()
    note: str = ""

    @property
    def hash(self) -> str:
        """Digest of task and values, whatever the name."""
        from zoo_core.system.hashing import digest

        return digest({"task": self.task, "values": dict(self.values)})
