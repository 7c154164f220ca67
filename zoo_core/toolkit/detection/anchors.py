"""The decode of YOLO's anchor-box heads, and of graphs that have it inside."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_core.errors import UsageError
from zoo_core.toolkit.detection.detections import Candidates, Pairs, firsts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from zoo_core.vision.geometry import Geometry

    Floats = NDArray[np.float32]

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
        raise UsageError(
            f"the network gives {len(heads)} heads, {len(specs)} are described",
            where="decoder_params",
            next="describe each head, in the order of the network's outputs",
        )
    cells = _cells(heads, specs, classes, geometry, np.float32(floor))
    raw = cells.values[_BOX_AND_OBJECT:]
    scores = _either(cells.new, lambda: raw, lambda: _sigmoid(raw)) * cells.objects
    above = np.ascontiguousarray((scores > np.float32(floor)).T)
    row, label = np.divmod(np.flatnonzero(above), len(scores))
    first = firsts(row)
    used = row[first]
    pairs = Pairs(np.cumsum(first) - 1, label, scores[label, row])
    boxes = geometry.to_image(_boxes(cells, used, specs))
    return Candidates.from_pairs(boxes, pairs, floor, geometry.source, cells.row[used])


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


def _maps(head: NDArray[Any], spec: AnchorHead, classes: int, geometry: Geometry) -> Floats:
    """A head as float32 [A, 5 + classes, cells]."""
    height, width = (side // spec.stride for side in geometry.network)
    expected = (len(spec.anchors) * (_BOX_AND_OBJECT + classes), height, width)
    if head.shape != expected:
        raise UsageError(
            f"a head of shape {list(head.shape)} where {list(expected)} is due: "
            f"{len(spec.anchors)} anchors, {classes} classes, stride {spec.stride}"
        )
    return np.asarray(head, np.float32).reshape(
        len(spec.anchors), _BOX_AND_OBJECT + classes, height * width
    )


@dataclass(frozen=True, slots=True)
class _Cells:
    """The k anchors of cells, of all heads, that may hold something: what was said, and where.

    `values` is raw [5 + classes, k], `objects` [k] the object scores, `new` [k] whether the head
    has new_coords, `anchor` [k] counts the anchors of all heads, `corner` [2, k] is the column and
    row in the head's grid, `row` [k] the place in the network's whole output.
    """

    values: Floats
    objects: Floats
    new: NDArray[np.bool_]
    anchor: NDArray[np.intp]
    corner: Floats
    row: NDArray[np.intp]


def _cells(
    heads: Sequence[NDArray[Any]],
    specs: Sequence[AnchorHead],
    classes: int,
    geometry: Geometry,
    floor: np.float32,
) -> _Cells:
    """Those whose object score is above the floor, in the order of the network's output."""
    values, objects, places = [], [], []
    anchors = rows = 0
    for head, spec in zip(heads, specs, strict=True):
        maps = _maps(head, spec, classes, geometry)
        scores = maps[:, 4] if spec.new_coords else _sigmoid(maps[:, 4])
        above = scores > floor
        taken = zip(maps, above, strict=True)
        values += [plane.take(np.flatnonzero(which), axis=1) for plane, which in taken]
        objects.append(scores[above])
        anchor, cell = np.nonzero(above)
        down, across = np.divmod(cell, head.shape[-1])
        new = np.full(len(cell), spec.new_coords)
        row = rows + anchor * maps.shape[2] + cell
        places.append(np.stack([new, anchors + anchor, across, down, row]))
        anchors += len(maps)
        rows += len(maps) * maps.shape[2]
    new, anchor, across, down, row = np.concatenate(places, axis=1)
    return _Cells(
        values=np.concatenate(values, axis=1),
        objects=np.concatenate(objects),
        new=new.astype(bool),
        anchor=anchor,
        corner=np.stack([across, down]).astype(np.float32),
        row=row,
    )


def _boxes(cells: _Cells, used: NDArray[np.intp], specs: Sequence[AnchorHead]) -> Floats:
    """Boxes xyxy [n, 4] in network pixels of the cells at `used` [n]."""
    values, anchor, new = cells.values[:4, used], cells.anchor[used], cells.new[used]
    facts = [
        (s.scale_xy, 0.5 * (s.scale_xy - 1), s.stride, *sides) for s in specs for sides in s.anchors
    ]
    scale, shift, stride, *anchors = np.array(facts, np.float32)[anchor].T
    with np.errstate(over="ignore", invalid="ignore"):
        centre = _either(new, lambda: values[:2], lambda: _sigmoid(values[:2]))
        grown = _either(new, lambda: np.square(values[2:] * 2), lambda: np.exp(values[2:]))
        sides = grown * np.stack(anchors)
        centre = (centre * scale - shift + cells.corner[:, used]) * stride
        first = centre - sides / 2
        return np.concatenate([first, first + sides]).T


def _either(
    new: NDArray[np.bool_], one: Callable[[], Floats], other: Callable[[], Floats]
) -> Floats:
    """By column, `one` where `new` holds and `other` elsewhere; what is nowhere is not computed."""
    if not new.any():
        return other()
    return one() if new.all() else np.where(new, one(), other())


def _sigmoid(values: Floats) -> Floats:
    with np.errstate(over="ignore"):
        return np.float32(1) / (np.float32(1) + np.exp(-values))
