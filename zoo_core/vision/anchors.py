"""The decode of YOLO's anchor-box heads, and of graphs that have it inside."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_core.errors import UsageError
from zoo_core.vision.detections import Candidates, Pairs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from zoo_core.vision.geometry import Geometry

_BOX_AND_OBJECT = 5


@dataclass(frozen=True, slots=True)
class AnchorHead:
    """One output map: its `stride`, its `anchors` (width, height) in network pixels.

    `scale_xy` widens the range of a centre within its cell. With `new_coords` (Scaled-YOLOv4) the
    network's last layer has applied the logistic function already, and sides grow as a square.
    """

    stride: int
    anchors: tuple[tuple[float, float], ...]
    scale_xy: float = 1.0
    new_coords: bool = False


def decode_heads(
    heads: Sequence[NDArray[Any]],
    specs: Sequence[AnchorHead],
    classes: int,
    geometry: Geometry,
    floor: float,
) -> Candidates:
    """Candidates of one image from raw heads [A * (5 + classes), Hg, Wg], in the order of `specs`.

    Per anchor the channels are tx, ty, tw, th, object, classes. With s = scale_xy:
    x = (sigmoid(tx) * s - (s - 1) / 2 + column) * stride, w = exp(tw) * anchor width, likewise y
    and h; new_coords: x without the sigmoid, w = (2 tw)^2 * anchor width, and scores as they are
    (AlexeyAB/darknet, yolo_layer.c). score = sigmoid(object) * sigmoid(class). A box's row is
    anchor * Hg * Wg + row * Wg + column, heads one after the other.

    Float32 throughout. Only cells whose object score is above the floor are decoded, which changes
    nothing: a product with a class score never exceeds it. Boxes are not clipped; those that
    overflow to an infinite coordinate are left out. Raises `UsageError` where a head's shape does
    not fit its specification or the geometry.
    """
    if len(heads) != len(specs) or not specs:
        raise UsageError(f"{len(heads)} heads for {len(specs)} specifications of heads")
    parts = []
    before = 0
    for head, spec in zip(heads, specs, strict=True):
        maps = _maps(head, spec, classes, geometry)
        parts.append(_decode(maps, spec, head.shape[-1], np.float32(floor), before))
        before += maps.shape[0] * maps.shape[2]
    return _gather(parts, geometry, floor)


def decode_boxes(
    boxes: NDArray[Any], confs: NDArray[Any], geometry: Geometry, floor: float
) -> Candidates:
    """Candidates of one image from a graph that decodes: boxes [n, 1, 4] or [n, 4], confs [n, C].

    Boxes are xyxy as fractions of the network's input. Raises `UsageError` for other shapes.
    """
    if boxes.shape not in {(len(confs), 1, 4), (len(confs), 4)} or confs.ndim != 2:
        raise UsageError(
            f"boxes {list(boxes.shape)} and confs {list(confs.shape)} are not [n, 1, 4] and [n, C]"
        )
    pairs = Pairs.above(confs, floor)
    places, row = np.unique(pairs.row, return_inverse=True)
    height, width = geometry.network
    scale = np.array([width, height, width, height], np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        pixels = boxes.reshape(-1, 4)[places].astype(np.float32) * scale
    return Candidates.from_pairs(
        geometry.to_image(pixels), replace(pairs, row=row), floor, geometry.source, places
    )


def _maps(
    head: NDArray[Any], spec: AnchorHead, classes: int, geometry: Geometry
) -> NDArray[np.float32]:
    """A head as float32 [A, 5 + classes, cells]."""
    height, width = (side // spec.stride for side in geometry.network)
    wanted = (len(spec.anchors) * (_BOX_AND_OBJECT + classes), height, width)
    if head.shape != wanted:
        raise UsageError(
            f"a head of shape {list(head.shape)} where {list(wanted)} is due: "
            f"{len(spec.anchors)} anchors, {classes} classes, stride {spec.stride}"
        )
    return np.asarray(head, np.float32).reshape(
        len(spec.anchors), _BOX_AND_OBJECT + classes, height * width
    )


@dataclass(frozen=True, slots=True)
class _Part:
    """One head's boxes (network pixels), their rows in the output, and pairs of these boxes."""

    boxes: NDArray[np.float32]
    anchor: NDArray[np.intp]
    pairs: Pairs


def _decode(
    maps: NDArray[np.float32], spec: AnchorHead, columns: int, floor: np.float32, before: int
) -> _Part:
    activate = _as_is if spec.new_coords else _sigmoid
    objects = activate(maps[:, 4])
    found = objects > floor
    numbers = [np.flatnonzero(row) for row in found]
    values = np.concatenate(
        [plane.take(cells, axis=1) for plane, cells in zip(maps, numbers, strict=True)], axis=1
    )
    anchor, cell = np.nonzero(found)
    scores = activate(values[_BOX_AND_OBJECT:]) * objects[found]
    above = np.ascontiguousarray((scores > floor).T)
    row, label = np.divmod(np.flatnonzero(above), len(scores))
    places, index = np.unique(row, return_inverse=True)
    return _Part(
        boxes=_boxes(values[:4, places], anchor[places], cell[places], spec, columns),
        anchor=before + anchor[places] * maps.shape[2] + cell[places],
        pairs=Pairs(index, label, scores[label, row]),
    )


def _boxes(
    values: NDArray[np.float32],
    anchor: NDArray[np.intp],
    cell: NDArray[np.intp],
    spec: AnchorHead,
    columns: int,
) -> NDArray[np.float32]:
    """Boxes xyxy [k, 4] in network pixels from tx, ty, tw, th [4, k]."""
    corner = np.stack([cell % columns, cell // columns]).astype(np.float32)
    scale, shift = np.float32(spec.scale_xy), np.float32(0.5 * (spec.scale_xy - 1))
    anchors = np.array(spec.anchors, np.float32)[anchor].T
    with np.errstate(over="ignore", invalid="ignore"):
        if spec.new_coords:
            centre, sides = values[:2], np.square(values[2:] * 2) * anchors
        else:
            centre, sides = _sigmoid(values[:2]), np.exp(values[2:]) * anchors
        centre = (centre * scale - shift + corner) * np.float32(spec.stride)
        first = centre - sides / 2
        return np.concatenate([first, first + sides]).T


def _gather(parts: Sequence[_Part], geometry: Geometry, floor: float) -> Candidates:
    starts = np.cumsum([0, *(len(part.boxes) for part in parts)])
    pairs = Pairs(
        np.concatenate([part.pairs.row + at for part, at in zip(parts, starts, strict=False)]),
        np.concatenate([part.pairs.label for part in parts]),
        np.concatenate([part.pairs.score for part in parts]),
    )
    boxes = np.concatenate([part.boxes for part in parts])
    anchor = np.concatenate([part.anchor for part in parts])
    return Candidates.from_pairs(geometry.to_image(boxes), pairs, floor, geometry.source, anchor)


def _sigmoid(values: NDArray[np.float32]) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):
        return np.float32(1) / (np.float32(1) + np.exp(-values))


def _as_is(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return values
