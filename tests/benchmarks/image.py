"""One image: resize and normalise, and exact decode and NMS by the number of candidates."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from zoo_core.toolkit.detection import DetectionRules, postprocess
from zoo_core.toolkit.detection.anchors import AnchorHead, decode_heads
from zoo_core.vision import Geometry, Preprocess

from .rows import within
from .timing import interleaved

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from .rows import Row

_ROUNDS = 200
_SIDE, _CLASSES, _FLOOR = 416, 80, 0.001
_HEADS = (
    AnchorHead(8, ((12, 16), (19, 36), (40, 28))),
    AnchorHead(16, ((36, 75), (76, 55), (72, 146))),
    AnchorHead(32, ((142, 110), (192, 243), (459, 401))),
)
_GEOMETRY = Geometry((480, 640), (_SIDE, _SIDE), (_SIDE / 640, _SIDE / 480))
_RULES = DetectionRules(conf=_FLOOR, nms=0.65, box_labels="multi")
_DENSE, _BETWEEN, _SPARSE = 2400, 160, 16
"""Cells with an object, each of which gives about two candidates."""


def rows() -> Iterator[Row]:
    """Times of one image, in milliseconds."""
    picture = np.random.default_rng(1).integers(0, 256, (480, 640, 3), dtype=np.uint8)
    stretch, letterbox = _preprocess("stretch"), _preprocess("letterbox")
    counts, contenders = {}, {}
    for name, cells in (("dense", _DENSE), ("between", _BETWEEN), ("sparse", _SPARSE)):
        maps = heads(cells)
        counts[name] = len(decode_heads(maps, _HEADS, _CLASSES, _GEOMETRY, _FLOOR))
        contenders[name] = partial(_detect, maps)
    times = interleaved(
        {
            "letterbox": partial(letterbox.prepare, picture),
            "stretch": partial(stretch.prepare, picture),
            **contenders,
        },
        _ROUNDS,
    )
    for name in ("letterbox", "stretch"):
        ms = times.median(name) * 1e3
        yield within("image", f"resize ({name}) + normalise, 640x480 to 416", ms, 0.6, "ms")
    for name, most in (("dense", 3.5), ("between", 3.5), ("sparse", 0.6)):
        what = f"exact multi-label decode + NMS, {counts[name]} candidates"
        yield within("image", what, times.median(name) * 1e3, most, "ms")


def heads(cells: int, seed: int = 1) -> list[NDArray[np.float32]]:
    """Raw heads of YOLOv4-416 with so many cells above the floor, in clusters as objects make."""
    random = np.random.default_rng(seed)
    shares = (0.6, 0.3, 0.1)
    return [
        _head(random, _SIDE // spec.stride, round(cells * share))
        for spec, share in zip(_HEADS, shares, strict=True)
    ]


def _head(random: np.random.Generator, side: int, cells: int) -> NDArray[np.float32]:
    anchors = 3
    maps = random.normal(0, 0.5, (anchors, 5 + _CLASSES, side, side)).astype(np.float32)
    maps[:, 4] -= 10
    maps[:, 5:] -= 9.5
    objects = max(cells // 40, 1)
    centre = random.integers(0, side, (objects, 2))
    labels = random.integers(0, _CLASSES, (objects, 2))
    spread = max((cells / objects / anchors) ** 0.5, 0.8)
    for number in range(cells):
        one = number % objects
        y, x = np.clip(np.rint(random.normal(centre[one], spread)), 0, side - 1).astype(int)
        anchor = random.integers(anchors)
        maps[anchor, 4, y, x] = random.uniform(-4, 4)
        maps[anchor, 5 + labels[one], y, x] = random.uniform(-2, 4, 2)
    return maps.reshape(-1, side, side)


def _detect(maps: list[NDArray[np.float32]]) -> None:
    postprocess(decode_heads(maps, _HEADS, _CLASSES, _GEOMETRY, _FLOOR), _RULES)


def _preprocess(mode: str) -> Preprocess:
    return Preprocess.from_data(
        [
            {"op": "decode"},
            {"op": "resize", "mode": mode, "size": [_SIDE, _SIDE]},
            {"op": "scale", "factor": 1 / 255},
            {"op": "to_tensor"},
        ]
    )
