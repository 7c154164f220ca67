"""How long zoo waits for what does not answer: servers, name servers, threads."""

from __future__ import annotations

import socket
import time
from threading import Event
from typing import TYPE_CHECKING
from unittest.mock import patch

import pytest

from zoo_core.benchmark import threads
from zoo_core.system.download import network_reachable

from .rows import within

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .rows import Row

_TIMEOUT = 0.3
_MOST = 1.0
_WORKERS = 9


def rows() -> Iterator[Row]:
    """Seconds until each is given up, with a time limit of 0.3 s."""
    for what, wait in (
        ("a server that does not answer", silent_server),
        ("a name server that hangs", hung_name_server),
        ("eight workers that hang, one limit for all", hung_workers),
    ):
        yield within("waits", what, _seconds(wait), _MOST, "s")


def silent_server() -> None:
    """A connection that is accepted and never answered."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        network_reachable(f"https://127.0.0.1:{silent.getsockname()[1]}/", timeout=_TIMEOUT)


def hung_name_server() -> None:
    """A look-up that does not return."""
    release = Event()
    with patch.object(socket, "getaddrinfo", lambda *_, **__: release.wait(30) and []):
        try:
            network_reachable("https://example.org/", timeout=_TIMEOUT)
        finally:
            release.set()


def hung_workers() -> None:
    """One of nine threads fails, the others do not stop."""
    release = Event()

    def work(number: int, stop: Event) -> None:
        if number == 0:
            raise ValueError("the network failed")
        release.wait(30)

    with patch.object(threads, "_HUNG_SECONDS", _TIMEOUT):
        try:
            with pytest.raises(ValueError, match="the network failed"):
                threads.together(_WORKERS, work)
        finally:
            release.set()


def _seconds(wait: Callable[[], None]) -> float:
    began = time.perf_counter()
    wait()
    return time.perf_counter() - began
