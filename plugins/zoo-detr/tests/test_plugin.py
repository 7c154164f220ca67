"""The plugin and its decoders keep zoo's contracts."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import zoo_detr

from zoo_core.testing import Box, DecoderContract, PluginContract

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo_core.api import Arrays

QUERIES, FAR = 9, -20.0


class TestPlugin(PluginContract):
    plugin = zoo_detr


class _Heads(DecoderContract):
    plugin = zoo_detr
    more = 0

    def encode(self, boxes: Sequence[Box]) -> Arrays:
        """A query for each box; the others are sure of nothing."""
        logits = np.full((QUERIES, self.classes + self.more), FAR, np.float32)
        logits[:, self.classes :] = 0
        places = np.full((QUERIES, 4), 0.5, np.float32)
        height, width = self.size
        for row, box in enumerate(boxes, 2):
            logits[row, box.label] = 20
            x1, y1, x2, y2 = box.xyxy
            centre = ((x1 + x2) / 2 / width, (y1 + y2) / 2 / height)
            places[row] = (*centre, (x2 - x1) / width, (y2 - y1) / height)
        return {"pred_logits": logits, "pred_boxes": places}


class TestDetr(_Heads):
    name, more = "detr", 1


class TestRtDetr(_Heads):
    name = "rtdetr"


class TestRtDetrOfManyQueries(_Heads):
    name = "rtdetr"
    params = MappingProxyType({"top": 4})


class TestGroundingDino(DecoderContract):
    """Labels of two, one and three tokens."""

    plugin, name = zoo_detr, "grounding-dino"
    params = MappingProxyType({"tokens": (2, 1, 3)})
    spans = (slice(1, 3), slice(4, 5), slice(6, 9))

    def encode(self, boxes: Sequence[Box]) -> Arrays:
        """A query for each box, sure of all tokens of its label."""
        logits = np.full((QUERIES, 256), FAR, np.float32)
        logits[:, 10:] = -np.inf
        places = np.full((QUERIES, 4), 0.5, np.float32)
        height, width = self.size
        for row, box in enumerate(boxes):
            logits[row, self.spans[box.label]] = 20
            x1, y1, x2, y2 = box.xyxy
            centre = ((x1 + x2) / 2 / width, (y1 + y2) / 2 / height)
            places[row] = (*centre, (x2 - x1) / width, (y2 - y1) / height)
        return {"logits": logits, "boxes": places}


class TestChosen(DecoderContract):
    plugin, name = zoo_detr, "rtdetr"

    def encode(self, boxes: Sequence[Box]) -> Arrays:
        """A row for each box, and rows that score nothing."""
        labels = np.zeros(QUERIES, np.int64)
        places = np.zeros((QUERIES, 4), np.float32)
        scores = np.zeros(QUERIES, np.float32)
        for row, box in enumerate(boxes):
            labels[row], places[row], scores[row] = box.label, box.xyxy, 0.9
        return {"labels": labels, "boxes": places, "scores": scores}
