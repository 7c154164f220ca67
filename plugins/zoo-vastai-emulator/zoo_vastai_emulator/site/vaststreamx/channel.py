"""A bounded queue that can be closed."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any


class ClosedError(Exception):
    """Nothing can be put any more, or nothing is left to get."""


class Channel:
    """First in, first out, `limit` items at most; both ends block."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._items: deque[Any] = deque()
        self._closed = False
        self._changed = threading.Condition()

    def put(self, item: Any) -> None:
        """Append an item as soon as there is room; raises ClosedError after `close`."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(self._items) < self._limit)
            if self._closed:
                raise ClosedError
            self._items.append(item)
            self._changed.notify_all()

    def get(self) -> Any:
        """Take the first item as soon as there is one; raises ClosedError when closed and empty."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or bool(self._items))
            if not self._items:
                raise ClosedError
            item = self._items.popleft()
            self._changed.notify_all()
            return item

    def close(self) -> None:
        """Let nothing more in; what is inside can still be taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
