"""Masks, key points and oriented boxes: from candidates to what a protocol leaves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from zoo_core.errors import StageError, UsageError
from zoo_core.toolkit.detection import (
    Candidates,
    DetectionRules,
    Detections,
    Instances,
    KeypointCandidates,
    MaskCandidates,
    OrientedCandidates,
    OrientedDetections,
    Poses,
    postprocess,
)
from zoo_core.toolkit.detection.masks import decode, encode
from zoo_core.toolkit.detection.oriented import corners, oriented_iou, upright
from zoo_core.vision import Geometry

SIZE = (60, 80)
LETTERBOX = Geometry(source=SIZE, network=(64, 64), scale=(0.8, 0.8), offset=(0.0, 8.0))
RULES = DetectionRules(conf=0.3, nms=0.5)
BOXES = np.array([[5, 5, 40, 30], [6, 5, 41, 30], [50.5, 20, 70, 55], [0, 0, 9, 9]], np.float64)
SCORES = np.array([[0.8], [0.9], [0.6], [0.1]])


def found(floor: float = 0.2) -> Candidates:
    return Candidates.from_dense(BOXES, SCORES, floor, SIZE)


def masks(rng: np.random.Generator) -> MaskCandidates:
    return MaskCandidates.placed(
        found(), rng.normal(size=(4, 3)), rng.normal(size=(3, 16, 16)), LETTERBOX
    )


def test_a_mask_is_where_the_mix_of_prototypes_is_above_0_inside_the_box() -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(1)
    candidates = masks(rng)
    settled = candidates.settle(RULES)

    assert settled.detections.scores.tolist() == pytest.approx([0.9, 0.6])
    mix = candidates.coefficients[[1, 2]] @ candidates.prototypes.reshape(3, -1)
    # 16 x 16 maps of a 64 x 64 input, of which rows 8 to 56 hold the image: rows 2 to 14.
    whole = torch.from_numpy(mix.reshape(1, 2, 16, 16)[:, :, 2:14])
    large = torch.nn.functional.interpolate(whole, SIZE, mode="bilinear")[0].numpy() > 0
    y, x = np.indices(SIZE)
    for row, box in enumerate(settled.detections.boxes):
        inside = (x >= box[0]) & (x < box[2]) & (y >= box[1]) & (y < box[3])
        assert np.array_equal(settled.mask(row), large[row] & inside)
        assert settled.mask(row).any()


def test_masks_go_through_the_store() -> None:
    candidates = masks(np.random.default_rng(2))
    again = MaskCandidates.from_arrays(candidates.to_arrays())
    assert np.array_equal(again.place, candidates.place)
    settled = again.settle(RULES)
    back = Instances.from_arrays(settled.to_arrays())
    assert len(back) == 2 and back.size == SIZE
    assert all(np.array_equal(back.mask(n), settled.mask(n)) for n in range(2))
    nothing = Instances.from_arrays(again.settle(DetectionRules(conf=1, nms=0.5)).to_arrays())
    assert len(nothing) == 0 and not len(nothing.counts)


def test_boxes_are_settled_as_in_detection() -> None:
    plain = postprocess(found(), RULES).to_arrays()
    points = KeypointCandidates(found=found(), keypoints=np.zeros((3, 5, 3), np.float32))
    for arrays in (
        masks(np.random.default_rng(3)).settle(RULES).to_arrays(),
        points.settle(RULES).to_arrays(),
    ):
        assert all(np.array_equal(arrays[name], plain[name]) for name in plain)


def test_run_lengths_are_those_of_coco() -> None:
    mask = pytest.importorskip("pycocotools.mask")
    rng = np.random.default_rng(4)
    for share in (0, 0.02, 0.5, 0.98, 1):
        inside = rng.random((7, 5)) < share
        full = np.zeros((9, 8), bool)
        full[1:8, 2:7] = inside
        counts = encode(inside, (9, 8), (1, 2))
        packed = mask.frPyObjects({"size": [9, 8], "counts": counts.tolist()}, 9, 8)
        assert packed == mask.encode(np.asfortranarray(full, np.uint8))
        assert np.array_equal(decode(counts, (9, 8)), full)
        tight = encode(inside, (7, 5))
        assert (np.diff(np.flatnonzero(tight == 0)) == 0).all()
        assert mask.frPyObjects({"size": [7, 5], "counts": tight.tolist()}, 7, 5) == mask.encode(
            np.asfortranarray(inside, np.uint8)
        )


def test_run_lengths_of_another_size_are_an_error() -> None:
    with pytest.raises(StageError, match="run lengths of 10 pixels, not 3 x 4"):
        decode(np.array([10], np.uint32), (3, 4))


def test_a_box_outside_the_image_has_an_empty_mask() -> None:
    outside = Candidates.from_dense(np.array([[100.0, 5, 120, 30]]), np.ones((1, 1)), 0, SIZE)
    candidates = MaskCandidates.placed(outside, np.ones((1, 2)), np.ones((2, 4, 4)), LETTERBOX)
    settled = candidates.settle(RULES)
    assert len(settled) == 1 and not settled.mask(0).any()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"coefficients": np.zeros((3, 4), np.float32)},
            r"coefficients are \[3, 4\], not \[3, 3\]",
        ),
        ({"prototypes": np.zeros((3, 4), np.float32)}, r"prototypes are \[3, 4\], not maps"),
        ({"place": np.zeros(2)}, r"place are \[2\], not \[4\]"),
        ({"found": Candidates.from_dense(BOXES, SCORES, 0.2)}, "need the image's size"),
    ],
)
def test_masks_that_do_not_fit_are_an_error(changes: dict[str, Any], told: str) -> None:
    good: dict[str, Any] = {
        "found": found(),
        "coefficients": np.zeros((3, 3), np.float32),
        "prototypes": np.zeros((3, 4, 4), np.float32),
        "place": np.array([1.0, 1, 0, 0]),
    }
    MaskCandidates(**good)
    with pytest.raises(StageError, match=told):
        MaskCandidates(**good | changes)


def test_instances_and_detections_must_be_as_many() -> None:
    with pytest.raises(StageError, match="0 masks with 0 of 0 run lengths do not go with 2"):
        Instances.of(postprocess(found(), RULES), [], SIZE)
    with pytest.raises(StageError, match=r"prototypes are \[4\]"):
        MaskCandidates.placed(found(), np.ones((4, 4)), np.ones(4), LETTERBOX)


def test_key_points_lie_in_the_image_and_follow_their_boxes() -> None:
    rng = np.random.default_rng(5)
    wanted = rng.uniform(0, 60, size=(4, 6, 3)).astype(np.float32)
    network = wanted.copy()
    network[..., :2] = network[..., :2] * 0.8 + np.array([0, 8])
    candidates = KeypointCandidates.placed(found(), network, LETTERBOX)
    assert candidates.keypoints.shape == (3, 6, 3)
    again = KeypointCandidates.from_arrays(candidates.to_arrays())
    settled = Poses.from_arrays(again.settle(RULES).to_arrays())
    assert len(settled) == 2
    assert np.allclose(settled.keypoints, wanted[[1, 2]], atol=1e-4)


@pytest.mark.parametrize("shape", [(2, 5, 3), (3, 5, 2), (3, 15)])
def test_key_points_of_another_shape_are_an_error(shape: tuple[int, ...]) -> None:
    with pytest.raises(StageError, match=r"not float32 \[3, K, 3\]"):
        KeypointCandidates(found=found(), keypoints=np.zeros(shape, np.float32))


TURNED = np.array(
    [[30, 30, 20, 10, 0.5], [30.5, 30, 20, 10, 0.5], [30, 30, 20, 10, 2.07], [50, 40, 8, 4, -0.3]]
)


def test_oriented_boxes_are_suppressed_by_their_own_overlap() -> None:
    geometry = Geometry.identity(SIZE)
    scores = np.array([[0.9], [0.8], [0.7], [0.6]])
    candidates = OrientedCandidates.from_dense(TURNED, scores, 0.1, geometry)
    again = OrientedCandidates.from_arrays(candidates.to_arrays())
    settled = OrientedDetections.from_arrays(again.settle(RULES).to_arrays())
    # The third crosses the first at a right angle; their upright boxes are nearly the same.
    assert np.allclose(settled.oriented, TURNED[[0, 2, 3]], atol=1e-5)
    assert len(settled) == 3
    assert len(postprocess(candidates.found, RULES)) == 2


def test_corners_and_the_box_around_them() -> None:
    quarter = np.array([[10, 20, 8, 4, np.pi / 2]])
    assert np.allclose(corners(quarter)[0], [[12, 16], [12, 24], [8, 24], [8, 16]])
    assert np.allclose(upright(quarter), [[8, 16, 12, 24]])


def test_the_overlap_of_oriented_boxes_is_that_of_their_areas() -> None:
    assert oriented_iou(TURNED[0], TURNED[0]) == pytest.approx(1, abs=1e-4)
    far = TURNED[0] + np.array([5000, 5000, 0, 0, 0])
    assert oriented_iou(far, far + np.array([1, 0, 0, 0, 0.1])) == pytest.approx(
        oriented_iou(TURNED[0], TURNED[0] + np.array([1, 0, 0, 0, 0.1])), abs=1e-4
    )
    cross = np.array([[0, 0, 20, 10, 0], [0, 0, 20, 10, np.pi / 2]])
    assert oriented_iou(*cross) == pytest.approx(100 / 300, abs=1e-4)
    assert oriented_iou(np.zeros(5), np.zeros(5)) == 0
    assert oriented_iou(TURNED[0], TURNED[3]) == 0


def test_oriented_boxes_are_placed_in_the_image() -> None:
    boxes = np.array([[32, 32, 16, 8, 0.3]])
    placed = OrientedCandidates.from_dense(boxes, np.ones((1, 1)), 0, LETTERBOX)
    assert np.allclose(placed.oriented, [[40, 30, 20, 10, 0.3]])
    stretch = Geometry(source=SIZE, network=(60, 40), scale=(0.5, 1.0))
    upended = np.array([[20, 30, 10, 6, np.pi / 2]])
    placed = OrientedCandidates.from_dense(upended, np.ones((1, 1)), 0, stretch)
    assert np.allclose(placed.oriented, [[40, 30, 10, 12, np.pi / 2]])


def test_oriented_boxes_of_another_shape_are_an_error() -> None:
    with pytest.raises(StageError, match=r"not float32 \[3, 5\]"):
        OrientedCandidates(found=found(), oriented=np.zeros((3, 4), np.float32))
    with pytest.raises(StageError, match="do not go with scores"):
        OrientedCandidates.from_dense(np.zeros((2, 4)), np.zeros((2, 1)), 0, LETTERBOX)
    with pytest.raises(StageError, match="float32"):
        OrientedDetections(Detections.empty(), np.zeros((1, 5), np.float32))


def test_the_rules_of_detection_hold() -> None:
    with pytest.raises(UsageError, match=r"below 0\.2, the lowest score"):
        masks(np.random.default_rng(6)).settle(DetectionRules(conf=0.1, nms=0.5))
