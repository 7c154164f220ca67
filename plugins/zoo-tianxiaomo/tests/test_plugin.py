from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import zoo_tianxiaomo
from zoo_tianxiaomo.decoder import TianxiaomoDecoder
from zoo_tianxiaomo.layout import ANCHORS, HEADS, STRIDES, Layout

from zoo_core.api import FileOutline, TensorSpec
from zoo_core.testing import DecoderContract, ExporterContract, PluginContract

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from zoo_core.api import Arrays
    from zoo_core.testing import Box

_NAME = "tianxiaomo-yolov4"
_CLASSES = 3
_LOW = -20.0


class TestPlugin(PluginContract):
    plugin = zoo_tianxiaomo


class TestExporterOfHeads(ExporterContract):
    plugin, name = zoo_tianxiaomo, _NAME
    params = {"widths": [4, 8, 8, 16, 16, 32]}
    tolerance = 1e-4


class TestExporterOfBoxes(ExporterContract):
    plugin, name, form = zoo_tianxiaomo, _NAME, "e2e"
    params = {"widths": [4, 8, 8, 16, 16, 32], "scale_x_y": [1.2, 1.1, 1.05]}
    tolerance = 1e-4


class TestDecoderOfHeads(DecoderContract):
    plugin, name, classes = zoo_tianxiaomo, _NAME, _CLASSES

    def encode(self, boxes: Sequence[Box]) -> Arrays:
        """Each box in a cell of the stride-8 head, by its first anchor."""
        height, width = self.size
        outputs = {
            name: np.full((3, 5 + _CLASSES, height // s, width // s), _LOW, np.float32)
            for name, s in zip(HEADS, STRIDES, strict=True)
        }
        stride, (anchor_w, anchor_h) = STRIDES[0], ANCHORS[0][0]
        for box in boxes:
            x1, y1, x2, y2 = (side / stride for side in box.xyxy)
            x, y = (x1 + x2) / 2, (y1 + y2) / 2
            column, row = int(x - 1e-6), int(y - 1e-6)
            cell = outputs[HEADS[0]][0, :, row, column]
            cell[0], cell[1] = _logit(x - column), _logit(y - row)
            cell[2] = np.log((x2 - x1) * stride / anchor_w)
            cell[3] = np.log((y2 - y1) * stride / anchor_h)
            cell[4], cell[5 + box.label] = 20.0, _logit(box.score)
        return {name: values.reshape(-1, *values.shape[2:]) for name, values in outputs.items()}


class TestDecoderOfBoxes(DecoderContract):
    plugin, name, classes = zoo_tianxiaomo, _NAME, _CLASSES

    def encode(self, boxes: Sequence[Box]) -> Arrays:
        """Each box in a row of its own, as parts of the input's sides."""
        height, width = self.size
        places = np.full((9, 1, 4), 0.5, np.float32)
        scores = np.zeros((9, _CLASSES), np.float32)
        for row, box in enumerate(boxes):
            places[row, 0] = np.array(box.xyxy) / [width, height, width, height]
            scores[row, box.label] = box.score
        return {"boxes": places, "confs": scores}


@pytest.mark.parametrize(
    ("boxes", "confs", "classes"),
    [
        ((1, 10647, 1, 4), (1, 10647, 80), 80),
        (("batch", 10647, 1, 4), ("batch", 10647, 2), 2),
        ((1, 10647, 4), (1, 10647, 80), None),
        ((1, 8400, 1, 4), (1, 8400, 80), None),
        ((1, 10647, 1, 4), (1, 10647, "n"), None),
        ((1, 10647, 1, 4), (1,), None),
    ],
)
def test_boxes_and_confs_are_recognised(boxes: Any, confs: Any, classes: int | None) -> None:
    outputs = (TensorSpec(name="boxes", shape=boxes), TensorSpec(name="confs", shape=confs))
    found = TianxiaomoDecoder().recognise(FileOutline(inputs=(), outputs=outputs, size=(416, 416)))
    assert (found and found.classes) == classes


def test_heads_are_not_recognised_since_their_anchors_are_not_told() -> None:
    outputs = Layout(form="heads", size=(416, 416), classes=80).outputs
    outline = FileOutline(inputs=(), outputs=outputs, size=(416, 416))
    assert TianxiaomoDecoder().recognise(outline) is None


def _logit(part: float) -> NDArray[np.float64]:
    clipped = np.clip(part, 1e-6, 1 - 1e-6)
    return np.asarray(np.log(clipped / (1 - clipped)))
