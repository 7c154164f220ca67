"""Scenes of flat shapes that have a front and a back, drawn from a seed, with their key points."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_core.toolkit.detection.masks import encode
from zoo_sample.draws import Draws
from zoo_sample.files import ANNOTATIONS, IMAGES, jpeg, split_seeds
from zoo_sample.ground import draw_ground, weather
from zoo_sample.polygons import fill_polygon
from zoo_sample.scenes import Visible

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from zoo_core.api import StageContext
    from zoo_sample.draws import Colour

KINDS = ("arrow", "dart", "hammer")
POINTS = ("front", "left", "right", "back")
SMALLEST, LARGEST = 34, 84
"""Lengths in pixels of a shape from its front to its back."""

_OUTLINES = (
    ((0, -50), (30, -12), (10, -12), (10, 50), (-10, 50), (-10, -12), (-30, -12)),
    ((0, -50), (32, 50), (0, 22), (-32, 50)),
    ((-36, -50), (36, -50), (36, -22), (9, -22), (9, 50), (-9, 50), (-9, -22), (-36, -22)),
)
"""Corners of each kind as x (to the right) and y (down), in hundredths of its length."""

_PLACES = (
    ((0, -50), (-30, -12), (30, -12), (0, 50)),
    ((0, -50), (-32, 50), (32, 50), (0, 22)),
    ((0, -50), (-36, -36), (36, -36), (0, 50)),
)
"""The points of each kind, in the same measure."""

_COLOURS: tuple[Colour, ...] = ((226, 40, 44), (40, 90, 230), (250, 196, 30), (30, 176, 80))
_LEAST_VISIBLE, _TRIES = 70, 16
_ONE = 1 << 16


@dataclass(frozen=True)
class Shape:
    """A shape of a scene: its number in `KINDS`, and what can be seen of it.

    `points` int64 [4, 3] are x and y of the pixel and how it is seen: 2, or 1 where it is hidden.
    """

    kind: int
    seen: Visible
    points: NDArray[np.int64]


def draw_shapes(seed: int, side: int) -> tuple[NDArray[np.uint8], list[Shape]]:
    """Draw a scene of `side` pixels, RGB uint8 [side, side, 3], and tell its shapes.

    Shapes lie within the image and are at least 70 % visible; the first lie on top.
    """
    draws = Draws(seed)
    image = draw_ground(side, side, draws)
    taken = np.zeros((side, side), bool)
    found: list[Shape] = []
    wanted = draws.between(1, 5)
    for _ in range(_TRIES):
        if len(found) == wanted:
            break
        kind, colour = draws.below(len(KINDS)), draws.near(draws.one(_COLOURS))
        corners, points = _placed(kind, side, draws)
        sheet = np.zeros((side, side, 1), np.uint8)
        fill_polygon(sheet, corners.tolist(), (1,))
        solid = sheet[..., 0] > 0
        visible = solid & ~taken
        inside = corners.min() >= 0 and corners.max() < side
        if not inside or visible.sum() * 100 < solid.sum() * _LEAST_VISIBLE:
            continue
        hidden = taken[points[:, 1], points[:, 0]]
        image[visible] = colour
        taken |= solid
        shown = np.where(hidden, 1, 2)[:, None]
        found.append(Shape(kind, Visible(0, 0, visible), np.concatenate([points, shown], 1)))
    return weather(image, draws), found


def _placed(kind: int, side: int, draws: Draws) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Corners and points of a shape at a random place, turned and scaled, in whole pixels."""
    length, turn = draws.between(SMALLEST, LARGEST), math.radians(draws.below(360))
    cosine, sine = round(math.cos(turn) * _ONE), round(math.sin(turn) * _ONE)
    middle = np.array([draws.between(12, side - 13), draws.between(12, side - 13)])
    parts = []
    for rows in (_OUTLINES[kind], _PLACES[kind]):
        x, y = np.array(rows, np.int64).T * length
        turned = np.stack([cosine * x - sine * y, sine * x + cosine * y], 1)
        parts.append((turned + 50 * _ONE) // (100 * _ONE) + middle)
    return parts[0], parts[1]


def write_shapes(context: StageContext) -> None:
    """The stage's work: the first `count` scenes of a split as `images` and instances.json."""
    params, rows = context.params, []
    records, side = [], params["size"]
    (context.out / IMAGES).mkdir()
    for seed in split_seeds(params["split"], params["count"]):
        image, shapes = draw_shapes(seed, side)
        name = f"{seed:012d}.jpg"
        (context.out / IMAGES / name).write_bytes(jpeg(image))
        records.append({"id": seed, "file_name": name, "width": side, "height": side})
        rows += [{"image_id": seed, **_annotation(shape)} for shape in shapes]
        context.progress(len(records), params["count"], "scenes")
    data = {
        "info": {"description": f"shapes drawn by zoo-sample, {params['split']}"},
        "images": records,
        "annotations": [{"id": k + 1, **row} for k, row in enumerate(rows)],
        "categories": [
            {"id": k + 1, "name": name, "keypoints": list(POINTS), "skeleton": []}
            for k, name in enumerate(KINDS)
        ],
    }
    (context.out / ANNOTATIONS).write_text(json.dumps(data), encoding="utf-8")


def _annotation(shape: Shape) -> dict[str, Any]:
    """A shape in COCO's form; a point lies in the middle of its pixel."""
    (x1, y1, x2, y2), mask = shape.seen.box, shape.seen.mask
    size = (mask.shape[0], mask.shape[1])
    return {
        "category_id": shape.kind + 1,
        "bbox": [x1, y1, x2 - x1, y2 - y1],
        "area": int(mask.sum()),
        "iscrowd": 0,
        "segmentation": {"size": list(size), "counts": encode(mask, size).tolist()},
        "keypoints": np.add(shape.points, [0.5, 0.5, 0]).ravel().tolist(),
        "num_keypoints": len(POINTS),
    }
