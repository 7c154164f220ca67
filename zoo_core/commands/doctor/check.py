"""The result of one check."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass

GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check.

    `ok` is whether a run can use it as it is, `found` the present state, `next` what to do where
    it is not ok. A failure that is `needed` breaks runs or what a plugin offers; others are advice.
    """

    name: str
    ok: bool
    found: str
    next: str = ""
    _: KW_ONLY
    needed: bool = False


def gibibytes(size: int) -> str:
    """A size in bytes, for people."""
    return f"{size / GIB:.1f} GiB" if size >= GIB // 10 else f"{size / (1 << 20):.1f} MiB"
