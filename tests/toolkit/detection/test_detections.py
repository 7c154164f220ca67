from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from zoo_core.errors import StageError
from zoo_core.toolkit.detection import Candidates, Detections


def detections(count: int) -> Detections:
    rng = np.random.default_rng(count)
    return Detections(
        boxes=rng.uniform(0, 9, (count, 4)).astype(np.float32),
        scores=rng.uniform(0, 1, count).astype(np.float32),
        labels=rng.integers(0, 80, count).astype(np.int32),
    )


def test_detections_round_trip_and_take() -> None:
    some = detections(5)
    again = Detections.from_arrays(some.to_arrays())
    assert len(again) == 5
    assert all((again.to_arrays()[k] == v).all() for k, v in some.to_arrays().items())
    assert some.take(np.array([3, 0])).labels.tolist() == some.labels[[3, 0]].tolist()
    assert len(some.take(some.scores > 2)) == 0
    assert len(Detections.empty()) == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("boxes", np.zeros((2, 4), np.float64)),
        ("boxes", np.zeros((3, 4), np.float32)),
        ("boxes", np.zeros(8, np.float32)),
        ("scores", np.zeros((2, 1), np.float32)),
        ("labels", np.zeros(2, np.int64)),
        ("labels", [1, 2]),
    ],
)
def test_detections_refuse_other_arrays(name: str, value: Any) -> None:
    arrays: dict[str, Any] = {**detections(2).to_arrays(), name: value}
    with pytest.raises(StageError, match="Detections"):
        Detections(**arrays)


def dense(rng: np.random.Generator, rows: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    boxes = rng.uniform(0, 99, (rows, 4)).astype(np.float32)
    return boxes, (rng.uniform(0, 1, (rows, classes)) ** 8).astype(np.float32)


def test_from_dense_holds_the_pairs_above_the_floor_in_order() -> None:
    rng = np.random.default_rng(3)
    for floor in (0.0, 0.001, 0.2, 0.999):
        boxes, scores = dense(rng, 40, 7)
        found = Candidates.from_dense(boxes, scores, floor, (9, 8))
        pairs = [(i, j) for i in range(40) for j in range(7) if scores[i, j] > np.float32(floor)]
        assert list(zip(found.anchor[found.box], found.label, strict=True)) == pairs
        assert found.score.tolist() == [scores[pair] for pair in pairs]
        assert (found.boxes == boxes[found.anchor]).all()
        assert sorted({i for i, _ in pairs}) == found.anchor.tolist()
        assert (found.floor, found.size, len(found)) == (floor, (9, 8), len(pairs))


def test_a_score_equal_to_the_floor_is_left_out() -> None:
    scores = np.array([[0.001, np.nextafter(np.float32(0.001), np.float32(1))]], np.float32)
    assert Candidates.from_dense(np.zeros((1, 4)), scores, 0.001).label.tolist() == [1]


def test_nan_scores_and_infinite_boxes_are_left_out() -> None:
    boxes = np.array([[0, 0, 1, 1], [0, 0, np.inf, 1], [np.nan, 0, 1, 1], [2, 2, 3, 3]])
    scores = np.array([[0.5, np.nan], [0.6, 0.7], [0.8, 0.9], [0.1, 0.4]])
    found = Candidates.from_dense(boxes, scores, 0.2)
    assert found.anchor.tolist() == [0, 3]
    assert found.box.tolist() == [0, 1]
    assert found.label.tolist() == [0, 1]


@pytest.mark.parametrize("suppressed", [None, (0.001, 0.65)])
@pytest.mark.parametrize("size", [None, (480, 640)])
def test_candidates_round_trip(
    suppressed: tuple[float, float] | None, size: tuple[int, int] | None
) -> None:
    boxes, scores = dense(np.random.default_rng(1), 20, 4)
    plain = Candidates.from_dense(boxes, scores, 0.25, size)
    arrays = {**plain.to_arrays(), "suppressed": np.array(suppressed or (), np.float64)}
    again = Candidates.from_arrays(arrays)
    assert (again.floor, again.suppressed, again.size) == (0.25, suppressed, size)
    for name, array in again.to_arrays().items():
        assert array.tolist() == arrays[name].tolist()
        assert array.dtype == arrays[name].dtype


def test_empty_candidates() -> None:
    none = Candidates.empty(0.01, (3, 4))
    assert (len(none), none.boxes.shape, none.floor, none.size) == (0, (0, 4), 0.01, (3, 4))


@pytest.mark.parametrize("box", [[0, 2], [1, 0], [-1, 0]])
def test_candidates_refuse_pairs_of_no_box(box: list[int]) -> None:
    with pytest.raises(StageError, match="must ascend"):
        Candidates(
            boxes=np.zeros((2, 4), np.float32),
            anchor=np.arange(2, dtype=np.int32),
            box=np.array(box, np.int32),
            label=np.zeros(2, np.int32),
            score=np.ones(2, np.float32),
            floor=0.1,
        )


def test_from_dense_refuses_tables_that_do_not_fit() -> None:
    with pytest.raises(StageError, match="do not go with"):
        Candidates.from_dense(np.zeros((3, 4)), np.zeros((2, 5)), 0.1)


def test_from_dense_is_quick_on_yolov4_s_table() -> None:
    """The goal on a quiet machine is 1 ms."""
    rng = np.random.default_rng(0)
    boxes, scores = np.ones((10647, 4), np.float32), np.zeros((10647, 80), np.float32)
    scores.ravel()[rng.choice(scores.size, 4000, replace=False)] = 0.5
    spent = []
    for _ in range(15):
        start = time.thread_time()
        assert len(Candidates.from_dense(boxes, scores, 0.001)) == 4000
        spent.append(time.thread_time() - start)
    assert min(spent) < 0.004
