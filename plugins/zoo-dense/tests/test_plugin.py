"""The plugin keeps zoo's contracts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import zoo_dense

from zoo_core.testing import DecoderContract, PluginContract

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from zoo_core.api import Arrays
    from zoo_core.testing.examples import Box


class TestPlugin(PluginContract):
    plugin = zoo_dense


class AnchorContract(DecoderContract):
    """Boxes go to the anchor of the first ratio and side in the cell of their centre."""

    plugin = zoo_dense
    stride, level, each, ratio, side = 16, 1, 9, 0.5, 64.0
    centre, stds = 0.0, (1.0, 1.0, 1.0, 1.0)
    empty = -20.0
    params: dict[str, Any] = {"clip": "none"}

    def maps(self) -> list[tuple[int, int]]:
        """Rows and columns of each level."""
        return [(-(-self.size[0] // s), -(-self.size[1] // s)) for s in (8, 16, 32, 64, 128)]

    def encode(self, boxes: Sequence[Box]) -> Arrays:
        grids = self.maps()
        scores = [np.full((self.each, self.classes, *g), self.empty, np.float32) for g in grids]
        deltas = [np.zeros((self.each, 4, *grid), np.float32) for grid in grids]
        for box in boxes:
            corners = np.array(box.xyxy).reshape(2, 2)
            middle, sides = corners.mean(axis=0), corners[1] - corners[0]
            cell = (middle / self.stride).astype(int)
            anchor = np.array([self.side / self.ratio**0.5, self.side * self.ratio**0.5])
            move = (middle - (cell + self.centre) * self.stride) / anchor
            raw = np.concatenate([move, np.log(sides / anchor)]) / self.stds
            deltas[self.level][0, :, cell[1], cell[0]] = raw
            scores[self.level][0, box.label, cell[1], cell[0]] = self.found(box.score)
        return self.laid(scores, deltas)

    def found(self, score: float) -> float:
        """What the network gives for a score."""
        return float(np.log(score / (1 - score)))

    def laid(self, scores: list[NDArray[Any]], deltas: list[NDArray[Any]]) -> Arrays:
        """Maps, all scores first."""
        every = [one.reshape(-1, *one.shape[2:]) for one in (*scores, *deltas)]
        return {str(number): one for number, one in enumerate(every)}


class TestMmdet(AnchorContract):
    name = "retinanet-mmdet"


class TestTorchvision(AnchorContract):
    """Anchors of whole pixels: 90 x 46; one map for all levels."""

    name = "retinanet-torchvision"
    params: dict[str, Any] = {"clip": "none", "rounded": False}

    def laid(self, scores: list[NDArray[Any]], deltas: list[NDArray[Any]]) -> Arrays:
        every = (
            np.concatenate([m.transpose(2, 3, 0, 1).reshape(-1, m.shape[1]) for m in one])
            for one in (scores, deltas)
        )
        return dict(zip(("cls_logits", "bbox_regression"), every, strict=True))


class TestYhenon(AnchorContract):
    """Rows of each level, boxes first."""

    name = "retinanet-yhenon"
    centre, stds, empty = 0.5, (0.1, 0.1, 0.2, 0.2), 0.0

    def found(self, score: float) -> float:
        return score

    def laid(self, scores: list[NDArray[Any]], deltas: list[NDArray[Any]]) -> Arrays:
        every = [m.transpose(2, 3, 0, 1).reshape(-1, m.shape[1]) for m in (*deltas, *scores)]
        return {str(number): one for number, one in enumerate(every)}


class TestYolof(AnchorContract):
    """With an object map."""

    name = "yolof"
    stride, level, each, ratio, side = 32, 0, 5, 1.0, 32.0

    def maps(self) -> list[tuple[int, int]]:
        return [(-(-self.size[0] // 32), -(-self.size[1] // 32))]

    def laid(self, scores: list[NDArray[Any]], deltas: list[NDArray[Any]]) -> Arrays:
        sure = np.full((self.each, *self.maps()[0]), 20, np.float32)
        return {**super().laid(scores, deltas), "objects": sure}


class TestFinished(AnchorContract):
    """A file with NMS inside."""

    name = "retinanet-mmdet"

    def encode(self, boxes: Sequence[Box]) -> Arrays:
        rows = np.zeros((5, 5), np.float32)
        labels = np.full(5, -1, np.int64)
        for at, box in enumerate(boxes):
            rows[at], labels[at] = (*box.xyxy, box.score), box.label
        return {"dets": rows, "labels": labels}


class TestCenternet(DecoderContract):
    plugin, name = zoo_dense, "centernet"

    def encode(self, boxes: Sequence[Box]) -> Arrays:
        rows, columns = self.size[0] // 4, self.size[1] // 4
        heat = np.full((self.classes, rows, columns), -20, np.float32)
        sides, offsets = np.zeros((2, 2, rows, columns), np.float32)
        for box in boxes:
            corners = np.array(box.xyxy).reshape(2, 2) / 4
            middle = corners.mean(axis=0)
            column, row = middle.astype(int)
            sides[:, row, column] = corners[1] - corners[0]
            offsets[:, row, column] = middle - (column, row)
            heat[box.label, row, column] = np.log(box.score / (1 - box.score))
        return {"hm": heat, "wh": sides, "reg": offsets}
