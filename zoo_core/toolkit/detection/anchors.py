"""The decode of YOLO's anchor-box heads, and of graphs that have it inside."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_core.errors import UsageError
from zoo_core.toolkit.detection.decoding import sigmoid
from zoo_core.toolkit.detection.detections import Candidates, Pairs, firsts
from zoo_core.vision.geometry import cxcywh_to_xyxy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from zoo_core.vision.geometry import Geometry

    Floats = NDArray[np.float32]

_BOX_AND_OBJECT = 5


@dataclass(frozen=True, slots=True)
class AnchorHead:
    """One output map: its `stride`, its `anchors` (width, height) in network pixels.

    `scale_xy` widens the range of a centre within its cell. With `squares` (YOLOv5 and later) sides
    grow as a square instead of an exponential. With `new_coords` (Scaled-YOLOv4) they do too, and
    the network's last layer has applied the logistic function already.
    """

    stride: int
    anchors: tuple[tuple[float, float], ...]
    scale_xy: float = 1.0
    new_coords: bool = False
    squares: bool = False


def decode_heads(
    heads: Sequence[NDArray[Any]],
    specs: Sequence[AnchorHead],
    classes: int,
    geometry: Geometry,
    floor: float,
) -> Candidates:
    """Candidates of one image from raw heads, in the order of `specs`.

    A head is [A * (5 + classes), Hg, Wg] or [A, Hg, Wg, 5 + classes]. Per anchor the values are tx,
    ty, tw, th, object, classes. With s = scale_xy:
    x = (sigmoid(tx) * s - (s - 1) / 2 + column) * stride, w = exp(tw) * anchor width, likewise y
    and h; new_coords: x without the sigmoid, w = (2 tw)^2 * anchor width, and scores as they are
    (AlexeyAB/darknet, yolo_layer.c); squares: w = (2 sigmoid(tw))^2 * anchor width
    (ultralytics/yolov5, models/yolo.py). score = sigmoid(object) * sigmoid(class). A box's row is
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
    above = np.ascontiguousarray((cells.scores > np.float32(floor)).T)
    row, label = np.divmod(np.flatnonzero(above), len(cells.scores))
    first = firsts(row)
    used = row[first]
    pairs = Pairs(np.cumsum(first) - 1, label, cells.scores[label, row])
    boxes = geometry.to_image(_boxes(cells, used, specs))
    return Candidates.from_pairs(boxes, pairs, floor, geometry.source, cells.row[used])


def decode_rows(
    boxes: NDArray[Any], scores: NDArray[Any], geometry: Geometry, floor: float
) -> Candidates:
    """Candidates of one image from rows: boxes cxcywh [n, 4] in network pixels, scores [n, 1 + C].

    The first score is the object's; a class scores object * class. Scores are cut to 0..1: they end
    there, and what an integer network rounds beyond is none.
    """
    sure = np.flatnonzero(np.minimum(scores[:, 0], 1) > np.float32(floor))
    kept = np.clip(np.asarray(scores[sure], np.float32), 0, 1)
    with np.errstate(over="ignore", invalid="ignore"):
        places = cxcywh_to_xyxy(np.asarray(boxes[sure], np.float32))
        found = geometry.to_image(places)
    pairs = Pairs.above(kept[:, :1] * kept[:, 1:], floor)
    return Candidates.from_pairs(found, pairs, floor, geometry.source, sure)


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
    """A head as float32 [A, 5 + classes, cells]; a view where the values come last."""
    height, width = (side // spec.stride for side in geometry.network)
    anchors, values = len(spec.anchors), _BOX_AND_OBJECT + classes
    expected = (anchors * values, height, width)
    if head.shape == (anchors, height, width, values):
        last = np.asarray(head, np.float32).reshape(anchors, height * width, values)
        return last.transpose(0, 2, 1)
    if head.shape != expected:
        raise UsageError(
            f"a head of shape {list(head.shape)} where {list(expected)} is due: "
            f"{anchors} anchors, {classes} classes, stride {spec.stride}"
        )
    return np.asarray(head, np.float32).reshape(anchors, values, height * width)


@dataclass(frozen=True, slots=True)
class _Cells:
    """The k anchors of cells, of all heads, that may hold something: what was said, and where.

    `boxes` [4, k] are the place of the centre within its cell, 0..1, and the factors of the
    anchor's sides; `scores` [classes, k]. `anchor` [k] counts the anchors of all heads, `corner`
    [2, k] is the column and row in the head's grid, `row` [k] the place in the network's whole
    output.
    """

    boxes: Floats
    scores: Floats
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
    said, places = [], []
    anchors = rows = 0
    for head, spec in zip(heads, specs, strict=True):
        maps = _maps(head, spec, classes, geometry)
        objects = maps[:, 4] if spec.new_coords else sigmoid(maps[:, 4])
        anchor, cell = np.nonzero(objects > floor)
        chosen = [_columns(plane, cell[anchor == number]) for number, plane in enumerate(maps)]
        said.append(_applied(np.concatenate(chosen, axis=1), spec))
        down, across = np.divmod(cell, geometry.network[1] // spec.stride)
        row = rows + anchor * maps.shape[2] + cell
        places.append(np.stack([anchors + anchor, across, down, row]))
        anchors += len(maps)
        rows += len(maps) * maps.shape[2]
    anchor, across, down, row = np.concatenate(places, axis=1)
    return _Cells(
        boxes=np.concatenate([boxes for boxes, _ in said], axis=1),
        scores=np.concatenate([scores for _, scores in said], axis=1),
        anchor=anchor,
        corner=np.stack([across, down]).astype(np.float32),
        row=row,
    )


def _columns(plane: Floats, places: NDArray[np.intp]) -> Floats:
    """Some columns, without a copy of all where the plane lies by columns."""
    if plane.flags.c_contiguous:
        return plane.take(places, axis=1)
    return plane.T.take(places, axis=0).T


def _applied(raw: Floats, spec: AnchorHead) -> tuple[Floats, Floats]:
    """Boxes [4, k] and scores [classes, k], as `_Cells` has them, of raw [5 + classes, k]."""
    with np.errstate(over="ignore", invalid="ignore"):
        shares = raw if spec.new_coords else sigmoid(raw)
        squares = spec.new_coords or spec.squares
        sides = np.square(shares[2:4] * 2) if squares else np.exp(raw[2:4])
        return np.concatenate([shares[:2], sides]), shares[_BOX_AND_OBJECT:] * shares[4]


def _boxes(cells: _Cells, used: NDArray[np.intp], specs: Sequence[AnchorHead]) -> Floats:
    """Boxes xyxy [n, 4] in network pixels of the cells at `used` [n]."""
    values = cells.boxes[:, used]
    facts = [
        (s.scale_xy, 0.5 * (s.scale_xy - 1), s.stride, *sides) for s in specs for sides in s.anchors
    ]
    scale, shift, stride, *anchors = np.array(facts, np.float32)[cells.anchor[used]].T
    with np.errstate(over="ignore", invalid="ignore"):
        sides = values[2:] * np.stack(anchors)
        centre = (values[:2] * scale - shift + cells.corner[:, used]) * stride
        first = centre - sides / 2
        return np.concatenate([first, first + sides]).T
