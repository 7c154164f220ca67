from __future__ import annotations

import time
import tracemalloc
from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray

from zoo_core.errors import UsageError
from zoo_core.toolkit.detection import nms
from zoo_core.vision import diou, iou

if TYPE_CHECKING:
    from zoo_core.toolkit.detection.nms import NmsKind

Scene = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int32]]


def greedy(scene: Scene, threshold: float, kind: NmsKind) -> list[int]:
    """One kept box after the other, as the field's reference code does it."""
    boxes, scores, labels = scene
    overlap = {"iou": iou, "diou": diou}[kind]
    kept: list[int] = []
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        order = np.array(sorted(members, key=lambda at: -scores[at]), int)  # stable
        while order.size:
            kept.append(int(order[0]))
            values = overlap(boxes[order[:1]], boxes[order[1:]])[0]
            order = order[1:][values <= np.float32(threshold)]
    return kept


def same(scene: Scene, threshold: float, kind: NmsKind) -> None:
    found = nms(*scene, threshold, kind)
    assert sorted(found.tolist()) == sorted(greedy(scene, threshold, kind))
    assert (np.diff(scene[1][found]) <= 0).all()


def clustered(seed: int, count: int, classes: int, objects: int, digits: int = 9) -> Scene:
    """Boxes scattered around objects; few digits make ties of scores and of places."""
    rng = np.random.default_rng(seed)
    centre, side = rng.uniform(0, 640, (objects, 2)), rng.uniform(15, 250, (objects, 2))
    label = np.minimum(rng.geometric(min(1.0, 4 / classes), objects) - 1, classes - 1)
    which = rng.integers(0, objects, count)
    middle = centre[which] + rng.normal(0, 0.08, (count, 2)) * side[which]
    half = side[which] * np.exp(rng.normal(0, 0.15, (count, 2))) / 2
    boxes = np.concatenate([middle - half, middle + half], 1).round(digits).astype(np.float32)
    scores = rng.uniform(0.001, 1, count).round(digits).astype(np.float32)
    return boxes, scores, label[which].astype(np.int32)


@pytest.mark.parametrize("kind", ["iou", "diou"])
@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.45, 0.6, 0.65, 0.9, 1.0])
def test_equals_the_plain_greedy_loop(threshold: float, kind: NmsKind) -> None:
    for seed in range(12):
        same(clustered(seed, 20 + 17 * seed, 1 + 3 * seed, 3 + seed), threshold, kind)


@pytest.mark.parametrize("kind", ["iou", "diou"])
def test_ties_of_scores_and_places(kind: NmsKind) -> None:
    for seed in range(12):
        same(clustered(seed, 150, 3, 6, digits=1), 0.5, kind)
        same(clustered(seed, 150, 3, 6, digits=0), 0.5, kind)


@pytest.mark.parametrize("kind", ["iou", "diou"])
def test_of_equal_scores_the_earlier_goes_first(kind: NmsKind) -> None:
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 9], [50, 50, 60, 60]], np.float32)
    scores = np.full(3, 0.5, np.float32)
    assert nms(boxes, scores, np.zeros(3, np.int32), 0.5, kind).tolist() == [0, 2]


@pytest.mark.parametrize("count", [40, 150, 2000])
def test_equals_opencv_where_scores_tie(count: int) -> None:
    """Scores of two digits: most have a twin; places are exact, so no overlap is on the edge."""
    import cv2

    for seed in range(6):
        boxes, scores, labels = clustered(seed, count, 1, 8, digits=2)
        scores = np.maximum(scores, np.float32(0.01))
        rows = [(*map(float, box[:2]), *map(float, box[2:] - box[:2])) for box in boxes]
        kept = cv2.dnn.NMSBoxes(rows, scores.tolist(), 0.0, 0.5)
        assert len(np.unique(scores)) < count
        assert nms(boxes, scores, labels, 0.5).tolist() == np.asarray(kept).ravel().tolist()


@pytest.mark.parametrize("kind", ["iou", "diou"])
@pytest.mark.parametrize("count", [90, 700])
def test_nested_boxes(count: int, kind: NmsKind) -> None:
    rng = np.random.default_rng(count)
    half = np.linspace(1, 300, count)
    boxes = np.stack([300 - half, 300 - half, 300 + half, 300 + half], 1).astype(np.float32)
    for threshold in (0.2, 0.5, 0.8):
        scores = rng.uniform(0, 1, count).astype(np.float32)
        same((boxes, scores, np.zeros(count, np.int32)), threshold, kind)


def test_a_chain_in_which_every_box_drops_the_next() -> None:
    count = 500
    left = np.arange(count) * 3.0
    boxes = np.stack([left, left * 0, left + 10, left * 0 + 10], 1).astype(np.float32)
    scores = np.linspace(1, 0.1, count).astype(np.float32)
    kept = nms(boxes, scores, np.zeros(count, np.int32), 0.5)
    assert kept.tolist() == list(range(0, count, 2))


