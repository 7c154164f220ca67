"""One thing that was looked at."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

GIB = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at.

    `ok` is whether it is as a run wants it, `found` what there is, `next` what to do where it is
    not ok. A failure that is `needed` breaks runs or what a plugin offers; any other is advice.
    """

    name: str
    ok: bool
    found: str
    next: str = ""
    needed: bool = False

    def to_data(self) -> dict[str, Any]:
        """The JSON form."""
        return asdict(self)


def gibibytes(size: int) -> str:
    """A size in bytes, for people."""
    return f"{size / GIB:.1f} GiB" if size >= GIB // 10 else f"{size / (1 << 20):.1f} MiB"
