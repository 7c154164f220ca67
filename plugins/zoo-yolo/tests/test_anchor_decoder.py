"""Decoders of YOLO with anchors: contracts, the repositories' own boxes, wrong outputs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import zoo_yolo
from zoo_yolo.anchor_based import AnchorDecoder

from zoo_core.errors import StageError, UsageError
from zoo_core.testing import DecoderContract
from zoo_core.toolkit.detection import Candidates, DetectionRules, postprocess
from zoo_core.vision import Geometry, cxcywh_to_xyxy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from zoo_core.api import Arrays
    from zoo_core.testing.examples import Box

GOLDEN = np.load(Path(__file__).with_name("data") / "anchors.npz")
"""What the repositories' own code makes of `random_heads`, every fourth row, three classes.

Made by hand: their detection layer, its convolutions replaced by the identity, on those heads as a
batch of one, in float32. Rows are cx, cy, w, h in pixels, object, classes, in their order.

yolov5, yolov3, yolov3_tiny  ultralytics/yolov5 @3752807, yolov3 @7eb23e3: models.yolo.Detect
yolov7, yolov7_w6            WongKinYiu/yolov7 @072f76c: models.yolo.IDetect, without implicit parts
yolor                        WongKinYiu/yolor @be7da6e: models.yolo.IDetect, likewise
yolov4_*bubbliiiing          bubbliiiing/yolov4-pytorch @b7c2212, yolov4-tiny-pytorch @60598a2:
                             utils.utils_bbox.DecodeBox.decode_box, boxes as fractions
mmyolo                       open-mmlab/mmyolo @178b0bf YOLOv5BBoxCoder with YOLOAnchorGenerator of
                             mmdet 3.0.0rc5, corners and scores (object * class), in our order
yolov5_nms                   non_max_suppression(.001, .65, multi_label) and scale_coords to an
                             image of 100 x 150 of other heads, without boxes below two pixels,
                             which it drops; those above .25
