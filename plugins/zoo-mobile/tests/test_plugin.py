"""The plugin keeps zoo's contracts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import zoo_mobile

from zoo_core.testing import DecoderContract, PluginContract

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from zoo_core.api import Arrays
    from zoo_core.testing.examples import Box

    Floats = NDArray[np.float64]


class TestPlugin(PluginContract):
    plugin = zoo_mobile


def logit(share: Any) -> Floats:
    return np.log(share) - np.log1p(-np.asarray(share, np.float64))


def middle(box: Box) -> tuple[Floats, Floats]:
    """Centre and sides."""
    corners = np.array(box.xyxy).reshape(2, 2)
    return corners.mean(axis=0), corners[1] - corners[0]


class TestFastestDet(DecoderContract):
    plugin, name = zoo_mobile, "fastestdet"

    def encode(self, boxes: Sequence[Box]) -> Arrays:
        one = np.zeros((5 + self.classes, self.size[0] // 16, self.size[1] // 16))
        for box in boxes:
            centre, sides = middle(box)
            column, row = (centre // 16).astype(int)
            cell = one[:, row, column]
            cell[1:3] = np.arctanh(centre / 16 - (column, row))
            cell[3:5] = logit(sides / self.size[::-1])
            cell[0] = cell[5 + box.label] = box.score
        return {"output": one.astype(np.float32)}


class TestFastestDetParts(TestFastestDet):
    """Object, box and classes by themselves, all of them raw."""

    def encode(self, boxes: Sequence[Box]) -> Arrays:
        (one,) = super().encode(boxes).values()
        sure, sides, classes = one[:1], one[1:5], one[5:]
        raw = np.where(sure > 0, logit(np.clip(sure, 0.01, 0.99)), -20)
        return {
            "object": raw.astype(np.float32),
            "box": sides,
            "classes": np.where(classes > 0, 20, 0).astype(np.float32),
        }


class TestYoloFastestV2(DecoderContract):
    plugin, name = zoo_mobile, "yolo-fastestv2"
    params: dict[str, Any] = {
        "anchors": [[[32, 48], [64, 40]], [[90, 60], [120, 100]]],
        "strides": [16, 32],
    }

    def encode(self, boxes: Sequence[Box]) -> Arrays:
        """All of them with the second anchor of the first map."""
        maps = [
            np.zeros((self.size[0] // s, self.size[1] // s, 10 + self.classes)) for s in (16, 32)
        ]
        for box in boxes:
            centre, sides = middle(box)
            column, row = (centre // 16).astype(int)
            cell = maps[0][row, column]
            cell[4:6] = (centre / 16 - (column, row) + 0.5) / 2
            cell[6:8] = np.sqrt(sides / self.params["anchors"][0][1]) / 2
            cell[9], cell[10 + box.label] = 0.95, box.score
        return {str(number): one.astype(np.float32) for number, one in enumerate(maps)}


class TestYoloFastestV2Parts(TestYoloFastestV2):
    """Six raw maps."""

    def encode(self, boxes: Sequence[Box]) -> Arrays:
        parts = {}
        for name, one in super().encode(boxes).items():
            raw = np.moveaxis(logit(np.clip(one, 1e-6, 1 - 1e-6)), -1, 0).astype(np.float32)
            parts[f"box{name}"], parts[f"object{name}"] = raw[:8], raw[8:10]
            parts[f"classes{name}"] = np.where(raw[10:] > 0, 20, 0).astype(np.float32)
        return parts


class TestNanoDet(DecoderContract):
    """One output of rows; the boxes are at points of stride 32."""

    plugin, name = zoo_mobile, "nanodet"
    params: dict[str, Any] = {"strides": [16, 32], "reg_max": 7, "centre": 0.5}

    def encode(self, boxes: Sequence[Box]) -> Arrays:
        height, width = self.size
        before = (height // 16) * (width // 16)
        rows = np.zeros((before + (height // 32) * (width // 32), self.classes + 32))
        for box in boxes:
            centre, _ = middle(box)
            column, row = np.round(centre / 32 - self.params["centre"]).astype(int)
            point = np.array([column, row]) * 32 + 32 * self.params["centre"]
            one = rows[before + row * (width // 32) + column]
            one[box.label] = box.score
            far = np.concatenate([point - box.xyxy[:2], box.xyxy[2:] - point]) / 32
            one[self.classes :] = np.concatenate([spread(distance) for distance in far])
        return {"output": rows.astype(np.float32)}


class TestNanoDetPlus(TestNanoDet):
    """Points at the corners of cells, a map for each stride, scores before the sigmoid."""

    params: dict[str, Any] = {"strides": [16, 32], "reg_max": 7, "centre": 0}

    def encode(self, boxes: Sequence[Box]) -> Arrays:
        (rows,) = super().encode(boxes).values()
        rows = rows.copy()
        rows[:, : self.classes] = logit(np.clip(rows[:, : self.classes], 1e-6, 1 - 1e-6))
        high, wide = self.size[0] // 16, self.size[1] // 16
        parts = rows[: high * wide], rows[high * wide :]
        sizes = (high, wide), (high // 2, wide // 2)
        return {
            str(size): part.T.reshape(-1, *size) for part, size in zip(parts, sizes, strict=True)
        }


def spread(distance: float) -> Floats:
    """Eight numbers whose softmax has this mean."""
    low = int(distance)
    shares = np.full(8, 1e-9)
    shares[low : low + 2] = 1 - (distance - low), distance - low
    return np.log(np.maximum(shares, 1e-9))
