"""Decoders of YOLO with anchors: raw heads, or rows that the graph has decoded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo_core.errors import StageError, UsageError, check_known
from zoo_core.toolkit.detection import AnchorHead, decode_heads, decode_rows
from zoo_core.toolkit.detection.decoding import shapes_told, strides_of
from zoo_yolo.anchor_outline import recognised
from zoo_yolo.outlines import STRIDES, listed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from zoo_core.api import Arrays, Decode, FileOutline, Recognition
    from zoo_core.vision import Geometry

_PARAMS = ("anchors", "strides")
_PER_CELL = 3
_WHERE = "decoder_params"

Anchors = tuple[tuple[tuple[float, float], ...], ...]


class AnchorDecoder:
    """Decodes one head for each stride, or one output of decoded rows.

    A head is [A * (5 + classes), h, w] or [A, h, w, 5 + classes], before the logistic function; it
    is told from the others by its h and w. With `squares` (YOLOv5, v7, YOLOR) a box is
    ((2 s - 0.5 + cell) * stride, (2 s)^2 * anchor), s = sigmoid (ultralytics/yolov5,
    models/yolo.py, Detect); without (Darknet's YOLOv3 and v4) it is ((s + cell) * stride,
    exp(t) * anchor) (AlexeyAB/darknet, yolo_layer.c). Rows are [n, 5 + classes]: cx, cy, w, h in
    pixels of the network's input, object, classes, the logistic function applied.

    `strides` are those of the heads (8, 16, 32 without a word), `anchors` the (width, height) pairs
    of each, in pixels. With anchors heads are decoded, also where the graph gives rows as well: an
    engine that quantises rows gives pixels and scores one range. Without, rows are.
    """

    task = "detection"

    def __init__(self, *, squares: bool) -> None:
        self.squares = squares

    def bind(self, params: Mapping[str, Any], classes: int, floor: float) -> Decode:
        """The decode function; raises `UsageError` for wrong parameters.

        That function raises `StageError` for outputs that are neither such heads nor such rows.
        """
        strides, anchors = _checked(params)
        scale = 2.0 if self.squares else 1.0
        specs = [
            AnchorHead(stride, pairs, scale, squares=self.squares)
            for stride, pairs in zip(strides, anchors, strict=False)
        ]

        def decode(outputs: Arrays, geometry: Geometry) -> Arrays:
            if heads := _heads(outputs, specs, classes, geometry):
                return decode_heads(heads, specs, classes, geometry, floor).to_arrays()
            per_cell = [len(pairs) for pairs in anchors] or [_PER_CELL] * len(strides)
            rows = _rows(outputs, dict(zip(strides, per_cell, strict=True)), classes, geometry)
            return decode_rows(rows[:, :4], rows[:, 4:], geometry, floor).to_arrays()

        return decode

    def recognise(self, outline: FileOutline) -> Recognition | None:
        """See `zoo_core.api.RecognisesOutputs`."""
        return recognised(outline, squares=self.squares)


def _checked(params: Mapping[str, Any]) -> tuple[tuple[int, ...], Anchors]:
    check_known(params, _PARAMS, _WHERE)
    strides, anchors = strides_of(params, STRIDES[0]), params.get("anchors", ())
    if len(set(strides)) != len(strides):
        raise UsageError(f"strides must differ, are {strides!r}", where=_WHERE)
    if "anchors" not in params:
        return strides, ()
    fine = _is_list(anchors) and all(
        _is_list(head) and all(_is_pair(pair) for pair in head) for head in anchors
    )
    if not fine or len(anchors) != len(strides):
        what = f"anchors must be lists of [width, height], one list for each of {len(strides)}"
        raise UsageError(f"{what} strides, are {anchors!r}", where=_WHERE)
    return strides, tuple(
        tuple((float(width), float(height)) for width, height in head) for head in anchors
    )


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) > 0


def _is_pair(value: Any) -> bool:
    numbers = _is_list(value) and all(type(side) in (int, float) for side in value)
    return numbers and len(value) == 2 and all(0 < side < 1e9 for side in value)


def _heads(
    outputs: Arrays, specs: list[AnchorHead], classes: int, geometry: Geometry
) -> list[NDArray[Any]]:
    """The output of each stride, or nothing where one is missing or two could be it."""
    found = []
    for spec in specs:
        height, width = (side // spec.stride for side in geometry.network)
        count, values = len(spec.anchors), 5 + classes
        shapes = {(count * values, height, width), (count, height, width, values)}
        fitting = [array for array in outputs.values() if array.shape in shapes]
        if len(fitting) != 1:
            return []
        found += fitting
    return found


def _rows(
    outputs: Arrays, per_cell: Mapping[int, int], classes: int, geometry: Geometry
) -> NDArray[Any]:
    height, width = geometry.network
    cells = {stride: (height // stride) * (width // stride) for stride in per_cell}
    shape = (sum(cells[stride] * count for stride, count in per_cell.items()), 5 + classes)
    found = [array for array in outputs.values() if array.shape == shape]
    if len(found) != 1:
        raise StageError(
            f"outputs are neither a head for each of the strides {listed(per_cell)} nor rows "
            f"[{shape[0]}, 5 + {classes} classes]: {shapes_told(outputs)}",
            where="decoder of YOLO with anchors",
            next="check labels, size, and anchors and strides in decoder_params; raw heads cannot "
            "be decoded without anchors",
        )
    return found[0]
