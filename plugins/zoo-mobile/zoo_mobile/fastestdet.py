"""The decoder `fastestdet`: one map of cells to candidates in image pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_core.api import Recognition
from zoo_core.errors import check_known
from zoo_core.toolkit.detection.decoding import sigmoid, softmax
from zoo_core.vision import cxcywh_to_xyxy
from zoo_mobile.maps import (
    WHERE,
    Pool,
    candidates,
    rows,
    shapes,
    stretched_bgr,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zoo_core.api import Arrays, Decode, FileOutline
    from zoo_core.vision import Geometry
    from zoo_mobile.maps import Floats

_STRIDE = 16


class FastestDetDecoder:
    """Decodes FastestDet's map of stride 16: object, 4 numbers of a box, classes.

    Either one output [5 + classes, h, w], object and classes scored as the repository exports them,
    or three, [1, h, w], [4, h, w] and [classes, h, w], all of them raw.
    """

    task = "detection"

    def bind(self, params: Mapping[str, Any], classes: int, floor: float) -> Decode:
        """The decode function; raises `UsageError` for wrong parameters."""
        check_known(params, (), WHERE)

        def decode(outputs: Arrays, geometry: Geometry) -> Arrays:
            high, wide = (side // _STRIDE for side in geometry.network)
            sure, raw, scores = _parts(Pool(outputs, "fastestdet"), (high, wide), classes)
            with np.errstate(under="ignore"):
                total = np.power(sure, np.float32(0.6)) * np.power(scores, np.float32(0.4))
            return candidates(_placed(raw, geometry.network), total, geometry, floor)

        return decode

    def recognise(self, outline: FileOutline) -> Recognition | None:
        """One map of stride 16 and nothing else, or its three parts in the order of the network."""
        high, wide = (side // _STRIDE for side in outline.size)
        match shapes(outline):
            case [(channels, h, w)] if (h, w) == (high, wide) and channels > 5:
                classes = channels - 5
                told = f"one output {channels}x{h}x{w}: object, 4 sides and {classes} classes"
            case [(1, *a), (4, *b), (classes, *c)] if a == b == c == [high, wide]:
                told = f"outputs 1, 4 and {classes} x{high}x{wide}: object, 4 sides and classes"
            case _:
                return None
        return Recognition(
            why=f"{told} for each cell of stride {_STRIDE}",
            params={},
            classes=classes,
            preprocess=stretched_bgr(outline.size),
            protocol={"conf": 0.001, "nms": 0.45, "nms_kind": "iou", "box_labels": "best"},
        )


def _parts(pool: Pool, size: tuple[int, int], classes: int) -> tuple[Floats, Floats, Floats]:
    """Object score [n, 1], raw box [n, 4] and class scores [n, classes] of the n cells."""
    scored = pool.take((5 + classes, *size))
    if scored is not None:
        sure = np.clip(scored, 0, 1)
        return rows(sure[:1]), rows(scored[1:5]), rows(sure[5:])
    raw = pool.every((1, *size), (4, *size), (classes, *size))
    if raw is None:
        told = f"[5 + {classes} classes, {size[0]}, {size[1]}], nor its three parts"
        raise pool.refuse(told)
    sure, box, scores = map(rows, raw)
    return sigmoid(sure), box, softmax(scores)


def _placed(raw: Floats, network: tuple[int, int]) -> Floats:
    """Boxes xyxy [n, 4] in network pixels.

    The centre is (tanh(xy) + cell) / cells and the sides are sigmoid(wh), as fractions of the input
    (dog-qiuqiu/FastestDet, utils/tool.py; score = object^0.6 * class^0.4 there).
    """
    high, wide = (side // _STRIDE for side in network)
    down, across = np.indices((high, wide), np.float32).reshape(2, -1)
    cell = np.stack([across, down], axis=1)
    sides = np.array(network[::-1], np.float32)
    centre = (np.tanh(raw[:, :2]) + cell) * (sides / np.array([wide, high], np.float32))
    return cxcywh_to_xyxy(np.concatenate([centre, sigmoid(raw[:, 2:]) * sides], axis=1))
