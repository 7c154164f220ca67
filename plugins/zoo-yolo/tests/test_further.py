"""Masks, key points and oriented boxes of YOLO networks.

data/oriented.npz holds centre, sides and angle that `OBB._inference` of Ultralytics 8.4.190 gave
for raw maps of seeded numbers (`raw_maps`).
"""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import zoo_yolo
from zoo_yolo.further import OrientedDecoder, PoseDecoder, SegmentDecoder

from zoo_core.api import FileOutline, TensorSpec
from zoo_core.errors import StageError, UsageError
from zoo_core.testing import TaskDecoderContract
from zoo_core.toolkit.detection import (
    DetectionRules,
    KeypointCandidates,
    MaskCandidates,
    OrientedCandidates,
)
from zoo_core.vision import Geometry

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from zoo_core.api import Arrays

SIZE, CLASSES = (64, 96), 3
CELLS = 126
PLACE = Geometry.identity(SIZE)
RULES = DetectionRules(0.25, 0.5)


def table(extras: int, cells: int = CELLS) -> NDArray[np.float32]:
    """One box of class 1 in the middle, x 16..80 and y 16..48."""
    rows = np.zeros((4 + CLASSES + extras, cells), np.float32)
    rows[:4, 7] = 48, 32, 64, 32
    rows[5, 7] = 0.9
    return rows


def test_masks_are_made_of_prototypes() -> None:
    rows = table(2)
    rows[7:, 7] = 1, -1
    prototypes = np.zeros((2, 16, 24), np.float32)
    prototypes[0, :, :12], prototypes[1, :, 12:] = 1, 1
    outputs = {"output1": prototypes, "output0": rows}
    arrays = SegmentDecoder().bind({}, CLASSES, 0.05)(outputs, PLACE)

    found = MaskCandidates.from_arrays(arrays).settle(RULES)

    assert found.detections.boxes.tolist() == [[16, 16, 80, 48]]
    mask = found.mask(0)
    assert mask.sum() == 32 * 32
    assert mask[16:48, 16:48].all()


def test_masks_of_boxes_that_the_file_chose() -> None:
    chosen = np.zeros((300, 8), np.float32)
    chosen[0] = 16, 16, 80, 48, 0.9, 1, 1, 0
    outputs = {"output0": chosen, "output1": np.ones((2, 16, 24), np.float32)}
    arrays = SegmentDecoder().bind({"conf": 0.1, "iou": 0.5}, CLASSES, 0.05)(outputs, PLACE)

    candidates = MaskCandidates.from_arrays(arrays)

    assert candidates.found.suppressed == (0.1, 0.5)
    assert candidates.settle(RULES).mask(0).sum() == 64 * 32


def test_a_segmenter_without_prototypes_is_refused() -> None:
    decode = SegmentDecoder().bind({}, CLASSES, 0.05)
    with pytest.raises(StageError, match="no single output is the prototypes"):
        decode({"output0": table(2)}, PLACE)


@pytest.mark.parametrize("depth", [2, 3])
def test_key_points_go_to_the_image(depth: int) -> None:
    rows = table(2 * depth)
    points = [[20.0, 30.0, 0.75], [40.0, 50.0, 0.5]]
    rows[7:, 7] = [value for point in points for value in point[:depth]]
    place = Geometry((32, 48), SIZE, (2.0, 2.0))
    arrays = PoseDecoder().bind({"keypoints": [2, depth]}, CLASSES, 0.05)({"o": rows}, place)

    found = KeypointCandidates.from_arrays(arrays).settle(RULES)

    assert found.detections.boxes.tolist() == [[8, 8, 40, 24]]
    sure = [0.75, 0.5] if depth == 3 else [1, 1]
    assert found.keypoints[0, :, :2].tolist() == [[10, 15], [20, 25]]
    assert found.keypoints[0, :, 2].tolist() == sure


@pytest.mark.parametrize("value", [[17], [17, 4], [17, 1], "17", [0, 3]])
def test_wrong_key_points(value: Any) -> None:
    with pytest.raises(UsageError, match="key"):
        PoseDecoder().bind({"keypoints": value}, CLASSES, 0.05)


