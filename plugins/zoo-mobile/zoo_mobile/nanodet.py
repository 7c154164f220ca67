"""The decoder `nanodet`: distributions of distances from points to candidates in image pixels."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_core.api import Recognition
from zoo_core.errors import UsageError, check_known, check_one_of
from zoo_core.toolkit.detection.decoding import cell_grid, sigmoid, softmax, strides_of
from zoo_mobile.maps import (
    WHERE,
    Pool,
    candidates,
    rows,
    shapes,
    stretched_bgr,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zoo_core.api import Arrays, Decode, FileOutline
    from zoo_core.vision import Geometry
    from zoo_mobile.maps import Floats

_STRIDES, _PLUS = (8, 16, 32), (8, 16, 32, 64)
_REG_MAX = 7
_SCORES = ("probabilities", "logits")


class NanoDetDecoder:
    """Decodes class scores and, for each side of a box, a distribution over 0..`reg_max` strides.

    `strides` are those of the network's maps, `centre` says where in its cell a point lies: 0.5
    (NanoDet, the default) or 0 (NanoDet-Plus); `offset` pixels further right and down, -0.5 before
    February 2021 (ed7d3f6 of the repository). With D = 4 * (reg_max + 1) the outputs are one
    [n, classes + D]; or for each stride [n, classes] and [n, D]; or for each stride a map
    [classes + D, h, w]. `scores` says whether class scores are `probabilities`, the default for
    rows, or `logits`, the default for maps.
    """

    task = "detection"

    def bind(self, params: Mapping[str, Any], classes: int, floor: float) -> Decode:
        """The decode function; raises `UsageError` for wrong parameters."""
        check_known(params, ("strides", "reg_max", "centre", "offset", "scores"), WHERE)
        strides = strides_of(params, _STRIDES)
        reg_max, place = _checked(params)

        def decode(outputs: Arrays, geometry: Geometry) -> Arrays:
            points = _points(geometry.network, strides, place)
            scores, sides, logits = _parts(outputs, geometry, strides, (classes, reg_max + 1))
            if params.get("scores", _SCORES[logits]) == "logits":
                scores = sigmoid(scores)
            boxes = _placed(sides, points, geometry.network)
            return candidates(boxes, np.clip(scores, 0, 1), geometry, floor)

        return decode

    def recognise(self, outline: FileOutline) -> Recognition | None:
        """NanoDet-Plus by its four strides; NanoDet by outputs of three, of 80 classes if joint."""
        found = _recognised(shapes(outline), outline.size)
        if found is None:
            return None
        told, strides, classes, reg_max = found
        plus = strides == _PLUS
        name, centre = ("NanoDet-Plus", 0.0) if plus else ("NanoDet", 0.5)
        listed = ", ".join(map(str, strides))
        return Recognition(
            why=f"{told}: {classes} classes and 4 x {reg_max + 1} numbers of distances for each "
            f"cell of strides {listed}, as in {name}",
            params={"strides": list(strides), "reg_max": reg_max, "centre": centre},
            classes=classes,
            preprocess=stretched_bgr(outline.size, normalised=True),
            protocol={"conf": 0.05, "nms": 0.6, "nms_kind": "iou", "box_labels": "multi"},
        )


def _checked(params: Mapping[str, Any]) -> tuple[int, tuple[float, float]]:
    """`reg_max`, and a point's place: in its cell, and pixels beside that."""
    reg_max = params.get("reg_max", _REG_MAX)
    if type(reg_max) is not int or reg_max < 1:
        what = f"reg_max must be a whole number of at least 1, is {reg_max!r}"
        raise UsageError(what, where=WHERE)
    place = params.get("centre", 0.5), params.get("offset", 0)
    for name, value in zip(("centre", "offset"), place, strict=True):
        if type(value) not in (int, float) or not -1 <= value <= 1:
            raise UsageError(f"{name} must lie within -1..1, is {value!r}", where=WHERE)
    check_one_of("scores", params.get("scores", _SCORES[0]), _SCORES, WHERE)
    return reg_max, place


