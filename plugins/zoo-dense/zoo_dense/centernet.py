"""The decoder `centernet`: peaks of a heat map to candidates in image pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_core.api import Recognition
from zoo_core.errors import StageError, UsageError, check_known
from zoo_core.toolkit.detection import Candidates
from zoo_core.toolkit.detection.decoding import shapes_told, sigmoid
from zoo_core.toolkit.detection.detections import Pairs
from zoo_dense.decoder import sized

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from zoo_core.api import Arrays, Decode, FileOutline
    from zoo_core.vision import Geometry

    Floats = NDArray[np.float32]

_DEFAULTS = {"stride": 4, "top": 100, "scores": "logits"}
_NAMES = ("hm", "wh", "reg")
_PREPROCESS = (
    {"op": "decode", "colour": "bgr"},
    {"op": "resize", "mode": "letterbox", "interpolation": "bilinear", "pad": 0},
    {"op": "scale", "factor": 1 / 255},
    {"op": "normalise", "mean": [0.408, 0.447, 0.47], "std": [0.289, 0.274, 0.278]},
    {"op": "to_tensor"},
)
_PROTOCOL = {
    "conf": 0.0,
    "nms_kind": "none",
    "box_labels": "multi",
    "max_detections": 100,
}


class CenternetDecoder:
    """Decodes a heat map [C, rows, columns], sides [2, ...] and perhaps centre offsets [2, ...].

    A cell is a peak of its class where none of its eight neighbours scores higher; the `top` best
    peaks are objects. `stride` is network pixels per cell, `scores` says whether the heat map holds
    `logits` or `probabilities`. Outputs are found by the names hm, wh and reg, else by their order.
    """

    task = "detection"

    def bind(self, params: Mapping[str, Any], classes: int, floor: float) -> Decode:
        """The decode function; raises `UsageError` for wrong parameters."""
        stride, top, logits = _checked(params)

        def decode(outputs: Arrays, geometry: Geometry) -> Arrays:
            height, width = geometry.network
            grid = (-(-height // stride), -(-width // stride))
            heat, sides, offsets = _maps(outputs, classes, grid)
            scores = sigmoid(heat) if logits else np.minimum(heat, np.float32(1))
            label, row, column = _peaks(scores, floor, top)
            with np.errstate(over="ignore", invalid="ignore"):
                centre = np.stack([column, row], axis=1).astype(np.float32)
                centre += np.float32(0.5) if offsets is None else offsets[:, row, column].T
                half = sides[:, row, column].T / 2
                boxes = np.concatenate([centre - half, centre + half], axis=1) * np.float32(stride)
                placed = geometry.to_image(boxes)
            place, found = row * grid[1] + column, scores[label, row, column]
            order = np.lexsort((label, place))
            cells, first, box = np.unique(place[order], return_index=True, return_inverse=True)
            pairs = Pairs(box, label[order], found[order])
            size = geometry.source
            return Candidates.from_pairs(
                placed[order][first], pairs, floor, size, cells
            ).to_arrays()

        return decode

    def recognise(self, outline: FileOutline) -> Recognition | None:
        """Three maps of a quarter of the input's sides: of the classes, and twice two channels."""
        grid = (-(-outline.size[0] // 4), -(-outline.size[1] // 4))
        named = {output.name: output.shape[1:] for output in outline.outputs}
        maps = [named[name] for name in _NAMES] if set(named) == set(_NAMES) else [*named.values()]
        if len(maps) != 3 or maps[1:] != [(2, *grid)] * 2 or maps[0][1:] != grid:
            return None
        classes = maps[0][0]
        if not isinstance(classes, int) or classes < 1:
            return None
        rows, columns = grid
        return Recognition(
            why=(
                f"maps {classes}x{rows}x{columns} and twice 2x{rows}x{columns}, a quarter of the "
                f"input: a heat map of {classes} classes, sides and centre offsets"
            ),
            params={},
            classes=classes,
            preprocess=sized(_PREPROCESS, outline.size),
            protocol=_PROTOCOL,
        )


def _checked(params: Mapping[str, Any]) -> tuple[int, int, bool]:
    where = "decoder_params"
    check_known(params, _DEFAULTS, where)
    values: dict[str, Any] = {**_DEFAULTS, **params}
    for name in ("stride", "top"):
        if type(values[name]) is not int or values[name] < 1:
            what = f"{name} must be a whole number above 0, is {values[name]!r}"
            raise UsageError(what, where=where)
    if values["scores"] not in ("logits", "probabilities"):
        what = f"scores must be logits or probabilities, is {values['scores']!r}"
        raise UsageError(what, where=where)
    return values["stride"], values["top"], values["scores"] == "logits"


def _maps(
    outputs: Arrays, classes: int, grid: tuple[int, int]
) -> tuple[Floats, Floats, Floats | None]:
    named = [name for name in _NAMES if name in outputs]
    names = named if len(named) == len(outputs) else list(outputs)
    shapes = [outputs[name].shape for name in names]
    if shapes not in ([(classes, *grid), (2, *grid)], [(classes, *grid), (2, *grid), (2, *grid)]):
        rows, columns = grid
        what = (
            f"the outputs are not [{classes}, {rows}, {columns}], [2, {rows}, {columns}] and "
            f"perhaps a further [2, {rows}, {columns}]: {shapes_told(outputs)}"
        )
        step = "check the labels (the card's, or those of --names), the size and the stride"
        raise StageError(what, where="decoder centernet", next=step)
    heat, sides, *offsets = (np.asarray(outputs[name], np.float32) for name in names)
    return heat, sides, offsets[0] if offsets else None


def _peaks(
    scores: Floats, floor: float, top: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Class, row and column of the best peaks above the floor.

    A peak equals the highest of the 3 x 3 cells around it (Zhou et al., "Objects as Points", in
    place of NMS).
    """
    high = np.pad(scores, ((0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    high = np.maximum(np.maximum(high[:, :-2], high[:, 1:-1]), high[:, 2:])
    high = np.maximum(np.maximum(high[..., :-2], high[..., 1:-1]), high[..., 2:])
    label, row, column = np.nonzero((scores == high) & (scores > np.float32(floor)))
    best = np.argsort(-scores[label, row, column], kind="stable")[:top]
    return label[best], row[best], column[best]
