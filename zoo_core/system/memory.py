"""How this process keeps its memory."""

from __future__ import annotations

import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of malloc.h
_KEPT = 512 << 20
_LARGE = 32 << 20


def keep_freed_memory() -> None:
    """Let arrays up to 32 MiB be made from memory that was freed, of which 512 MiB are kept.

    The C library gives back the memory of an image or a network's output as soon as it is freed,
    and the next one's pages are then made anew, which for a small network takes as long as reading
    the image. Does nothing where the C library is not glibc (mallopt(3)).
    """
    if sys.platform != "linux":
        return
    import ctypes

    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, _LARGE)
        mallopt(_TRIM_THRESHOLD, _KEPT)
