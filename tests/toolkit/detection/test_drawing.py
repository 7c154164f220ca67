from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest

from zoo_core.toolkit.detection import Detections, draw_detections
from zoo_core.toolkit.detection.drawing import class_colour


def found(*rows: tuple[tuple[float, float, float, float], float, int]) -> Detections:
    return Detections(
        boxes=np.array([row[0] for row in rows], np.float32).reshape(-1, 4),
        scores=np.array([row[1] for row in rows], np.float32),
        labels=np.array([row[2] for row in rows], np.int32),
    )


def blank(height: int = 300, width: int = 400) -> np.ndarray:
    return np.full((height, width, 3), 127, np.uint8)


def test_the_frame_has_the_class_s_colour_and_the_inside_stays() -> None:
    image = blank()
    drawn = draw_detections(image, found(((100, 150, 300, 250), 0.9, 1)), ["a", "b"], 0.25)
    assert (image == 127).all()
    for row, column in ((200, 100), (200, 300), (250, 200), (150, 250)):
        assert tuple(drawn[row, column]) == class_colour(1)
    assert (drawn[160:240, 110:290] == 127).all()
    assert (drawn[260:] == 127).all()


def test_the_label_stands_above_the_box_in_two_colours() -> None:
    drawn = draw_detections(blank(), found(((100, 150, 300, 250), 0.9, 0)), ["person"], 0.25)
    tag = drawn[138:148, 102:150].reshape(-1, 3)
    ground = (tag == class_colour(0)).all(axis=1)
    assert 0.3 < ground.mean() < 0.95
    assert (np.abs(tag[~ground].astype(int) - 127) > 40).any()


def test_min_score_and_boxes_outside() -> None:
    outside = ((500.0, 10.0, 600.0, 90.0), 0.9, 0)
    weak = ((10.0, 100.0, 90.0, 200.0), 0.25, 0)
    flat = ((10.0, 100.0, 10.0, 200.0), 0.9, 0)
    assert (draw_detections(blank(), found(outside, weak, flat), ["a"], 0.25) == 127).all()


def test_the_best_box_is_on_top() -> None:
    box = (50.0, 50.0, 200.0, 200.0)
    for rows in ([(box, 0.9, 0), (box, 0.5, 1)], [(box, 0.5, 1), (box, 0.9, 0)]):
        drawn = draw_detections(blank(), found(*rows), ["a", "b"], 0.1)
        assert tuple(drawn[120, 50]) == class_colour(0)


@pytest.mark.parametrize("size", [(1, 1), (7, 300), (2000, 3000)])
def test_any_size_and_a_label_without_a_name(size: tuple[int, int]) -> None:
    height, width = size
    whole = (-9.0, -9.0, width * 2.0, height * 2.0)
    drawn = draw_detections(blank(height, width), found((whole, 1.0, 99)), ["a"], 0.1)
    assert drawn.shape == (height, width, 3)
    assert (drawn != 127).any() == (min(size) > 1)


def test_lines_grow_with_the_image() -> None:
    widths = []
    for height, width in ((200, 300), (2000, 3000)):
        box = (width * 0.2, height * 0.2, width * 0.8, height * 0.8)
        drawn = draw_detections(blank(height, width), found((box, 0.9, 3)), [], 0.1)
        widths.append(int((drawn[height // 2, : width // 2] != 127).any(axis=1).sum()))
    assert widths[1] > 3 * widths[0] > 0


def test_neighbouring_classes_differ() -> None:
    colours = [class_colour(label) for label in range(80)]
    assert len(set(colours)) == 80
    near = [np.abs(np.subtract(a, b)).sum() for a, b in itertools.pairwise(colours)]
    assert min(near) > 60


def test_tags_of_one_place_stand_below_each_other() -> None:
    box = (50.0, 100.0, 350.0, 280.0)
    drawn = draw_detections(blank(), found((box, 0.9, 0), (box, 0.5, 1)), ["a", "b"], 0.1)
    grounds = [(drawn[:, 60:90] == class_colour(label)).all(axis=2) for label in (0, 1)]
    rows = [set(np.flatnonzero(ground.sum(axis=1) > 5).tolist()) for ground in grounds]
    assert min(rows[0]) < 100 <= min(rows[1]) < 125
    assert all(len(row) > 8 for row in rows)


@pytest.mark.parametrize("seed", range(4))
def test_every_label_of_a_crowd_touches_its_box(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many boxes there are; and where there is room none hides another."""
    draws = np.random.default_rng(seed)
    starts = draws.uniform(0, (330, 230), (60, 2))
    boxes = np.hstack([starts, starts + draws.uniform(20, 70, (60, 2))])
    grounds: list[tuple[int, int, int, int]] = []
    corners: list[tuple[int, ...]] = []

    def note(canvas: object, start: list[int], stop: list[int], colour: object, line: int) -> None:
        if line == cv2.FILLED:
            grounds.append((*start, *stop))
        else:
            corners.append((*start, *stop))

    monkeypatch.setattr(cv2, "rectangle", note)
    rows = [(tuple(box), 0.3 + n / 100, n) for n, box in enumerate(boxes.tolist())]
    draw_detections(blank(), found(*rows), [], 0.1)
    assert len(grounds) == len(corners) == 60
    for ground, box in zip(grounds, corners, strict=True):
        assert ground[0] <= box[2] + 1
        assert ground[2] >= box[0] - 1
        assert ground[1] <= box[3] + 1
        assert ground[3] >= box[1] - 1
        assert min(ground) >= 0
