"""Ctrl-C, from the first import of the program to its last line."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from zoo_core.errors import Interrupted

if TYPE_CHECKING:
    from types import FrameType

_seen: list[int] = []


def install() -> None:
    """Let Ctrl-C raise `Interrupted`, unless it is ignored, as in a job of the background."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _interrupt)


def came() -> bool:
    """Whether Ctrl-C came, whatever has become of it: any error after it may be its doing."""
    return bool(_seen)


def check() -> None:
    """Raises `Interrupted` where Ctrl-C came and a library has swallowed it."""
    if came():
        raise Interrupted


def ignore() -> None:
    """From now on Ctrl-C does nothing: the program is about to end."""
    if signal.getsignal(signal.SIGINT) is _interrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    _seen.clear()


def _interrupt(number: int, _frame: FrameType | None) -> None:
    _seen.append(number)
    raise Interrupted
