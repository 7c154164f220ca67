"""How many threads OpenCV works in."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def opencv_in_one_thread() -> Iterator[None]:
    """Lets OpenCV work in the threads that call it, and starts none of its own beside them.

    For whoever has a thread for each processor already; OpenCV keeps this for all of the process.
    """
    import cv2

    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)
