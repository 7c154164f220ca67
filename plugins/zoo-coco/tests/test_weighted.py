"""Figures for weights of images, against pycocotools on the images that the weights leave."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from zoo_coco.engine import with_pycocotools
from zoo_coco.matching import Boxes, match
from zoo_coco.weighted import WeightedFigures

from zoo_core.pipeline.resampling import halves, interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_CLASSES = 5


def scene(images: int, seed: int, classes: int = _CLASSES) -> tuple[dict[str, Any], Floats]:
    """A truth with crowds and boxes at the limits of sizes; detections with equal scores."""
    draw = np.random.default_rng(seed)
    boxes, rows = [], []
    for image in range(1, images + 1):
        quality = draw.beta(2, 1)
        for _ in range(draw.poisson(4)):
            sides = draw.choice([8.0, 32.0, 33.0, 64.0, 96.0, 150.0], 2)
            x, y = draw.integers(0, 300, 2).astype(float)
            category = int(draw.integers(1, classes + 1))
            box = [x, y, *sides.tolist()]
            crowd = int(draw.random() < 0.1)
            boxes.append((image, category, box, crowd))
            for _ in range(draw.integers(0, 3)):
                if draw.random() < quality:
                    moved = np.array(box) + np.round(draw.normal(0, 4, 4))
                    rows.append([image, *np.maximum(moved, 1), draw.random(), category])
        for _ in range(draw.poisson(6)):
            x, y = draw.integers(0, 300, 2)
            rows.append([image, x, y, *draw.choice([10, 50, 120], 2), draw.random() / 2, 1])
    truth = {
        "images": [{"id": image, "width": 500, "height": 500} for image in range(1, images + 1)],
        "categories": [{"id": each, "name": str(each)} for each in range(1, classes + 1)],
        "annotations": [
            {
                "id": number,
                "image_id": image,
                "category_id": category,
                "bbox": box,
                "area": box[2] * box[3],
                "iscrowd": crowd,
            }
            for number, (image, category, box, crowd) in enumerate(boxes, start=1)
        ],
    }
    found = np.array(rows, np.float64)
    found[:, 5] = np.round(found[:, 5], 2)
    return truth, found


def figures(truth: dict[str, Any], rows: Floats, classes: int = _CLASSES) -> WeightedFigures:
    boxes, numbered = Boxes.of(truth), rows.copy()
    numbered[:, [0, 6]] -= 1
    return WeightedFigures(match(boxes, numbered), classes)


def defined(values: Floats) -> Floats:
    return np.where(values < 0, np.nan, values)


@pytest.mark.parametrize("seed", range(4))
def test_with_all_weights_one_they_are_pycocotools(seed: int) -> None:
    truth, rows = scene(40, seed)
    rows = np.concatenate([rows, rows[rows[:, 0] == 3].repeat(60, axis=0)])  # over 100 in one image
    official = with_pycocotools(truth, rows, list(range(1, 41)))
    stats, ap = figures(truth, rows)(np.ones((1, 40)))
    np.testing.assert_allclose(stats[0], defined(official.stats), atol=1e-12)
    np.testing.assert_allclose(ap[0], defined(official.ap), atol=1e-12)


def test_weights_of_zero_leave_images_out() -> None:
    truth, rows = scene(30, 7)
    weights = halves(30, 5, seed=3)
    stats, ap = figures(truth, rows)(weights)
    for row, weight in enumerate(weights):
        kept = (np.flatnonzero(weight) + 1).tolist()
        part = rows[np.isin(rows[:, 0], kept)]
        official = with_pycocotools(truth, part, kept)
        np.testing.assert_allclose(stats[row], defined(official.stats), atol=1e-12)
        np.testing.assert_allclose(ap[row], defined(official.ap), atol=1e-12)


def test_a_weight_counts_like_as_many_images() -> None:
    """Copies of an image beside each other, whose scores differ by nothing that reorders them."""
    truth, rows = scene(12, 2)
    weights = np.array([[1, 2, 3, 0, 1, 1, 2, 1, 0, 1, 1, 2]], np.float64)
    stats, _ = figures(truth, rows)(weights)
    doubled, _ = figures(truth, rows)(weights * 2)
    np.testing.assert_allclose(stats, doubled, atol=1e-12)
    recall = figures(truth, rows)(np.ones((1, 12)))[0][0, 8]
    assert stats[0, 8] != pytest.approx(recall)


def test_nothing_found_is_zero_and_nothing_to_find_is_undefined() -> None:
    truth, rows = scene(10, 1)
    stats, _ = figures(truth, rows[:0])(np.ones((1, 10)))
    assert stats[0, :3].tolist() == [0, 0, 0]
    nothing = {**truth, "annotations": []}
    stats, ap = figures(nothing, rows)(np.ones((2, 10)))
    assert np.isnan(stats).all()
    assert np.isnan(ap).all()


@pytest.mark.slow
def test_intervals_hold_the_true_value_where_naive_ones_do_not() -> None:
    """Samples of 100 of 3,000 images, whose AP is known: 95 % intervals should hold it as often.

    The percentile interval of the usual bootstrap misses it most of the time, as AP is larger on
    fewer images, and larger still where images repeat.
    """
    truth, rows = scene(3000, 11)
    known = figures(truth, rows)(np.ones((1, 3000)))[0][0, 0]
    draw = np.random.default_rng(5)
    held = {"ours": 0, "naive": 0}
    draws, size = 40, 100
    for _ in range(draws):
        chosen = np.sort(draw.choice(np.arange(1, 3001), size, replace=False))
        number = {int(image): row for row, image in enumerate(chosen, start=1)}
        part = {
            **truth,
            "annotations": [
                {**row, "image_id": number[row["image_id"]]}
                for row in truth["annotations"]
                if row["image_id"] in number
            ],
        }
        found = rows[np.isin(rows[:, 0], chosen)]
        found[:, 0] = [number[int(image)] for image in found[:, 0]]
        score = figures(part, found)
        value = score(np.ones((1, size)))[0][0, 0]
        low, high = interval(value, score(halves(size, 100))[0][:, 0])
        held["ours"] += low <= known <= high
        repeated = draw.multinomial(size, np.full(size, 1 / size), 100).astype(float)
        low, high = np.quantile(score(repeated)[0][:, 0], [0.025, 0.975])
        held["naive"] += low <= known <= high
    assert held["ours"] >= 0.85 * draws
    assert held["naive"] <= 0.7 * draws
