"""A stream of random integers that is the same on every machine and with every NumPy."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

Colour = tuple[int, int, int]
T = TypeVar("T")


class Draws:
    """Draws from the raw words of Philox, whose stream NumPy promises to keep."""

    def __init__(self, seed: int) -> None:
        """Start the stream of `seed` (0 or more)."""
        self._bits = np.random.Philox(key=seed)

    def below(self, limit: int) -> int:
        """Draw from 0 to limit - 1 (the bias of the remainder is below limit / 2**64)."""
        return int(self._bits.random_raw()) % limit

    def between(self, low: int, high: int) -> int:
        """Draw from low to high, both included."""
        return low + self.below(high - low + 1)

    def chance(self, percent: int) -> bool:
        """Draw true in `percent` of 100 cases."""
        return self.below(100) < percent

    def one(self, values: Sequence[T]) -> T:
        """Draw one of the values."""
        return values[self.below(len(values))]

    def near(self, colour: Colour, reach: int = 18) -> Colour:
        """Draw a colour (0..255) whose channels differ by at most `reach` from the given one."""
        r, g, b = (min(max(c + self.between(-reach, reach), 0), 255) for c in colour)
        return r, g, b

    def colour(self, spread: int) -> Colour:
        """Draw a colour around a random grey; a greater `spread` gives stronger colours."""
        grey = self.between(30, 225)
        return self.near((grey, grey, grey), spread)

    def bytes(self, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        """Draw uniform bytes of the given shape."""
        count = int(np.prod(shape))
        words = self._bits.random_raw((count + 7) // 8).astype("<u8")
        return words.view(np.uint8)[:count].reshape(shape)