@pytest.mark.parametrize("kind", ["iou", "diou"])
def test_degenerate_boxes_and_labels_far_apart(kind: NmsKind) -> None:
    for seed in range(10):
        boxes, scores, labels = clustered(seed, 300, 5, 10)
        boxes[::7, 2] = boxes[::7, 0]
        boxes[::11] = 5
        boxes[3] = (9, 9, 3, 4)
        boxes[4] = (-1e30, -1e30, 1e30, 1e30)
        labels[labels == 2] = 2**31 - 1
        labels[labels == 1] = -(2**31)
        same((boxes, scores, labels), 0.5, kind)


@pytest.mark.parametrize("kind", ["iou", "diou"])
def test_coordinates_of_any_magnitude(kind: NmsKind) -> None:
    for factor in (1e-6, 1 / 416, 1e4, 1e12):
        boxes, scores, labels = clustered(5, 400, 4, 12)
        same((boxes * np.float32(factor), scores, labels), 0.6, kind)


def test_overlap_equal_to_the_threshold_is_kept() -> None:
    boxes = np.array([[0, 0, 1, 1], [0, 0, 1, 0.5]], np.float32)
    scores, labels = np.array([0.9, 0.8], np.float32), np.zeros(2, np.int32)
    assert nms(boxes, scores, labels, 0.5).tolist() == [0, 1]
    assert nms(boxes, scores, labels, 0.49).tolist() == [0]


@pytest.mark.parametrize("kind", ["iou", "diou"])
@pytest.mark.parametrize(("classes", "objects"), [(80, 300), (80, 40), (1, 60), (1, 4000)])
def test_four_thousand(classes: int, objects: int, kind: NmsKind) -> None:
    same(clustered(9, 4000, classes, objects), 0.6, kind)


def test_memory_is_bounded_for_twenty_thousand_of_one_class() -> None:
    count = 20_000
    rng = np.random.default_rng(0)
    for width in (0.0, 40.0):
        corner = rng.uniform(0, 1 + width * 30, (count, 2))
        boxes = np.concatenate([corner, corner + 60], 1).astype(np.float32)
        scores = rng.uniform(0, 1, count).astype(np.float32)
        tracemalloc.start()
        kept = nms(boxes, scores, np.zeros(count, np.int32), 0.6)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert 0 < len(kept) < count
        assert peak < 32e6


def test_nothing_and_one() -> None:
    none = np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int32)
    assert nms(*none, 0.5).tolist() == []
    one = np.ones((1, 4), np.float32), np.ones(1, np.float32), np.ones(1, np.int32)
    assert nms(*one, 0.5).tolist() == [0]


def box_diounms(a: NDArray[np.float32], b: NDArray[np.float32], beta: float) -> float:
    """AlexeyAB/darknet's box.c, number by number."""
    wide, high = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    shared = float(wide * high) if wide > 0 and high > 0 else 0.0
    areas = [float((box[2] - box[0]) * (box[3] - box[1])) for box in (a, b)]
    across, down = max(a[2], b[2]) - min(a[0], b[0]), max(a[3], b[3]) - min(a[1], b[1])
    x, y = (float(a[i] + a[i + 2] - b[i] - b[i + 2]) / 2 for i in (0, 1))
    share = (x * x + y * y) / float(across**2 + down**2)
    return shared / (sum(areas) - shared) - share**beta


@pytest.mark.parametrize("beta", [0.0, 0.1, 0.6, 1.0, 3.0])
def test_the_exponent_is_darknet_s_beta_nms(beta: float) -> None:
    boxes, scores, _ = clustered(3, 60, 1, 4)
    kept: list[int] = []
    for index in np.argsort(-scores).tolist():
        if all(box_diounms(boxes[best], boxes[index], beta) <= 0.3 for best in kept):
            kept.append(index)
    found = nms(boxes, scores, np.zeros(60, np.int32), 0.3, "diou", beta)
    assert found.tolist() == kept
    assert (len(kept) == 60) == (beta == 0)


def test_unknown_kind() -> None:
    scene = clustered(0, 5, 1, 1)
    with pytest.raises(UsageError, match="did you mean 'diou'"):
        nms(*scene, 0.5, "dioo")  # type: ignore[arg-type]


def test_costs_little_processor_time() -> None:
    """Goals on a quiet machine are 3.5 ms and .6 ms; the bounds leave room for a loaded one."""
    for count, objects, bound in ((4000, 300, 0.012), (40, 8, 0.0012)):
        scene = clustered(3, count, 80, objects)
        spent = []
        for _ in range(15):
            start = time.thread_time()
            nms(*scene, 0.65)
            spent.append(time.thread_time() - start)
        assert min(spent) < bound