def raw_maps(seed: int) -> list[NDArray[np.float32]]:
    """The seeded maps [64 + classes + 1, h, w] of the golden vectors."""
    rng = np.random.default_rng(seed)
    maps = []
    for stride in (8, 16, 32):
        shape = (64 + CLASSES + 1, SIZE[0] // stride, SIZE[1] // stride)
        one = rng.standard_normal(shape, dtype=np.float32)
        one[:64] *= 2
        one[64:67] = one[64:67] * 2 - 2
        maps.append(one)
    return maps


def test_raw_maps_of_key_points_are_refused() -> None:
    sizes = [(8, 12), (4, 6), (2, 3)]
    maps = {f"map{at}": np.zeros((64 + 1 + 51, *one), np.float32) for at, one in enumerate(sizes)}

    with pytest.raises(StageError, match=r"raw maps are not decoded: map0 \[116, 8, 12\]"):
        PoseDecoder().bind({}, 1, 0.05)(maps, PLACE)


@pytest.mark.parametrize("is_split", [False, True])
def test_raw_maps_give_the_repository_s_oriented_boxes(is_split: bool) -> None:
    maps = raw_maps(8)
    if is_split:
        maps = [part for one in maps for part in np.split(one, [64, 67])]
    outputs = {f"map{at}": one for at, one in enumerate(maps)}
    arrays = OrientedDecoder().bind({}, CLASSES, 0.0)(outputs, PLACE)

    found = OrientedCandidates.from_arrays(arrays)

    golden = np.load(Path(__file__).parent / "data" / "oriented.npz")["obb"]
    np.testing.assert_allclose(found.oriented, golden[found.found.anchor], atol=1e-4)
    assert len(found.oriented) == CELLS


def test_oriented_boxes_of_the_file() -> None:
    rows = table(1)
    rows[7, 7] = 0.5
    chosen = np.zeros((300, 7), np.float32)
    chosen[0] = 48, 32, 64, 32, 0.9, 1, 0.5
    for outputs in ({"output0": rows}, {"output0": chosen}):
        arrays = OrientedDecoder().bind({}, CLASSES, 0.05)(outputs, PLACE)
        found = OrientedCandidates.from_arrays(arrays).settle(RULES)
        assert found.oriented.tolist() == [[48, 32, 64, 32, 0.5]]
        assert found.detections.labels.tolist() == [1]


def outline(*shapes: tuple[int | str, ...], **metadata: str) -> FileOutline:
    outputs = tuple(TensorSpec(name=f"output{n}", shape=shape) for n, shape in enumerate(shapes))
    image = TensorSpec(name="images", shape=(1, 3, 640, 640))
    return FileOutline(inputs=(image,), outputs=outputs, size=(640, 640), metadata=metadata)


NAMES = {"names": repr(dict.fromkeys(range(5), "n"))}
MASKS = (1, 32, 160, 160)


@pytest.mark.parametrize(
    ("decoder", "given", "classes"),
    [
        (SegmentDecoder(), outline((1, 116, 8400), MASKS), 80),
        (SegmentDecoder(), outline((1, 300, 38), MASKS, task="segment", **NAMES), 5),
        (PoseDecoder(), outline((1, 56, 8400)), 1),
        (PoseDecoder(), outline((1, 11, 8400), task="pose", kpt_shape="[3, 2]"), 1),
        (PoseDecoder(), outline((1, 300, 57), task="pose", kpt_shape="broken"), 1),
        (PoseDecoder(), outline((1, 300, 57), task="pose", kpt_shape="{[1]: 2}"), 1),
        (OrientedDecoder(), outline((1, 10, 8400), task="obb", **NAMES), 5),
        (OrientedDecoder(), outline((1, 300, 7), task="obb", **NAMES), 5),
    ],
)
def test_a_file_is_recognised(decoder: Any, given: FileOutline, classes: int) -> None:
    found = decoder.recognise(given)
    assert found is not None
    assert found.classes == classes
    decoder.bind(found.params, found.classes, 0.05)


@pytest.mark.parametrize("decoder", [SegmentDecoder(), PoseDecoder(), OrientedDecoder()])
@pytest.mark.parametrize(
    "given",
    [
        outline((1, 84, 8400)),
        outline((1, 84, 8400), task="detect"),
        outline((1, 300, 6)),
        outline((1, 1000)),
        outline((1, 116, 8400), ("b", "k", 160, 160)),
        outline((1, 116, 8401), MASKS),
        outline((1, 1000), task="obb"),
    ],
)
def test_a_file_of_another_kind_is_left(decoder: Any, given: FileOutline) -> None:
    assert decoder.recognise(given) is None


class Contract(TaskDecoderContract):
    plugin, size, classes = zoo_yolo, SIZE, CLASSES

    def rows(self, extras: int) -> Sequence[NDArray[np.float32]]:
        rng = np.random.default_rng(1)
        return [rng.uniform(0, 1, (4 + CLASSES + extras, CELLS)).astype("f4") for _ in range(3)]


class TestSegment(Contract):
    name, task = "yolo-segment", "instance-segmentation"

    def outputs(self) -> Sequence[Arrays]:
        maps = np.ones((2, 16, 24), np.float32)
        return [{"output0": rows, "output1": maps} for rows in self.rows(2)]


class TestPose(Contract):
    name, task = "yolo-pose", "keypoints"
    params: Mapping[str, Any] = MappingProxyType({"keypoints": [4, 3]})

    def outputs(self) -> Sequence[Arrays]:
        return [{"output0": rows} for rows in self.rows(12)]


class TestOriented(Contract):
    name, task = "yolo-oriented", "oriented-detection"

    def outputs(self) -> Sequence[Arrays]:
        return [{"output0": rows} for rows in self.rows(1)]


class TestRawOriented(TestOriented):
    def outputs(self) -> Sequence[Arrays]:
        return [{f"map{at}": one for at, one in enumerate(raw_maps(seed))} for seed in (1, 2)]


del Contract
