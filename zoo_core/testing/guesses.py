"""Outputs for a decoder of which nobody has said how they look."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zoo_core.vision.geometry import Geometry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo_core.api import Arrays, Decode

_COUNT = 3
_STRIDE = 4


def guessed_outputs(
    decode: Decode, classes: int, size: tuple[int, int], output: str = "output"
) -> Sequence[Arrays]:
    """Noise from 0 to 1 of the first shape that the decoder takes; empty where it takes none.

    Tried are one score per class, [classes], and a map of them, [classes, height / 4, width / 4].
    `size` is the network's (height, width).
    """
    height, width = size
    maps = (classes, max(1, height // _STRIDE), max(1, width // _STRIDE))
    for shape in ((classes,), maps):
        random = np.random.default_rng(0)
        found = [{output: random.random(shape, np.float32)} for _ in range(_COUNT)]
        try:
            decode(found[0], Geometry.identity(size))
        except Exception:  # it reads what is none of its own, and may say so in any way
            continue
        return found
    return ()
