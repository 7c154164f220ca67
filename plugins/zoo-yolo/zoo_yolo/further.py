"""The decoders of `-seg`, `-pose` and `-obb` networks: boxes with masks, key points or an angle."""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace
from math import pi
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_core.errors import StageError, UsageError, check_known
from zoo_core.toolkit.detection import KeypointCandidates, MaskCandidates, OrientedCandidates
from zoo_core.toolkit.detection.decoding import shapes_told, sigmoid
from zoo_yolo.cells import KEYS, Layout
from zoo_yolo.end_to_end import THRESHOLDS, Chosen, thresholds
from zoo_yolo.outlines import is_task, listed, names_of, recognition, strides_for

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from zoo_core.api import Arrays, Decode, FileOutline, Recognition
    from zoo_core.toolkit.detection import Candidates
    from zoo_core.vision import Geometry
    from zoo_yolo.cells import Cells

    Floats = NDArray[np.float32]

_SIDES, _CHOSEN = 4, 6
_POINTS = (17, 3)
_ANGLE = 0.25


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads boxes with extras: a row for each cell, or rows that the file chose."""

    layout: Layout
    suppressed: tuple[float, float] | None
    floor: float

    def boxes(self, outputs: Arrays, geometry: Geometry) -> tuple[Candidates, Floats]:
        """Candidates, and the extras [N, E] of all rows of the output.

        Raises `StageError` for raw maps: their extras are not those of an image yet.
        """
        chosen = self.chosen(outputs, geometry)
        if chosen is None:
            cells = self.layout.read(outputs, geometry.network)
            if cells.grid is not None:
                what = f"raw maps are not decoded: {shapes_told(outputs)}"
                step = "export the network with its boxes and key points decoded"
                raise StageError(what, where=f"decoder {self.layout.name}", next=step)
            return cells.candidates(self.floor, geometry), cells.extras
        boxes = geometry.to_image(chosen.boxes)
        found = chosen.candidates(boxes, self.layout.classes, self.floor, geometry)
        return replace(found, suppressed=self.suppressed), chosen.extras

    def chosen(self, outputs: Arrays, geometry: Geometry) -> Chosen | None:
        """The rows [n, 6 + E] where the file chose them."""
        width, network = _CHOSEN + self.layout.extras, geometry.network
        tables = [array for array in outputs.values() if array.ndim == 2]
        if len(tables) != 1 or self.layout.fits(tables[0].shape, network):
            return None
        return Chosen.of(tables[0]) if tables[0].shape[1] == width else None


def _reader(
    name: str, params: Mapping[str, Any], classes: int, floor: float, extras: int
) -> _Reader:
    layout = Layout.from_params(name, params, classes, extras)
    return _Reader(layout, thresholds(params), floor)


class SegmentDecoder:
    """Decodes one output 1x(4+C+k)xN, or chosen rows 1xnx(6+k), and prototypes 1xkxhxw."""

    task = "instance-segmentation"

    def bind(self, params: Mapping[str, Any], classes: int, floor: float) -> Decode:
        """The decode function; raises `UsageError` for wrong parameters."""
        check_known(params, (*KEYS, *THRESHOLDS), "decoder_params")
        name = "yolo-segment"
        _reader(name, params, classes, floor, 0)

        def decode(outputs: Arrays, geometry: Geometry) -> Arrays:
            maps = {key: array for key, array in outputs.items() if array.ndim == 3}
            if len(maps) != 1:
                given = shapes_told(outputs)
                what = f"no single output is the prototypes [k, h, w]: {given}"
                step = "export the -seg network with both of its outputs"
                raise StageError(what, where=f"decoder {name}", next=step)
            ((key, prototypes),) = maps.items()
            rest = {other: array for other, array in outputs.items() if other != key}
            reader = _reader(name, params, classes, floor, len(prototypes))
            found, extras = reader.boxes(rest, geometry)
            return MaskCandidates.placed(found, extras, prototypes, geometry).to_arrays()

        return decode

    def recognise(self, outline: FileOutline) -> Recognition | None:
        """Two outputs: rows of boxes, scores and coefficients, and as many prototypes."""
        maps = [spec for spec in outline.outputs if len(spec.shape) == 4]
        rows = [spec for spec in outline.outputs if len(spec.shape) == 3]
        if not is_task(outline, "segment") or len(maps) != 1 or len(rows) != 1:
            return None
        count = maps[0].shape[1]
        if len(outline.outputs) != 2 or isinstance(count, str):
            return None
        return _recognised(outline, count, f"{count} coefficients of {maps[0].told}", {})


class PoseDecoder:
    """Decodes one output 1x(4+C+K*d)xN, or chosen rows 1xnx(6+K*d).

    `keypoints` is [K, d], by default [17, 3]: x, y and certainty; with d = 2 all are certain.
    """

    task = "keypoints"

    def bind(self, params: Mapping[str, Any], classes: int, floor: float) -> Decode:
        """The decode function; raises `UsageError` for wrong parameters."""
        check_known(params, (*KEYS, *THRESHOLDS, "keypoints"), "decoder_params")
        count, depth = _points(params.get("keypoints", _POINTS))
        reader = _reader("yolo-pose", params, classes, floor, count * depth)

        def decode(outputs: Arrays, geometry: Geometry) -> Arrays:
            found, extras = reader.boxes(outputs, geometry)
            points = np.ones((len(extras), count, 3), np.float32)
            points[..., :depth] = extras.reshape(len(extras), count, depth)
            points[..., 2] = np.clip(points[..., 2], 0, 1)
            return KeypointCandidates.placed(found, points, geometry).to_arrays()

        return decode

    def recognise(self, outline: FileOutline) -> Recognition | None:
        """One output whose file notes a pose, or 56 values for each cell: a person's, as COCO's."""
        count, depth = _noted_points(outline)
        stated = outline.metadata.get("task") == "pose"
        people = len(outline.outputs) == 1 and 5 + 3 * 17 in outline.outputs[0].shape[1:]
        if not is_task(outline, "pose") or not (stated or people):
            return None
        params = {} if (count, depth) == _POINTS else {"keypoints": [count, depth]}
        return _recognised(outline, count * depth, f"{count} key points", params)


class OrientedDecoder:
    """Decodes one output 1x(4+C+1)xN, chosen rows 1xnx7, or raw maps of sides, classes and angles.

    The angle is in radians. Of raw maps it is (sigmoid - 1/4) * pi, and the box's middle is moved
    within the turned axes (Ultralytics, `OBB` and `dist2rbox`).
    """

    task = "oriented-detection"

    def bind(self, params: Mapping[str, Any], classes: int, floor: float) -> Decode:
        """The decode function; raises `UsageError` for wrong parameters."""
        check_known(params, (*KEYS, *THRESHOLDS), "decoder_params")
        reader = _reader("yolo-oriented", params, classes, floor, 1)

        def decode(outputs: Arrays, geometry: Geometry) -> Arrays:
            chosen = reader.chosen(outputs, geometry)
            if chosen is None:
                cells = reader.layout.read(outputs, geometry.network)
                boxes, scores = _turned(cells), cells.scores
            else:
                boxes = np.concatenate([chosen.boxes, chosen.extras], axis=1)
                plain = chosen.candidates(chosen.boxes, classes, floor, geometry)
                scores = np.zeros((len(boxes), classes), np.float32)
                scores[plain.anchor[plain.box], plain.label] = plain.score
            found = OrientedCandidates.from_dense(boxes, scores, floor, geometry)
            kept = (
                found.found
                if chosen is None
                else replace(found.found, suppressed=reader.suppressed)
            )
            return replace(found, found=kept).to_arrays()

        return decode

    def recognise(self, outline: FileOutline) -> Recognition | None:
        """One output of a file that notes oriented boxes."""
        if outline.metadata.get("task") != "obb":
            return None
        return _recognised(outline, 1, "an angle", {})


def _turned(cells: Cells) -> Floats:
    """Centre, sides and angle of all rows, [N, 5]."""
    if cells.grid is None:
        return np.concatenate([cells.sides, cells.extras], axis=1)
    far = cells.distances(np.arange(len(cells.scores)))
    with np.errstate(over="ignore", invalid="ignore"):
        angle = (sigmoid(cells.extras) - np.float32(_ANGLE)) * np.float32(pi)
        x, y = ((far[:, 2:] - far[:, :2]) / 2).T[:, :, None]
        cosine, sine = np.cos(angle), np.sin(angle)
        middle = np.concatenate([x * cosine - y * sine, x * sine + y * cosine], axis=1)
        middle += cells.grid[:, :2] + np.float32(0.5)
        sides = far[:, :2] + far[:, 2:]
        placed = np.concatenate([middle, sides], axis=1) * cells.grid[:, 2:]
    return np.concatenate([placed, angle], axis=1)


def _points(value: Any) -> tuple[int, int]:
    good = isinstance(value, list | tuple) and len(value) == 2
    if not good or not all(type(each) is int and each > 0 for each in value) or value[1] > 3:
        what = f"keypoints must be [number, 2 or 3], is {value!r}"
        raise UsageError(what, where="decoder_params")
    if value[1] < 2:
        raise UsageError(f"key points have x and y, not {value[1]} values", where="decoder_params")
    return value[0], value[1]


def _noted_points(outline: FileOutline) -> tuple[int, int]:
    try:
        return _points(ast.literal_eval(outline.metadata.get("kpt_shape", repr(_POINTS))[:100]))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError, UsageError):
        return _POINTS


def _recognised(
    outline: FileOutline, extras: int, what: str, params: Mapping[str, Any]
) -> Recognition | None:
    """Rows of 4 sides, C scores and extras for each cell, or chosen rows of 6 + extras."""
    spec = next((spec for spec in outline.outputs if len(spec.shape) == 3), None)
    if spec is None:
        return None
    names, (_, one, other) = names_of(outline), spec.shape
    for width, count in ((one, other), (other, one)):
        strides = strides_for(outline, count)
        classes = 0 if isinstance(width, str) else width - _SIDES - extras
        if strides is not None and classes > 0 and names in (None, classes):
            each = f"each cell of strides {listed(strides)}"
            parts = f"4 sides, {classes} scores and {what} for {each}"
            known = {"strides": list(strides), **params}
            return recognition(outline, f"{spec.told}: {parts}", known, classes)
    if other != _CHOSEN + extras:
        return None
    lacking = "" if names else "; their number of classes is not stated, 1 is assumed"
    parts = f"box, score, label and {what}, chosen by the file{lacking}"
    return recognition(outline, f"{spec.told}: {parts}", params, names or 1)
