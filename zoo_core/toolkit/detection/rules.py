"""The choices of a detection protocol, and what they make of an image's candidates."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
from math import inf
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from zoo_core.errors import UsageError, check_known, check_one_of
from zoo_core.toolkit.detection.detections import Detections
from zoo_core.toolkit.detection.nms import KINDS, nms, ranked
from zoo_core.vision.geometry import DARKNET_EXPONENT, clip_boxes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from zoo_core.toolkit.detection.detections import Candidates

    Suppress = Callable[[NDArray[Any], NDArray[np.float32], NDArray[Any], float], NDArray[np.intp]]

BoxLabels = Literal["best", "multi"]
BOX_LABELS = ("best", "multi")
Suppression = Literal["iou", "diou", "none"]


@dataclass(frozen=True, slots=True)
class DetectionRules:
    """What a protocol lets through.

    Scores must be above `conf`, strictly. `box_labels`: `best` keeps a box's highest label (the
    first on ties), `multi` every label above conf. NMS is per class, at overlap > `nms` of
    `nms_kind`; for `diou`, `beta_nms` is the exponent of the distance (see `diou`). With `none`
    there is no NMS: it needs no `nms` and does not read one. The `max_detections` highest scores
    stay (None: all); of these, those of at least `min_output_score`. Boxes are then cut to the
    image (`clip`) and rounded to whole pixels (`round_boxes`). Raises `UsageError` for values out
    of range.
    """

    conf: float
    nms: float | None = None
    nms_kind: Suppression = "iou"
    box_labels: BoxLabels = "best"
    max_detections: int | None = None
    clip: bool = False
    min_output_score: float | None = None
    round_boxes: bool = False
    beta_nms: float = DARKNET_EXPONENT

    def __post_init__(self) -> None:
        for name in ("conf", "nms", "min_output_score"):
            _check_fraction(name, getattr(self, name), optional=name != "conf")
        check_one_of("nms_kind", self.nms_kind, (*KINDS, "none"))
        if self.nms is None and self.nms_kind != "none":
            raise _missing("nms")
        check_one_of("box_labels", self.box_labels, BOX_LABELS)
        if not _is_number(self.beta_nms) or not 0 <= self.beta_nms < inf:
            raise UsageError(f"beta_nms must be a number of at least 0, not {self.beta_nms!r}")
        most = self.max_detections
        if most is not None and (type(most) is not int or most < 1):
            raise UsageError(f"max_detections must be 1 or more, not {most!r}")
        for name in ("clip", "round_boxes"):
            if type(getattr(self, name)) is not bool:
                raise UsageError(f"{name} must be true or false, not {getattr(self, name)!r}")

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> DetectionRules:
        """From a protocol's values; raises `UsageError` for an unknown or missing one."""
        known = {field.name: field.default is MISSING for field in fields(cls)}
        check_known(values, known, "protocol")
        for name, required in known.items():
            if required and name not in values:
                raise _missing(name)
        return cls(**values)


def postprocess(candidates: Candidates, rules: DetectionRules) -> Detections:
    """The detections that the rules leave, by descending score (of equal ones the earlier first).

    Where a device already did NMS at an IoU threshold no higher than the rules', there is nothing
    left to suppress (a DIoU is never above the IoU); at a lower one NMS is done again. Raises
    `UsageError` where the rules ask for scores that the candidates no longer hold, or for clipping
    where the image's size is unknown.
    """
    return settle(candidates, rules)[0]


def settle(
    candidates: Candidates, rules: DetectionRules, suppress: Suppress | None = None
) -> tuple[Detections, NDArray[np.intp]]:
    """What `postprocess` returns, and the row of `candidates.boxes` of each detection.

    With the rows a task takes along what else it has of a box. `suppress` does NMS in another way:
    it gets rows, scores, labels and the threshold and returns the indices that survive, by
    descending score.
    """
    _check_floor(candidates, rules)
    chosen = _chosen(candidates, rules)
    rows = candidates.box[chosen]
    scores, labels = candidates.score[chosen], candidates.label[chosen]
    kind, most, done = rules.nms_kind, rules.nms, candidates.suppressed
    if kind == "none" or most is None or (done is not None and most >= done[1]):
        order = ranked(scores)
    elif suppress is not None:
        order = suppress(rows, scores, labels, most)
    else:
        boxes = candidates.boxes[rows]
        order = nms(boxes, scores, labels, most, kind, rules.beta_nms)
    order = order[: rules.max_detections]
    if rules.min_output_score is not None:
        order = order[scores[order] >= np.float32(rules.min_output_score)]
    placed = _placed(candidates.boxes[rows[order]], candidates, rules)
    return Detections(placed, scores[order], labels[order]), rows[order].astype(np.intp)


def _missing(name: str) -> UsageError:
    step = f"give --{name} FRACTION, or a --protocol that states it"
    return UsageError(f"the protocol gives no '{name}'", next=step)


def _check_floor(candidates: Candidates, rules: DetectionRules) -> None:
    floor = max(candidates.floor, candidates.suppressed[0] if candidates.suppressed else 0.0)
    if rules.conf < floor:
        raise UsageError(
            f"conf {rules.conf:g} is below {floor:g}, the lowest score that was kept",
            next=f"use a conf of at least {floor:g}, or predict again with a lower floor",
        )


def _chosen(candidates: Candidates, rules: DetectionRules) -> NDArray[np.intp]:
    above = np.flatnonzero(candidates.score > np.float32(rules.conf))
    if rules.box_labels == "multi" or not above.size:
        return above
    box, score = candidates.box[above], candidates.score[above]
    start = np.flatnonzero(np.diff(box, prepend=-1))
    lengths = np.diff(start, append=len(box))
    best = np.flatnonzero(score == np.maximum.reduceat(score, start).repeat(lengths))
    first = best[np.diff(box[best], prepend=-1) != 0]
    return np.asarray(above[first], np.intp)


def _placed(
    boxes: NDArray[np.float32], candidates: Candidates, rules: DetectionRules
) -> NDArray[np.float32]:
    if rules.clip:
        if candidates.size is None:
            raise UsageError("boxes cannot be clipped: the image's size is unknown")
        boxes = clip_boxes(boxes, candidates.size)
    return np.rint(boxes) if rules.round_boxes else boxes


def _check_fraction(name: str, value: Any, optional: bool) -> None:
    if not (optional and value is None) and not (_is_number(value) and 0 <= value <= 1):
        raise UsageError(f"{name} must lie within 0..1, not {value!r}")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