def _cells(network: tuple[int, int], stride: int) -> tuple[int, int]:
    """Height and width of a map; a part of a cell at the edge is a cell."""
    return ceil(network[0] / stride), ceil(network[1] / stride)


def _points(network: tuple[int, int], strides: Sequence[int], place: tuple[float, float]) -> Floats:
    """x, y and stride of each point in network pixels, [n, 3]."""
    grid = cell_grid(network, strides)
    centre, offset = (np.float32(value) for value in place)
    middle = (grid[:, :2] + centre) * grid[:, 2:] + offset
    return np.concatenate([middle, grid[:, 2:]], axis=1)


def _parts(
    outputs: Arrays, geometry: Geometry, strides: Sequence[int], parts: tuple[int, int]
) -> tuple[Floats, Floats, bool]:
    """Scores [n, classes], distributions [n, 4, bins], and whether they came as maps.

    `parts` are the number of classes and of bins.
    """
    classes, bins = parts
    wide = classes + 4 * bins
    maps = [_cells(geometry.network, stride) for stride in strides]
    counts = [high * across for high, across in maps]
    pool = Pool(outputs, "nanodet")
    joint = pool.take((sum(counts), wide))
    given = pool.every(*((wide, *size) for size in maps))
    if joint is None and given is not None:
        joint = np.concatenate([rows(one) for one in given])
    if joint is not None:
        scores, sides = joint[:, :classes], joint[:, classes:]
    else:
        found = pool.every(*((n, classes) for n in counts), *((n, 4 * bins) for n in counts))
        if found is None:
            told = f"[{sum(counts)}, {classes} classes + 4 * {bins}], nor such parts or maps of"
            raise pool.refuse(f"{told} strides {', '.join(map(str, strides))}")
        scores, sides = (np.concatenate(half) for half in (found[: len(maps)], found[len(maps) :]))
    return scores, sides.reshape(-1, 4, bins), given is not None


def _placed(sides: Floats, points: Floats, network: tuple[int, int]) -> Floats:
    """Boxes xyxy [n, 4] in network pixels, cut to the input.

    A side lies the mean of its distribution times the stride away from the point: left, top, right,
    bottom (RangiLyu/nanodet, gfl_head.py and nanodet_plus_head.py; Li et al., "Generalized Focal
    Loss", 2020).
    """
    bins = np.arange(sides.shape[-1], dtype=np.float32)
    far: Floats = softmax(sides) @ bins * points[:, 2:]
    corners = np.concatenate([points[:, :2] - far[:, :2], points[:, :2] + far[:, 2:]], axis=1)
    height, width = network
    limits = np.array([width, height, width, height], np.float32)
    cut: Floats = np.clip(corners, 0, limits)
    return cut


_Found = tuple[str, tuple[int, ...], int, int]


def _recognised(found: Sequence[tuple[int, ...]], size: tuple[int, int]) -> _Found | None:
    """What was seen, the strides, classes and reg_max; None if the shapes do not fit.

    With three strides other families have one output or three maps too, so that only those with
    the 80 classes of COCO are taken for NanoDet's.
    """
    if not found or not all(found):
        return None
    joint = 4 * (_REG_MAX + 1)
    for strides in (_PLUS, _STRIDES):
        maps = [_cells(size, stride) for stride in strides]
        counts = [high * wide for high, wide in maps]
        wide = found[0][-1 if len(found[0]) == 2 else 0]
        classes = wide - joint
        if classes == 80 or (classes > 0 and strides == _PLUS):
            if found == [(sum(counts), wide)]:
                return f"one output {sum(counts)}x{wide}", strides, classes, _REG_MAX
            if found == [(wide, *one) for one in maps]:
                return f"{len(maps)} maps of {wide} channels", strides, classes, _REG_MAX
        last = found[-1][-1]
        halves = [*((n, wide) for n in counts), *((n, last) for n in counts)]
        if strides == _STRIDES and found == halves and last % 4 == 0 and last > 4:
            return f"outputs of {wide} and of {last} numbers", strides, wide, last // 4 - 1
    return None
