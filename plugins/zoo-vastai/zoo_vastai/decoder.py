"""The decoder of what a device's own NMS gives: ids, scores and boxes in the network's pixels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_core.errors import StageError, UsageError, did_you_mean
from zoo_core.toolkit.detection.detections import Candidates, Pairs
from zoo_vastai.names import ARITHMETICS
from zoo_vastai.vendor_boxes import VSX_LEAST_SCORE, npz_boxes, vsx_boxes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from zoo_core.api import Arrays, Decode
    from zoo_core.vision import Geometry

NAME = "vastai-nms"
OUTPUTS = ("ids", "scores", "boxes")
_PARAMS = ("conf", "iou", "arithmetic")
_MOST = 1.001  # a float16 score that rounding took above 1 is still one


@dataclass(frozen=True, slots=True, kw_only=True)
class _Choices:
    suppressed: tuple[float, float] | None
    arithmetic: str
    classes: int
    floor: float


class DeviceNmsDecoder:
    """Reads the three outputs of `yolov4_nms` and its like.

    Their rows are padded with -1; the first id below 0 ends them. The boxes are those of an
    earlier step of the device, in float16 there; here all is float32 and nothing is rounded.
    """

    task: str = "detection"

    def bind(self, params: Mapping[str, Any], classes: int, floor: float) -> Decode:
        """A decode function for the outputs ids [N, 1], scores [N, 1] and boxes [N, 4].

        `conf` and `iou` are the thresholds that were built in (both or none); `arithmetic` is one
        of `names.ARITHMETICS`. Raises `UsageError` for others.
        """
        choices = _choices(params, classes, floor)

        def decode(outputs: Arrays, geometry: Geometry) -> Arrays:
            return _decoded(outputs, geometry, choices).to_arrays()

        return decode


def _decoded(outputs: Arrays, geometry: Geometry, choices: _Choices) -> Candidates:
    ids, scores, boxes = _rows(outputs)
    with np.errstate(invalid="ignore"):
        keep = (scores > np.float32(choices.floor)) & (scores <= np.float32(_MOST))
        if choices.arithmetic == "vsx":
            keep &= scores >= np.float32(VSX_LEAST_SCORE)
    rows = np.flatnonzero(keep)
    pairs = Pairs(rows, _labels(ids[rows], choices.classes), np.minimum(scores[rows], 1))
    placed = _PLACES[choices.arithmetic](boxes, geometry)
    found = Candidates.from_pairs(placed, pairs, choices.floor, geometry.source)
    return replace(found, suppressed=choices.suppressed)


def _rows(outputs: Arrays) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.float32]]:
    """Ids [n], scores [n] and boxes [n, 4] as float32, without the padding."""
    missing = [name for name in OUTPUTS if name not in outputs]
    if missing:
        found = ", ".join(outputs)
        raise StageError(f"outputs {found} are not {', '.join(OUTPUTS)}", where=f"decoder {NAME}")
    ids, scores, boxes = (np.asarray(outputs[name], np.float32) for name in OUTPUTS)
    count = ids.size
    if scores.size != count or boxes.size != 4 * count:
        shapes = ", ".join(f"{n} {list(outputs[n].shape)}" for n in OUTPUTS)
        raise StageError(f"outputs do not go together: {shapes}", where=f"decoder {NAME}")
    ids = ids.ravel()
    ends = np.flatnonzero(~(ids >= 0))
    stop = int(ends[0]) if ends.size else count
    return ids[:stop], scores.ravel()[:stop], boxes.reshape(-1, 4)[:stop]


def _labels(ids: NDArray[Any], classes: int) -> NDArray[np.intp]:
    """Whole labels; float16 holds them exactly up to 2048."""
    wrong = ids[(ids >= classes) | (ids != np.floor(ids))]
    if wrong.size:
        what = f"the device gives class {wrong[0]:g}, the model has {classes} labels"
        step = "compile with the number of classes that the labels have"
        raise StageError(what, where=f"decoder {NAME}", next=step)
    return ids.astype(np.intp)


def _exact(boxes: NDArray[Any], geometry: Geometry) -> NDArray[np.float32]:
    return geometry.to_image(boxes)


_PLACES: Mapping[str, Callable[[NDArray[Any], Geometry], NDArray[np.float32]]] = {
    "exact": _exact,
    "vsx": vsx_boxes,
    "npz": npz_boxes,
}


def _choices(params: Mapping[str, Any], classes: int, floor: float) -> _Choices:
    for key in params:
        if key not in _PARAMS:
            hint = did_you_mean(key, _PARAMS)
            raise UsageError(f"unknown key '{key}'", where="decoder_params", next=hint)
    arithmetic = params.get("arithmetic", ARITHMETICS[0])
    if arithmetic not in ARITHMETICS:
        hint = did_you_mean(str(arithmetic), ARITHMETICS)
        raise UsageError(f"no arithmetic '{arithmetic}'", where="decoder_params", next=hint)
    thresholds = {key: params[key] for key in ("conf", "iou") if params.get(key) is not None}
    for key, value in thresholds.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not 0 <= value <= 1:
            what = f"must lie within 0..1, not {value!r}"
            raise UsageError(what, where=f"decoder_params.{key}")
    if len(thresholds) == 1:
        what = f"gives '{next(iter(thresholds))}' alone"
        raise UsageError(what, where="decoder_params", next="give conf and iou, or neither")
    suppressed = (float(thresholds["conf"]), float(thresholds["iou"])) if thresholds else None
    return _Choices(suppressed=suppressed, arithmetic=arithmetic, classes=classes, floor=floor)