"""

V5 = [
    [10, 13],
    [16, 30],
    [33, 23],
    [30, 61],
    [62, 45],
    [59, 119],
    [116, 90],
    [156, 198],
    [373, 326],
]
V7 = [
    [12, 16],
    [19, 36],
    [40, 28],
    [36, 75],
    [76, 55],
    [72, 146],
    [142, 110],
    [192, 243],
    [459, 401],
]
TINY = [[10, 14], [23, 27], [37, 58], [81, 82], [135, 169], [344, 319]]
P6 = [[19, 27], [44, 40], [38, 94], [96, 68], [86, 152], [180, 137]]
P6 += [[140, 301], [303, 264], [238, 542], [436, 615], [739, 380], [925, 792]]


def by_head(pairs: Sequence[Any]) -> list[Any]:
    return [list(pairs[at : at + 3]) for at in range(0, len(pairs), 3)]


def random_heads(seed: int, strides: Sequence[int], size: tuple[int, int]) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    height, width = size
    shapes = [(3 * 8, height // stride, width // stride) for stride in strides]
    return {
        f"head{at}": rng.normal(0, 2, shape).astype(np.float32) for at, shape in enumerate(shapes)
    }


def values_last(heads: dict[str, Any]) -> dict[str, Any]:
    return {
        name: head.reshape(3, -1, *head.shape[1:]).transpose(0, 2, 3, 1)
        for name, head in heads.items()
    }


def logit(share: Any) -> Any:
    return np.log(np.asarray(share) / (1 - np.asarray(share)))


class TestHeads(DecoderContract):
    plugin, name = zoo_yolo, "yolo-anchors"
    params: dict[str, Any] = {
        "strides": [16, 32],
        "anchors": [[[20, 20], [40, 40]], [[60, 60], [90, 90]]],
    }

    def encode(self, boxes: Sequence[Box]) -> Arrays:
        """Boxes are those of the second anchor of the first head."""
        heads = self._empty()
        for box in boxes:
            left, top, right, bottom = box.xyxy
            x, y = (left + right) / 32, (top + bottom) / 32
            cell = heads["a"].reshape(2, 8, *heads["a"].shape[1:])[1, :, int(y), int(x)]
            cell[:2] = logit([(x % 1 + 0.5) / 2, (y % 1 + 0.5) / 2])
            cell[2:4] = self._grown(np.array([right - left, bottom - top]) / 40)
            cell[4], cell[5 + box.label] = 8, logit(box.score)
        return heads

    def _empty(self) -> dict[str, NDArray[np.float32]]:
        grids = {
            name: (self.size[0] // stride, self.size[1] // stride)
            for name, stride in (("a", 16), ("b", 32))
        }
        return {name: np.full((2 * 8, *grid), -9, np.float32) for name, grid in grids.items()}

    def _grown(self, factor: Any) -> Any:
        return logit(np.sqrt(factor) / 2)


class TestHeadsWithValuesLast(TestHeads):
    def encode(self, boxes: Sequence[Box]) -> Arrays:
        return {
            name: head.reshape(2, 8, *head.shape[1:]).transpose(0, 2, 3, 1)
            for name, head in super().encode(boxes).items()
        }


class TestHeadsThatGrowAsExp(TestHeads):
    name = "yolo-anchors-exp"

    def encode(self, boxes: Sequence[Box]) -> Arrays:
        heads = super().encode(boxes)
        for box in boxes:
            x, y = (box.xyxy[0] + box.xyxy[2]) / 32, (box.xyxy[1] + box.xyxy[3]) / 32
            cell = heads["a"].reshape(2, 8, *heads["a"].shape[1:])[1, :, int(y), int(x)]
            cell[:2] = logit(np.clip([x % 1, y % 1], 1e-6, 1 - 1e-6))
        return heads

    def _grown(self, factor: Any) -> Any:
        return np.log(factor)


class TestRows(DecoderContract):
    plugin, name = zoo_yolo, "yolo-anchors"
    params: dict[str, Any] = {}

    def encode(self, boxes: Sequence[Box]) -> Arrays:
        height, width = self.size
        count = 3 * sum((height // stride) * (width // stride) for stride in (8, 16, 32))
        rows = np.zeros((count, 5 + self.classes), np.float32)
        for at, box in enumerate(boxes):
            left, top, right, bottom = box.xyxy
            rows[at * 7, :4] = (left + right) / 2, (top + bottom) / 2, right - left, bottom - top
            rows[at * 7, 4], rows[at * 7, 5 + box.label] = 1, box.score
        return {"output": rows}


@pytest.mark.parametrize("layout", [dict, values_last])
@pytest.mark.parametrize(
    ("name", "seed", "anchors", "strides", "size"),
    [
        ("yolov5", 5, V5, [8, 16, 32], (32, 64)),
        ("yolov3", 3, V5, [8, 16, 32], (32, 64)),
        ("yolov3_tiny", 33, TINY, [16, 32], (32, 64)),
        ("yolov7", 77, V7, [8, 16, 32], (32, 64)),
        ("yolov7_w6", 78, P6, [8, 16, 32, 64], (64, 64)),
        ("yolor", 99, P6, [8, 16, 32, 64], (64, 64)),
        ("yolov4_bubbliiiing", 4, V7[6:] + V7[3:6] + V7[:3], [32, 16, 8], (32, 64)),
        ("yolov4_tiny_bubbliiiing", 4, TINY[3:] + TINY[1:4], [32, 16], (32, 64)),
        ("mmyolo", 55, V5, [8, 16, 32], (32, 64)),
    ],
)
def test_boxes_are_those_of_the_repository(
    name: str, seed: int, anchors: Any, strides: Any, size: tuple[int, int], layout: Any
) -> None:
    params = {"strides": strides, "anchors": by_head(anchors)}
    decode = AnchorDecoder(squares="bubbliiiing" not in name).bind(params, 3, -1.0)

    found = Candidates.from_arrays(
        decode(layout(random_heads(seed, strides, size)), Geometry.identity(size))
    )

    step = 1 if "tiny" in name else 4
    rows = GOLDEN[name]
    boxes, scores = rows[:, :4], rows[:, 4:]
    if name != "mmyolo":
        boxes, scores = cxcywh_to_xyxy(boxes), rows[:, 4:5] * rows[:, 5:]
    if "bubbliiiing" in name:
        boxes = boxes * np.array([size[1], size[0], size[1], size[0]])
    np.testing.assert_allclose(found.boxes[::step], boxes, rtol=1e-6, atol=1e-4)
    np.testing.assert_allclose(found.score.reshape(-1, 3)[::step], scores, rtol=0, atol=1e-6)


def test_detections_are_those_of_yolov5() -> None:
    """Decoding, the way back through the letterbox, NMS and the cut to the image."""
    params = {"anchors": by_head(V5)}
    decode = AnchorDecoder(squares=True).bind(params, 3, 0.001)
    place = Geometry((100, 150), (32, 64), (0.32, 0.32), (8.0, 0.0))
    rules = DetectionRules(0.001, 0.65, box_labels="multi", max_detections=300, clip=True)

    heads = random_heads(6, (8, 16, 32), (32, 64))
    for head in heads.values():
        values = head.reshape(3, 8, *head.shape[1:])
        values[:, 2:4] = abs(values[:, 2:4]) - 1

    done = postprocess(Candidates.from_arrays(decode(heads, place)), rules)

    kept = done.take(done.scores > 0.25)
    np.testing.assert_allclose(kept.boxes, GOLDEN["yolov5_nms"][:, :4], rtol=1e-6, atol=1e-4)
    np.testing.assert_allclose(kept.scores, GOLDEN["yolov5_nms"][:, 4], atol=1e-6)
    assert kept.labels.tolist() == GOLDEN["yolov5_nms"][:, 5].tolist()


def test_heads_go_before_rows_where_anchors_are_known() -> None:
    heads = random_heads(5, (8, 16, 32), (32, 64))
    place = Geometry.identity((32, 64))
    both = {"output": np.zeros((126, 8), np.float32), **heads}
    known = AnchorDecoder(squares=True).bind({"anchors": by_head(V5)}, 3, 0.001)
    unknown = AnchorDecoder(squares=True).bind({}, 3, 0.001)
    assert len(Candidates.from_arrays(known(both, place))) > 0
    assert len(Candidates.from_arrays(unknown(both, place))) == 0


def test_heads_are_found_in_any_order() -> None:
    heads = random_heads(5, (8, 16, 32), (32, 64))
    decode = AnchorDecoder(squares=True).bind({"anchors": by_head(V5)}, 3, 0.001)
    place = Geometry.identity((32, 64))
    one = decode(heads, place)
    other = decode(dict(reversed(heads.items())), place)
    assert all(np.array_equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize(
    ("outputs", "params"),
    [
        ({"output": np.zeros((126, 9), np.float32)}, {}),
        ({"output": np.zeros((125, 8), np.float32)}, {}),
        (random_heads(5, (8, 16, 32), (32, 64)), {}),
        (random_heads(5, (8, 16), (32, 64)), {"anchors": by_head(V5)}),
        (
            {**random_heads(5, (8,), (32, 64)), "twin": np.zeros((24, 4, 8))},
            {"anchors": by_head(V5)},
        ),
    ],
)
def test_outputs_that_are_neither(outputs: Any, params: Any) -> None:
    decode = AnchorDecoder(squares=True).bind(params, 3, 0.001)
    with pytest.raises(StageError, match=r"neither a head .* nor rows \[126, 5 \+ 3 classes\]"):
        decode(outputs, Geometry.identity((32, 64)))


@pytest.mark.parametrize(
    "params",
    [
        {"strides": []},
        {"strides": [8, 0]},
        {"strides": 8},
        {"strides": [8, 8, 16]},
        {"anchors": []},
        {"anchors": None},
        {"anchors": [[[1, 2]]]},
        {"anchors": [[[1, 2]], [[1, 2, 3]], [[1, 2]]]},
        {"anchors": [[[1, 2]], [[1, -2]], [[1, 2]]]},
        {"anchors": [[1, 2], [1, 2], [1, 2]]},
        {"anchors": [[], [[1, 2]], [[1, 2]]]},
    ],
)
def test_wrong_parameters(params: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"^decoder_params: (strides|anchors) must"):
        AnchorDecoder(squares=True).bind(params, 3, 0.001)
