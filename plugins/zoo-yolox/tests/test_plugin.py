"""The plugin keeps zoo's contracts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import zoo_yolox

from zoo_core.testing import DecoderContract, PluginContract

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo_core.api import Arrays
    from zoo_core.testing.examples import Box


class TestPlugin(PluginContract):
    plugin = zoo_yolox


class TestDecoder(DecoderContract):
    plugin, name = zoo_yolox, "yolox"
    params: dict[str, Any] = {"strides": [8, 16, 32]}

    def encode(self, boxes: Sequence[Box]) -> Arrays:
        """Boxes go to the map of stride 16, whose rows come after those of stride 8."""
        height, width = self.size
        cells = [(height // stride) * (width // stride) for stride in (8, 16, 32)]
        rows = np.zeros((sum(cells), 5 + self.classes), np.float32)
        for box in boxes:
            left, top, right, bottom = box.xyxy
            x, y = (left + right) / 32, (top + bottom) / 32
            row = rows[cells[0] + int(y) * (width // 16) + int(x)]
            row[:4] = x % 1, y % 1, *np.log([(right - left) / 16, (bottom - top) / 16])
            row[4], row[5 + box.label] = 0.99, box.score
        return {"output": rows}


class TestDecodedDecoder(TestDecoder):
    """A file that places its boxes itself."""

    params: dict[str, Any] = {"decoded": True}

    def encode(self, boxes: Sequence[Box]) -> Arrays:
        rows = super().encode([])["output"].copy()
        for at, box in enumerate(boxes):
            left, top, right, bottom = box.xyxy
            rows[at, :4] = (left + right) / 2, (top + bottom) / 2, right - left, bottom - top
            rows[at, 4], rows[at, 5 + box.label] = 0.99, box.score
        return {"output": rows}
