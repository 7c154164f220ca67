"""The decoders of anchor boxes: RetinaNet as three repositories have it, and YOLOF."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_core.api import Recognition
from zoo_core.toolkit.detection import Candidates
from zoo_core.toolkit.detection.decoding import labels_of, sigmoid
from zoo_core.toolkit.detection.detections import Pairs
from zoo_core.vision.geometry import clip_boxes
from zoo_dense.anchors import AnchorRules
from zoo_dense.heads import levels

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from zoo_core.api import Arrays, Decode, FileOutline
    from zoo_core.vision import Geometry
    from zoo_dense.heads import Level

    Floats = NDArray[np.float32]

_FILL = -1


@dataclass(slots=True)
class AnchorDecoder:
    """Decodes scores and deltas of anchor boxes by the rules of `AnchorRules`.

    `defaults` are a family's parameters, which a card's go before. `preprocess` and `protocol` are
    what the family's repository uses, for a file that no card describes.
    """

    name: str
    defaults: Mapping[str, Any]
    preprocess: tuple[Mapping[str, Any], ...]
    protocol: Mapping[str, Any]
    task: str = "detection"

    def bind(self, params: Mapping[str, Any], classes: int, floor: float) -> Decode:
        """The decode function; raises `UsageError` for wrong parameters."""
        rules = AnchorRules.read(params, self.defaults)

        def decode(outputs: Arrays, geometry: Geometry) -> Arrays:
            finished = _finished(outputs)
            if finished is not None:
                boxes, scores = geometry.to_image(finished[0]), finished[1]
                labels = finished[2], classes, self.name
                return _dense(boxes, scores, labels, floor, geometry).to_arrays()
            found = levels(outputs, rules, geometry.network, classes, self.name)
            grids = rules.grids(geometry.network)
            parts = [
                _level(rules, number, level, grids[number], floor, geometry)
                for number, level in enumerate(found)
            ]
            return _gathered(parts, [len(one.boxes) for one in found], floor, geometry).to_arrays()

        return decode

    def recognise(self, outline: FileOutline) -> Recognition | None:
        """Maps of every level, in number and size those of the family's strides.

        Maps are a network's last convolutions: they hold logits, whatever rows hold.
        """
        rules = AnchorRules.read({}, self.defaults)
        grids = rules.grids(outline.size)
        shapes = [output.shape[1:] for output in outline.outputs]
        widths = {shape[0] for shape in shapes if len(shape) == 3} - {rules.each * 4, rules.each}
        if len(widths) != 1:
            return None
        (channels,) = widths
        if not isinstance(channels, int) or channels % rules.each:
            return None
        maps = [(width, *grid) for grid in grids for width in (channels, rules.each * 4)]
        left = [shape for shape in shapes if shape not in maps]
        extra = [(rules.each, *grid) for grid in grids] if len(grids) == 1 else []
        if sorted(shape for shape in shapes if shape in maps) != sorted(maps) or left not in (
            [],
            extra,
        ):
            return None
        classes = channels // rules.each
        rows, columns = grids[0]
        why = (
            f"maps {channels}x{rows}x{columns} and {rules.each * 4}x{rows}x{columns}: {classes} "
            f"scores and 4 deltas for {rules.each} anchors in each cell of strides "
            f"{', '.join(map(str, rules.strides))}"
        )
        return Recognition(
            why=why,
            params={"scores": "logits"},
            classes=classes,
            preprocess=sized(self.preprocess, outline.size),
            protocol=self.protocol,
        )


@dataclass(frozen=True, slots=True)
class _Part:
    """A level's pairs: their rows within the level, labels, scores and boxes in image pixels."""

    row: NDArray[np.intp]
    label: NDArray[np.intp]
    score: Floats
    boxes: Floats


