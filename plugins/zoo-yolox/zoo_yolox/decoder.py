"""The decoder `yolox`: rows of grid cells to candidates in image pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_core.api import Recognition
from zoo_core.errors import StageError, UsageError, check_known
from zoo_core.toolkit.detection import decode_rows
from zoo_core.toolkit.detection.decoding import cell_grid, shapes_told, sigmoid, strides_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from zoo_core.api import Arrays, Decode, FileOutline
    from zoo_core.vision import Geometry

_PARAMS = ("strides", "decoded")
_STRIDES = (8, 16, 32)


class YoloxDecoder:
    """Decodes one output [n, 5 + classes], a row per cell, stride by stride, then row by row.

    A row is x, y, w, h, object, classes; object and classes are sigmoids already, as the official
    export leaves them. MMYOLO's leaves maps instead, without sigmoids: [classes, rows, columns] of
    each stride, then [4, ...], then [1, ...]. `strides` are those of the network's maps.
    `decoded: true` is for a file exported with --decode_in_inference, whose boxes are in pixels.
    """

    task = "detection"

    def bind(self, params: Mapping[str, Any], classes: int, floor: float) -> Decode:
        """The decode function; raises `UsageError` for wrong parameters."""
        strides, decoded = _checked(params)

        def decode(outputs: Arrays, geometry: Geometry) -> Arrays:
            grid = cell_grid(geometry.network, strides)
            maps = _maps(outputs, classes, geometry.network, strides)
            rows = _rows(outputs, len(grid), classes) if maps is None else maps
            with np.errstate(over="ignore", invalid="ignore"):
                places = rows[:, :4] if decoded else _placed(rows[:, :4], grid)
            return decode_rows(places, rows[:, 4:], geometry, floor).to_arrays()

        return decode

    def recognise(self, outline: FileOutline) -> Recognition | None:
        """See `zoo_core.api.RecognisesOutputs`; rows of cells are taken as not decoded."""
        shapes = [spec.shape[1:] for spec in outline.outputs]
        if len(shapes) != 1 or len(shapes[0]) != 2:
            return None
        count, values = shapes[0]
        cells = len(cell_grid(outline.size, _STRIDES))
        if count != cells or not isinstance(values, int) or values < 6:
            return None
        height, width = outline.size
        resize = {"op": "resize", "mode": "letterbox", "size": [height, width], "pad": 114}
        return Recognition(
            why=f"one output 1x{count}x{values}: a box, object and {values - 5} classes for each "
            "cell of the strides 8, 16, 32. Assumed, since no file tells it: boxes are not decoded "
            "(a card for a file of --decode_in_inference states decoder_params: {decoded: true})",
            params={"strides": list(_STRIDES)},
            classes=values - 5,
            preprocess=(
                {"op": "decode", "colour": "bgr"},
                {**resize, "interpolation": "bilinear", "anchor": "top_left", "rounding": "down"},
                {"op": "to_tensor"},
            ),
            protocol={"conf": 0.001, "nms": 0.65, "nms_kind": "iou", "box_labels": "best"},
        )


def _checked(params: Mapping[str, Any]) -> tuple[tuple[int, ...], bool]:
    where = "decoder_params"
    check_known(params, _PARAMS, where)
    strides, decoded = strides_of(params, _STRIDES), params.get("decoded", False)
    if type(decoded) is not bool:
        raise UsageError(f"decoded must be true or false, is {decoded!r}", where=where)
    return strides, decoded


def _rows(outputs: Arrays, cells: int, classes: int) -> NDArray[np.float32]:
    found = [array for array in outputs.values() if array.shape == (cells, 5 + classes)]
    if len(found) != 1:
        what = f"no single output is [{cells}, 5 + {classes} classes]: {shapes_told(outputs)}"
        step = "check the labels (the card's, or those of --names), the size and the strides"
        raise StageError(what, where="decoder yolox", next=step)
    return np.asarray(found[0], np.float32)


def _maps(
    outputs: Arrays, classes: int, network: tuple[int, int], strides: Sequence[int]
) -> NDArray[np.float32] | None:
    """MMYOLO's maps as rows, with sigmoids (yolox_head.py); None where the outputs are others."""
    grids = [(-(-network[0] // stride), -(-network[1] // stride)) for stride in strides]
    wanted = [(channels, *grid) for channels in (classes, 4, 1) for grid in grids]
    if [array.shape for array in outputs.values()] != wanted:
        return None
    flat = [np.asarray(one, np.float32).reshape(len(one), -1) for one in outputs.values()]
    each = len(strides)
    scores, boxes, objects = (
        np.concatenate(flat[at : at + each], axis=1).T for at in (0, each, 2 * each)
    )
    return np.concatenate([boxes, sigmoid(np.concatenate([objects, scores], axis=1))], axis=1)


def _placed(raw: NDArray[np.float32], grid: NDArray[np.float32]) -> NDArray[np.float32]:
    """Centre and sides in network pixels: (xy + cell) * stride, exp(wh) * stride.

    Ge et al., "YOLOX: Exceeding YOLO Series in 2021" (Megvii-BaseDetection/YOLOX, yolo_head.py).
    """
    cell, stride = grid[:, :2], grid[:, 2:]
    return np.concatenate([(raw[:, :2] + cell) * stride, np.exp(raw[:, 2:]) * stride], axis=1)
