"""The decoder `yolo-fastestv2`: two maps with anchors and shared classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_core.api import Recognition
from zoo_core.errors import UsageError, check_known
from zoo_core.toolkit.detection.decoding import sigmoid, softmax, strides_of
from zoo_core.vision import cxcywh_to_xyxy
from zoo_mobile.maps import WHERE, Pool, candidates, rows, shapes, stretched_bgr

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zoo_core.api import Arrays, Decode, FileOutline
    from zoo_core.vision import Geometry
    from zoo_mobile.maps import Floats

_STRIDES = (16, 32)
_ANCHORS = (
    ((12.64, 19.39), (37.88, 51.48), (55.71, 138.31)),
    ((126.91, 78.23), (131.57, 214.55), (279.92, 258.87)),
)


class YoloFastestV2Decoder:
    """Decodes the maps of strides 16 and 32: A boxes, A object scores, one set of classes a cell.

    Each map is either one output [h, w, 5 * A + classes] of scores, as the repository exports it,
    or three, [4 * A, h, w], [A, h, w] and [classes, h, w], all of them raw. `anchors` are (width,
    height) in network pixels, a list for each of `strides`; by default those of COCO.
    """

    task = "detection"

    def bind(self, params: Mapping[str, Any], classes: int, floor: float) -> Decode:
        """The decode function; raises `UsageError` for wrong parameters."""
        check_known(params, ("anchors", "strides"), WHERE)
        strides = strides_of(params, _STRIDES)
        anchors = _anchors(params.get("anchors", _ANCHORS), len(strides))

        def decode(outputs: Arrays, geometry: Geometry) -> Arrays:
            pool = Pool(outputs, "yolo-fastestv2")
            parts = []
            for stride, sides in zip(strides, anchors, strict=True):
                high, wide = (side // stride for side in geometry.network)
                box, sure, scores = _parts(pool, (high, wide), len(sides), classes)
                places = _placed(box.reshape(high, wide, -1, 4), sides, stride).reshape(-1, 4)
                parts.append((places, (sure[:, :, None] * scores[:, None]).reshape(-1, classes)))
            places, total = (np.concatenate(part) for part in zip(*parts, strict=True))
            return candidates(cxcywh_to_xyxy(places), total, geometry, floor)

        return decode

    def recognise(self, outline: FileOutline) -> Recognition | None:
        """Two maps of strides 16 and 32 with the channels last, or three parts of each."""
        maps = [[side // stride for side in outline.size] for stride in _STRIDES]
        anchors = len(_ANCHORS[0])
        fixed = 5 * anchors
        match shapes(outline):
            case [(*a, channels), (*b, other)] if [a, b] == maps and channels == other > fixed:
                classes = channels - fixed
                told = f"outputs {_text(a)}x{channels} and {_text(b)}x{channels}"
            case [
                (box, *a),
                (sure, *b),
                (classes, *c),
                (box2, *d),
                (sure2, *e),
                (classes2, *f),
            ] if (
                a == b == c == maps[0]
                and d == e == f == maps[1]
                and (box, sure, classes)
                == (box2, sure2, classes2)
                == (4 * anchors, anchors, classes)
            ):
                told = f"outputs {box}, {sure} and {classes} x{_text(a)}, and x{_text(d)}"
            case _:
                return None
        return Recognition(
            why=f"{told}: boxes and object scores of {anchors} anchors, {classes} classes, "
            "for each cell of strides 16 and 32; anchors of COCO assumed",
            params={},
            classes=classes,
            preprocess=stretched_bgr(outline.size),
            protocol={"conf": 0.01, "nms": 0.4, "nms_kind": "iou", "box_labels": "best"},
        )


def _text(size: Sequence[int]) -> str:
    return "x".join(map(str, size))


def _anchors(given: Any, maps: int) -> tuple[Floats, ...]:
    try:
        numbers = all(
            type(side) in (int, float) for pairs in given for pair in pairs for side in pair
        )
        anchors = tuple(np.array(sides, np.float32) for sides in given) if numbers else ()
    except (TypeError, ValueError):
        anchors = ()
    if len(anchors) != maps or not all(
        sides.ndim == 2 and sides.shape[1] == 2 and ((sides > 0) & np.isfinite(sides)).all()
        for sides in anchors
    ):
        what = (
            f"anchors must be a list of [width, height] for each of {maps} strides, are {given!r}"
        )
        raise UsageError(what, where=WHERE)
    return anchors


def _parts(
    pool: Pool, size: tuple[int, int], anchors: int, classes: int
) -> tuple[Floats, Floats, Floats]:
    """Sigmoids of boxes [n, 4 A] and objects [n, A], and class scores [n, classes] of n cells."""
    scored = pool.take((*size, 5 * anchors + classes))
    if scored is not None:
        sure = np.clip(scored.reshape(-1, scored.shape[-1]), 0, 1)
        box, objects, scores = np.split(sure, [4 * anchors, 5 * anchors], axis=1)
        return box, objects, scores
    raw = pool.every((4 * anchors, *size), (anchors, *size), (classes, *size))
    if raw is None:
        told = f"[{size[0]}, {size[1]}, 5 * {anchors} anchors + {classes} classes]"
        raise pool.refuse(f"{told}, nor its three parts")
    box, objects, scores = map(rows, raw)
    return sigmoid(box), sigmoid(objects), softmax(scores)


def _placed(box: Floats, anchors: Floats, stride: int) -> Floats:
    """Centre and sides in network pixels of sigmoids s [h, w, A, 4].

    The centre is (2 s - 0.5 + cell) * stride and the sides are (2 s)^2 * anchor
    (dog-qiuqiu/Yolo-FastestV2, utils/utils.py).
    """
    down, across = np.indices(box.shape[:2], np.float32)
    cell = np.stack([across, down], axis=-1)[:, :, None]
    centre = (box[..., :2] * 2 - np.float32(0.5) + cell) * np.float32(stride)
    return np.concatenate([centre, np.square(box[..., 2:] * 2) * anchors], axis=-1)