def _level(
    rules: AnchorRules,
    number: int,
    level: Level,
    grid: tuple[int, int],
    floor: float,
    geometry: Geometry,
) -> _Part:
    row, label, score = _scored(rules, level, floor)
    if rules.top is not None and len(score) > rules.top:
        best = np.argsort(-score, kind="stable")[: rules.top]
        row, label, score = row[best], label[best], score[best]
    with np.errstate(over="ignore", invalid="ignore"):
        boxes = level.boxes[row]
        if not rules.decoded:
            anchors = rules.placed(number, row, grid, geometry.network)
            boxes = rules.moved(anchors, boxes)
        if rules.clip == "network":
            height, width = geometry.network
            low = np.maximum(boxes[:, :2], 0)
            high = np.minimum(boxes[:, 2:], np.array([width, height], np.float32))
            boxes = np.concatenate([low, high], axis=1)
        boxes = geometry.to_image(boxes)
    if rules.clip == "image":
        boxes = clip_boxes(boxes, geometry.source)
    if rules.clip != "none":
        empty = (boxes[:, 2:] <= boxes[:, :2]).any(axis=1)
        row, label, score, boxes = row[~empty], label[~empty], score[~empty], boxes[~empty]
    return _Part(row, label, score, boxes)


def _scored(
    rules: AnchorRules, level: Level, floor: float
) -> tuple[NDArray[np.intp], NDArray[np.intp], Floats]:
    """Row, label and score of the pairs above the floor.

    Logits far below it are left out first; most of a network's are.
    """
    if rules.scores == "probabilities":
        row, label, score = level.above(floor)
        return row, label, np.minimum(score, np.float32(1))
    with np.errstate(divide="ignore"):
        limit = float(np.log(floor) - np.log1p(-floor)) - 1e-3
    row, label, logit = level.above(limit)
    score = sigmoid(logit)
    above = score > np.float32(floor)
    return row[above], label[above], score[above]


def _gathered(
    parts: list[_Part], counts: list[int], floor: float, geometry: Geometry
) -> Candidates:
    """Candidates of all levels; a box's row counts through the levels."""
    starts = np.cumsum([0, *counts[:-1]])
    row = np.concatenate([part.row + start for part, start in zip(parts, starts, strict=True)])
    label, score, boxes = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("label", "score", "boxes")
    )
    order = np.lexsort((label, row))
    used, first, place = np.unique(row[order], return_index=True, return_inverse=True)
    pairs = Pairs(place, label[order], score[order])
    return Candidates.from_pairs(boxes[order][first], pairs, floor, geometry.source, used)


def _finished(outputs: Arrays) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]] | None:
    """Boxes, scores and labels of a file with NMS inside: [m, 5] and [m], as MMDeploy exports."""
    arrays = list(outputs.values())
    if sorted(array.ndim for array in arrays) != [1, 2]:
        return None
    labels, rows = sorted(arrays, key=lambda array: array.ndim)
    if rows.shape != (len(labels), 5):
        return None
    return rows[:, :4], rows[:, 4], labels


def _dense(
    boxes: Floats,
    scores: NDArray[Any],
    labels: tuple[NDArray[Any], int, str],
    floor: float,
    geometry: Geometry,
) -> Candidates:
    """Those above the floor; `labels` are given, with the number of classes and the decoder.

    Rows of label -1 only fill up.
    """
    given, classes, name = labels
    with np.errstate(invalid="ignore"):
        row = np.flatnonzero((scores > np.float32(floor)) & (given != _FILL))
    kept = np.minimum(scores[row], 1).astype(np.float32)
    pairs = Pairs(row, labels_of(given[row], classes, name), kept)
    return Candidates.from_pairs(boxes, pairs, floor, geometry.source)


def sized(
    steps: tuple[Mapping[str, Any], ...], size: tuple[int, int]
) -> tuple[Mapping[str, Any], ...]:
    """The same steps with the resize to this (height, width)."""
    return tuple({**step, "size": list(size)} if step["op"] == "resize" else step for step in steps)
