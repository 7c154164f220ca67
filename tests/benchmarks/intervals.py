"""Intervals of COCO's AP: the time that they take, and how often they hold the true value."""

from __future__ import annotations

import time
from dataclasses import replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from . import coco
from .rows import MISSED, absent, reached, within

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from .rows import Row

    Floats = NDArray[np.float64]

_IMAGES, _OBJECTS, _DETECTIONS, _CLASSES = 5000, 36_000, 500_000, 80
_REPEATS, _MOST_SECONDS = 1000, 60
_DIGITS = 4
_POPULATION, _SAMPLES, _HALVES = 3000, 60, 200
_CASES = ((5, 100), (20, 300))
"""Classes and images of the samples whose true AP is known."""

_LEAST_HELD, _MOST_NAIVE = 85, 75
_SPEED = "1,000 repeats of COCO AP, 5,000 images, 500,000 detections"


def rows(
    images: int = _IMAGES, detections: int = _DETECTIONS, samples: int = _SAMPLES
) -> Iterator[Row]:
    """The time of 1,000 repeats, and the share of intervals that hold a known value, in percent."""
    if find_spec("pycocotools") is None:
        yield absent("intervals", _SPEED, f"<= {_MOST_SECONDS} s", "not installed: pycocotools")
        return
    yield _speed(images, detections)
    for classes, size in _CASES:
        held, naive = coverage(classes, size, samples)
        what = f"intervals that hold the true AP: {size} images, {classes} classes"
        yield reached("intervals", what, held, _LEAST_HELD, "%")
        yield within(
            "intervals", f"the same, naive bootstrap: {size} images", naive, _MOST_NAIVE, "%"
        )


def _speed(images: int, detections: int) -> Row:
    from zoo_coco.engine import with_pycocotools

    truth, found, ids = coco.scenes(images, _OBJECTS * images // _IMAGES, detections)
    began = time.perf_counter()
    score = _figures(truth, found, _CLASSES)
    weights = np.random.default_rng(0).multinomial(images, np.full(images, 1 / images), _REPEATS)
    score(weights.astype(np.float64))
    row = within("intervals", _SPEED, time.perf_counter() - began, _MOST_SECONDS, "s")
    official = with_pycocotools(truth, found, ids).stats
    same = np.allclose(score(np.ones((1, images)))[0][0], official, atol=10**-_DIGITS / 2)
    told = f"{row.result}, with all weights 1 {'equal to' if same else 'NOT'} pycocotools' figures"
    return replace(row, result=told, verdict=row.verdict if same else MISSED)


def coverage(classes: int, size: int, samples: int, seed: int = 5) -> tuple[float, float]:
    """How many intervals of samples of a population hold its AP, in percent: ours and naive ones.

    The naive one is the percentile interval of a bootstrap.
    """
    from zoo_core.pipeline.resampling import halves, interval

    truth, found = population(classes)
    known = _figures(truth, found, classes)(np.ones((1, _POPULATION)))[0][0, 0]
    draw, held = np.random.default_rng(seed), np.zeros(2)
    for _ in range(samples):
        chosen = np.sort(draw.choice(np.arange(1, _POPULATION + 1), size, replace=False))
        score = _figures(*_part(truth, found, chosen), classes)
        value = score(np.ones((1, size)))[0][0, 0]
        low, high = interval(value, score(halves(size, _HALVES))[0][:, 0])
        repeats = draw.multinomial(size, np.full(size, 1 / size), _HALVES).astype(np.float64)
        lower, upper = np.quantile(score(repeats)[0][:, 0], [0.025, 0.975])
        held += [low <= known <= high, lower <= known <= upper]
    ours, naive = held / samples * 100
    return float(ours), float(naive)


def population(classes: int, seed: int = 11) -> tuple[dict[str, Any], Floats]:
    """Truth and detections [N, 7] of 3,000 images; each image has a quality of its own."""
    truth, found, _ = coco.scenes(_POPULATION, _POPULATION * 5, _POPULATION * 25, seed)
    for row in truth["annotations"]:
        row["category_id"] = 1 + (row["category_id"] - 1) % classes
    found[:, 6] = 1 + (found[:, 6] - 1) % classes
    draw = np.random.default_rng(seed)
    quality = draw.beta(2, 1, _POPULATION + 1)
    kept = draw.random(len(found)) < quality[found[:, 0].astype(int)]
    return truth, found[kept]


def _part(truth: dict[str, Any], found: Floats, chosen: NDArray[Any]) -> tuple[Any, Floats]:
    """Truth and detections of some images, numbered anew from 1."""
    number = {int(image): place for place, image in enumerate(chosen, start=1)}
    boxes = [
        {**row, "image_id": number[row["image_id"]]}
        for row in truth["annotations"]
        if row["image_id"] in number
    ]
    rows = found[np.isin(found[:, 0], chosen)]
    rows[:, 0] = [number[int(image)] for image in rows[:, 0]]
    return {**truth, "annotations": boxes}, rows


def _figures(truth: dict[str, Any], found: Floats, classes: int) -> Any:
    """The figures by weights of the images."""
    from zoo_coco.matching import Boxes, match
    from zoo_coco.weighted import WeightedFigures

    boxes, numbered = Boxes.of(truth), found.copy()
    numbered[:, [0, 6]] -= 1
    return WeightedFigures(boxes, match(boxes, numbered), classes)
