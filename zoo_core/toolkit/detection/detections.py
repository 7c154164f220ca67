"""What a detector found: candidates before any protocol, detections after it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_core.errors import StageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Size = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Detections:
    """Settled detections of one image.

    `boxes` float32 [n, 4] xyxy in pixels of the image as read, `scores` float32 [n], `labels`
    int32 [n] index the card's labels. Raises `StageError` for other shapes or dtypes.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    labels: NDArray[np.int32]

    def __post_init__(self) -> None:
        count = len(self.scores)
        _check("Detections.boxes", self.boxes, np.float32, (count, 4))
        _check("Detections.scores", self.scores, np.float32, (count,))
        _check("Detections.labels", self.labels, np.int32, (count,))

    def __len__(self) -> int:
        return len(self.scores)

    def take(self, index: NDArray[Any]) -> Detections:
        """Those at an index array or a mask, in its order."""
        return Detections(self.boxes[index], self.scores[index], self.labels[index])

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Named arrays for the store."""
        return {"boxes": self.boxes, "scores": self.scores, "labels": self.labels}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Detections:
        """The inverse of `to_arrays`."""
        return cls(boxes=arrays["boxes"], scores=arrays["scores"], labels=arrays["labels"])

    @classmethod
    def empty(cls) -> Detections:
        """Nothing found."""
        return cls(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int32))


@dataclass(frozen=True, slots=True)
class Pairs:
    """Scored (row of a table of boxes, label) pairs, ordered by row, then label."""

    row: NDArray[np.intp]
    label: NDArray[np.intp]
    score: NDArray[np.float32]

    @classmethod
    def above(cls, table: NDArray[Any], floor: float) -> Pairs:
        """Those of a table of scores [N, C] strictly above the floor, compared in float32."""
        scores = np.ascontiguousarray(table, np.float32)
        flat = np.flatnonzero(scores.ravel() > np.float32(floor))
        row, label = np.divmod(flat, scores.shape[1])
        return cls(row, label, scores.ravel()[flat])


_COLUMNS = ("boxes", "anchor", "box", "label", "score")


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """All (box, label) pairs of one image that score above `floor`, before any protocol.

    `boxes` float32 [n, 4] xyxy in pixels of the image as read, each with at least one pair, not
    clipped; `anchor` int32 [n] is the box's row in the network's own output order, ascending.
    Pairs are `box` int32 [m] (index into `boxes`), `label` int32 [m], `score` float32 [m], ordered
    by box, then label. `suppressed` is (conf, iou) where a device already did per-class NMS.
    `size` is (height, width) of the image as read, where it is known; clipping needs it.
    `dropped` is the number of boxes that were left out because they are not finite.
    Raises `StageError` where the arrays do not fit together.
    """

    boxes: NDArray[np.float32]
    anchor: NDArray[np.int32]
    box: NDArray[np.int32]
    label: NDArray[np.int32]
    score: NDArray[np.float32]
    floor: float
    suppressed: tuple[float, float] | None = None
    size: Size | None = None
    dropped: int = 0

    def __post_init__(self) -> None:
        count, pairs = len(self.anchor), len(self.score)
        _check("Candidates.boxes", self.boxes, np.float32, (count, 4))
        _check("Candidates.anchor", self.anchor, np.int32, (count,))
        _check("Candidates.box", self.box, np.int32, (pairs,))
        _check("Candidates.label", self.label, np.int32, (pairs,))
        _check("Candidates.score", self.score, np.float32, (pairs,))
        if not pairs:
            return
        if self.box[0] < 0 or self.box[-1] >= count or (np.diff(self.box) < 0).any():
            raise StageError(
                f"Candidates.box must ascend within 0..{count - 1}", next="order pairs by box"
            )

    def __len__(self) -> int:
        return len(self.score)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Named arrays for the store; what is unknown becomes an empty array."""
        return {
            **{name: getattr(self, name) for name in _COLUMNS},
            "floor": np.array([self.floor], np.float64),
            "suppressed": np.array(self.suppressed or (), np.float64),
            "size": np.array(self.size or (), np.int64),
            "dropped": np.array([self.dropped], np.int64),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Candidates:
        """The inverse of `to_arrays`."""
        suppressed, size = arrays["suppressed"].tolist(), arrays["size"].tolist()
        columns: dict[str, Any] = {name: arrays[name] for name in _COLUMNS}
        return cls(
            **columns,
            floor=float(arrays["floor"][0]),
            suppressed=(suppressed[0], suppressed[1]) if suppressed else None,
            size=(size[0], size[1]) if size else None,
            dropped=int(arrays["dropped"][0]),
        )

    @classmethod
    def empty(cls, floor: float, size: Size | None = None) -> Candidates:
        """Nothing above the floor."""
        return cls.from_dense(np.zeros((0, 4)), np.zeros((0, 1)), floor, size)

    @classmethod
    def from_dense(
        cls, boxes: NDArray[Any], scores: NDArray[Any], floor: float, size: Size | None = None
    ) -> Candidates:
        """From every box xyxy [N, 4] (pixels of the image as read) and its scores [N, C].

        Keeps scores strictly above the floor, compared in float32. Boxes with a coordinate that is
        not finite are left out and counted: an overflowing exponential says nothing about a place.
        """
        if np.ndim(scores) != 2 or np.shape(boxes) != (len(scores), 4):
            raise StageError(f"boxes {np.shape(boxes)} do not go with scores {np.shape(scores)}")
        pairs = Pairs.above(scores, floor)
        return cls.from_pairs(np.asarray(boxes, np.float32), pairs, floor, size)

    @classmethod
    def from_pairs(
        cls,
        boxes: NDArray[np.float32],
        pairs: Pairs,
        floor: float,
        size: Size | None = None,
        anchor: NDArray[np.intp] | None = None,
    ) -> Candidates:
        """From pairs above the floor, whose rows are those of `boxes`.

        Leaves out boxes without a pair, and boxes that are not finite, which it counts. `anchor`
        gives each box's row in the network's output; by default it is the row itself.
        """
        row, label, score = pairs.row, pairs.label, pairs.score
        finite = np.asarray(np.isfinite(boxes).all(axis=1))
        dropped = 0
        if not finite.all():
            fine = finite[row]
            dropped = len(np.unique(row[~fine]))
            row, label, score = row[fine], label[fine], score[fine]
        first = firsts(row)
        used = row[first]
        return cls(
            boxes=boxes[used],
            anchor=(used if anchor is None else anchor[used]).astype(np.int32),
            box=(np.cumsum(first) - 1).astype(np.int32),
            label=label.astype(np.int32),
            score=score,
            floor=floor,
            size=size,
            dropped=dropped,
        )


def firsts(row: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Where a new number begins in an ascending array."""
    first = np.ones(len(row), bool)
    np.not_equal(row[1:], row[:-1], out=first[1:])
    return first


def _check(name: str, array: Any, dtype: Any, shape: tuple[int, ...]) -> None:
    actual = getattr(array, "dtype", type(array).__name__)
    if actual != dtype or array.shape != shape:
        expected = f"{np.dtype(dtype)} {list(shape)}"
        raise StageError(f"{name} is {actual} {list(np.shape(array))}, not {expected}")
