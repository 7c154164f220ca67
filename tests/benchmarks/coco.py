"""COCO's evaluation of made-up detections: the engine that zoo chooses against pycocotools."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from .rows import MISSED, absent, faster
from .timing import Timings, interleaved

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from .rows import Row

_IMAGES, _OBJECTS, _DETECTIONS, _CLASSES = 5000, 36_000, 500_000, 80
_ROUNDS = 5
_WHAT, _LEAST = "COCO evaluation, 5,000 images, 500,000 detections", 80


def rows(images: int = _IMAGES, detections: int = _DETECTIONS) -> Iterator[Row]:
    """One row; the 12 figures must be the same bits."""
    missing = [name for name in ("hotcoco", "pycocotools") if find_spec(name) is None]
    if missing:
        yield absent("coco", _WHAT, f">= {_LEAST}x", f"not installed: {', '.join(missing)}")
        return
    from zoo_coco.engine import chosen_engine, with_pycocotools

    made = scenes(images, _OBJECTS * images // _IMAGES, detections)
    found: dict[str, NDArray[Any]] = {}

    def evaluate(name: str, engine: Any) -> None:
        found[name] = engine(*made).stats

    fast = interleaved({"zoo": partial(evaluate, "zoo", chosen_engine())}, _ROUNDS)
    slow = interleaved(
        {"pycocotools": partial(evaluate, "pycocotools", with_pycocotools)}, 1, warm=False
    )
    seconds = {**fast.seconds, "pycocotools": [slow.median("pycocotools")] * _ROUNDS}
    row = faster("coco", _WHAT, Timings(seconds).ratio("pycocotools", "zoo"), _LEAST)
    same = np.array_equal(found["zoo"], found["pycocotools"])
    told = f"{row.result}, the 12 figures {'equal' if same else 'DIFFER'}"
    yield replace(row, result=told, verdict=row.verdict if same else MISSED)


def scenes(
    images: int, objects: int, detections: int, seed: int = 1
) -> tuple[dict[str, Any], NDArray[np.float64], list[int]]:
    """Truth in COCO's form with 1 % crowds, detections [N, 7] near it, and the images' ids."""
    random = np.random.default_rng(seed)
    corner = random.uniform(0, 400, (objects, 2))
    sides = random.lognormal(4, 0.8, (objects, 2)).clip(4, 400)
    where = random.integers(1, images + 1, objects)
    labels = random.integers(1, _CLASSES + 1, objects)
    crowd = random.random(objects) < 0.01
    truth = {
        "images": [{"id": n, "width": 640, "height": 480} for n in range(1, images + 1)],
        "categories": [{"id": n, "name": str(n)} for n in range(1, _CLASSES + 1)],
        "annotations": [
            {
                "id": number + 1,
                "image_id": int(where[number]),
                "category_id": int(labels[number]),
                "bbox": [*corner[number].tolist(), *sides[number].tolist()],
                "area": float(sides[number].prod()),
                "iscrowd": int(crowd[number]),
            }
            for number in range(objects)
        ],
    }
    return truth, _near(random, detections, where, labels, corner, sides), [*range(1, images + 1)]


def _near(random: np.random.Generator, count: int, *objects: Any) -> NDArray[np.float64]:
    """Detections about objects drawn at random, one in ten with another label."""
    where, labels, corner, sides = objects
    chosen = random.integers(0, len(where), count)
    rows = np.empty((count, 7))
    rows[:, 0] = where[chosen]
    rows[:, 1:3] = corner[chosen] + random.normal(0, 0.15, (count, 2)) * sides[chosen]
    rows[:, 3:5] = sides[chosen] * random.lognormal(0, 0.15, (count, 2))
    rows[:, 5] = random.random(count).round(3)
    other = random.random(count) < 0.1
    rows[:, 6] = np.where(other, random.integers(1, _CLASSES + 1, count), labels[chosen])
    return rows
