"""The decoder `yolo-end-to-end`: boxes that the file itself has chosen, with or without NMS."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_core.errors import StageError, UsageError, check_known
from zoo_core.toolkit.detection import Candidates
from zoo_core.toolkit.detection.decoding import labels_of, shapes_told
from zoo_core.toolkit.detection.detections import Pairs
from zoo_yolo.outlines import PROTOCOL, is_task, names_of, recognition

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from zoo_core.api import Arrays, Decode, FileOutline, Recognition
    from zoo_core.vision import Geometry

    Floats = NDArray[np.float32]

NAME = "yolo-end-to-end"
THRESHOLDS = ("conf", "iou")
_MOST = 1.001
"""A score that rounding took above 1 is still one."""
_COLUMNS, _WITH_IMAGE = 6, 7
_COCO = 80
_NAMES = ("num_dets", "det_boxes", "det_scores", "det_classes")
_KEPT = ("conf", "box_labels", "max_detections")


class EndToEndDecoder:
    """Decodes chosen boxes, in network pixels.

    Either one output [n, 6]: x1, y1, x2, y2, score, label (YOLOv10, YOLO26, Ultralytics' nms=True);
    or four: the number of boxes [1], boxes [n, 4], scores [n], labels [n] (TensorRT's EfficientNMS
    in exports of YOLOv6 and v7); or one [n, 7]: image, x1, y1, x2, y2, label, score. `conf` and
    `iou` say, both or neither, at which thresholds the file did NMS for each class; a protocol of a
    lower conf is then refused.
    """

    task = "detection"

    def bind(self, params: Mapping[str, Any], classes: int, floor: float) -> Decode:
        """The decode function; raises `UsageError` for wrong parameters."""
        check_known(params, THRESHOLDS, "decoder_params")
        suppressed = thresholds(params)

        def decode(outputs: Arrays, geometry: Geometry) -> Arrays:
            chosen = Chosen.read(outputs)
            boxes = geometry.to_image(chosen.boxes)
            found = chosen.candidates(boxes, classes, floor, geometry)
            return replace(found, suppressed=suppressed).to_arrays()

        return decode

    def recognise(self, outline: FileOutline) -> Recognition | None:
        """One output 1xnx6, or the four of EfficientNMS by their names or shapes."""
        if not is_task(outline, "detect"):
            return None
        shapes = [spec.shape for spec in outline.outputs]
        is_rows = [(shape[-1:], len(shape)) for shape in shapes] == [((_COLUMNS,), 3)]
        names = [spec.name for spec in outline.outputs]
        if not is_rows and _four(names, [shape[1:] for shape in shapes]) is None:
            return None
        what = " and ".join(spec.told for spec in outline.outputs)
        chosen = (
            "without NMS" if outline.metadata.get("end2end") == "True" else "by the file itself"
        )
        classes = names_of(outline)
        lacking = "" if classes else f"; their number of classes is not stated, {_COCO} are assumed"
        why = f"{what}: boxes, scores and labels, chosen {chosen}{lacking}"
        protocol = {**{key: PROTOCOL[key] for key in _KEPT}, "nms_kind": "none"}
        return recognition(outline, why, {}, classes or _COCO, protocol)


@dataclass(frozen=True, slots=True)
class Chosen:
    """Boxes that a file chose: float32 `boxes` [n, 4], `scores` [n], `labels` [n], `extras` [n, E].

    Extras stand after the label.
    """

    boxes: Floats
    scores: Floats
    labels: Floats
    extras: Floats

    @classmethod
    def of(cls, table: NDArray[Any]) -> Chosen:
        """From rows of 4 sides, score, label and extras, [n, 6 + E]."""
        rows = np.asarray(table, np.float32)
        return cls(rows[:, :4], rows[:, 4], rows[:, 5], rows[:, _COLUMNS:])

    @classmethod
    def read(cls, outputs: Arrays) -> Chosen:
        """From a detector's outputs; raises `StageError` for those of another form."""
        arrays = list(outputs.values())
        none = np.zeros((0, 0), np.float32)
        if len(arrays) == 1 and arrays[0].ndim == 2:
            rows = np.asarray(arrays[0], np.float32)
            if rows.shape[1] == _COLUMNS:
                return cls.of(rows)
            if rows.shape[1] == _WITH_IMAGE:
                return cls(rows[:, 1:5], rows[:, 6], rows[:, 5], none)
        places = _four(list(outputs), [array.shape for array in arrays])
        if places is None:
            given = shapes_told(outputs)
            what = f"outputs are neither [n, 6], nor [n, 7], nor those of EfficientNMS: {given}"
            step = "export the file with boxes inside, or choose another decoder"
            raise StageError(what, where=f"decoder {NAME}", next=step)
        count, *others = (arrays[place] for place in places)
        stop = int(np.clip(np.ravel(count)[0], 0, len(others[0])))
        boxes, scores, labels = (np.asarray(each, np.float32)[:stop] for each in others)
        return cls(boxes, scores, labels, none)

    def candidates(
        self, boxes: Floats, classes: int, floor: float, geometry: Geometry
    ) -> Candidates:
        """Those above the floor, with boxes xyxy [n, 4] that were placed in the image.

        Raises `StageError` for a score above 1, and for a label that the model does not have.
        """
        scores = self.scores
        with np.errstate(invalid="ignore"):
            above = scores[scores > np.float32(_MOST)]
            keep = np.flatnonzero(scores > np.float32(floor))
        if above.size:
            what = f"the file gives the score {above.max():g}, and scores end at 1"
            step = "see that a row is x1, y1, x2, y2, score, label and that int8 has left scores "
            step += "whole, or choose another decoder (--decoder, or the card's)"
            raise StageError(what, where=f"decoder {NAME}", next=step)
        labels = labels_of(self.labels[keep], classes, NAME)
        pairs = Pairs(keep, labels, np.minimum(scores[keep], 1))
        return Candidates.from_pairs(boxes, pairs, floor, geometry.source)


def thresholds(params: Mapping[str, Any]) -> tuple[float, float] | None:
    """(conf, iou) at which the file did NMS, from a card's parameters; None where it did none.

    Raises `UsageError` for one without the other, and for values out of range.
    """
    where = "decoder_params"
    given = {key: params[key] for key in THRESHOLDS if key in params}
    for key, value in given.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not 0 <= value <= 1:
            raise UsageError(f"must lie within 0..1, not {value!r}", where=f"{where}.{key}")
    if len(given) == 1:
        what = f"gives '{next(iter(given))}' alone"
        raise UsageError(what, where=where, next="give conf and iou, or neither")
    return (float(given["conf"]), float(given["iou"])) if given else None


def _four(names: list[str], shapes: list[tuple[Any, ...]]) -> tuple[int, int, int, int] | None:
    """Where number, boxes, scores and labels are, by their usual names or by their shapes.

    By shape, scores come before labels, as in the plugin EfficientNMS.
    """
    if sorted(names) == sorted(_NAMES):
        number, box, score, label = (names.index(name) for name in _NAMES)
        return number, box, score, label
    if len(shapes) != 4:
        return None
    boxes = [at for at, shape in enumerate(shapes) if len(shape) == 2 and shape[1] == 4]
    flat = [at for at, shape in enumerate(shapes) if len(shape) == 1]
    if len(boxes) != 1 or len(flat) != 3:
        return None
    number = next((at for at in flat if shapes[at] == (1,)), flat[0])
    scores, labels = (at for at in flat if at != number)
    return number, boxes[0], scores, labels
