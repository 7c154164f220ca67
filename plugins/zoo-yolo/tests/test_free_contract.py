"""The decoders without anchors keep zoo's contracts."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import zoo_yolo

from zoo_core.testing import DecoderContract

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zoo_core.api import Arrays
    from zoo_core.testing.examples import Box


class TestDecoded(DecoderContract):
    plugin, name = zoo_yolo, "yolo-anchor-free"

    def encode(self, boxes: Sequence[Box]) -> Arrays:
        height, width = self.size
        count = sum((height // stride) * (width // stride) for stride in (8, 16, 32))
        table = np.zeros((4 + self.classes, count), np.float32)
        for at, box in enumerate(boxes):
            left, top, right, bottom = box.xyxy
            table[:4, at] = (left + right) / 2, (top + bottom) / 2, right - left, bottom - top
            table[4 + box.label, at] = box.score
        return {"output0": table}


class TestWithObject(TestDecoded):
    """Rows of YOLOv6."""

    params: Mapping[str, Any] = MappingProxyType({"object": True, "strides": (8, 16, 32)})

    def encode(self, boxes: Sequence[Box]) -> Arrays:
        plain = super().encode(boxes)["output0"]
        return {"outputs": np.insert(plain, 4, 1, axis=0).T}


class TestRaw(DecoderContract):
    """Maps of distributions; each distance lies between two bins."""

    plugin, name = zoo_yolo, "yolo-anchor-free"

    def encode(self, boxes: Sequence[Box]) -> Arrays:
        height, width = self.size
        maps = {
            f"map{stride}": np.full(
                (64 + self.classes, height // stride, width // stride), -20, np.float32
            )
            for stride in (8, 16, 32)
        }
        target = maps["map16"]
        for box in boxes:
            x, y = (box.xyxy[0] + box.xyxy[2]) / 32, (box.xyxy[1] + box.xyxy[3]) / 32
            column, row = int(x), int(y)
            middle = np.array([column + 0.5, row + 0.5])
            edges = np.array(box.xyxy).reshape(2, 2) / 16
            far = np.concatenate([middle - edges[0], edges[1] - middle])
            for side, distance in enumerate(far):
                low = int(distance)
                part = np.clip(distance - low, 1e-9, 1)
                target[side * 16 + low, row, column] = np.log(max(1 - part, 1e-9))
                target[side * 16 + low + 1, row, column] = np.log(part)
            score = np.clip(box.score, 0.01, 0.99)
            target[64 + box.label, row, column] = np.log(score / (1 - score))
        return maps


class TestChosen(DecoderContract):
    plugin, name = zoo_yolo, "yolo-end-to-end"

    def encode(self, boxes: Sequence[Box]) -> Arrays:
        table = np.zeros((20, 6), np.float32)
        for row, box in zip(table, boxes, strict=False):
            row[:] = *box.xyxy, box.score, box.label
        return {"output0": table}


class TestSuppressed(TestChosen):
    """The four outputs of EfficientNMS."""

    params: Mapping[str, Any] = MappingProxyType({"conf": 0.01, "iou": 0.5})

    def encode(self, boxes: Sequence[Box]) -> Arrays:
        table = super().encode(boxes)["output0"]
        return {
            "num_dets": np.array([len(boxes)], np.int32),
            "det_boxes": table[:, :4],
            "det_scores": table[:, 4],
            "det_classes": table[:, 5].astype(np.int32),
        }
