"""The result of one check."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass

GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check.

    `ok` is whether a run can use it as it is, `found` the present state, `next` what to do if it is
    not ok. A failed check that is `needed` breaks runs or a plugin; others are advice.
    """

    name: str
    ok: bool
    found: str
    next: str = ""
    _: KW_ONLY
    needed: bool = False


def gibibytes(size: int) -> str:
    """A size in bytes, as text."""
    return f"{size / GIB:.1f} GiB" if size >= GIB // 10 else f"{size / (1 << 20):.1f} MiB"
