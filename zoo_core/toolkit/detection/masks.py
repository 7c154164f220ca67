"""Instance segmentation: boxes with masks, before and after a protocol."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_core.errors import StageError, UsageError
from zoo_core.toolkit.detection.detections import Candidates, Detections
from zoo_core.toolkit.detection.rules import settle
from zoo_core.vision.resample import bilinear_places

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from zoo_core.toolkit.detection.rules import DetectionRules
    from zoo_core.vision.geometry import Geometry

    Size = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskCandidates:
    """The boxes of one image with what their masks are made of; task `instance-segmentation`.

    `found` are boxes, scores and labels as in detection. `coefficients` float32 [n, k] has a row
    for each of `found.boxes`, and `prototypes` float32 [k, h, w] are maps that all boxes share: a
    pixel belongs to a box's mask where it lies in the box and coefficients @ prototypes is above 0.
    `place` float64 [4] is (scale x, scale y, offset x, offset y) with prototype = image * scale +
    offset, where pixel i of either covers i to i + 1. Masks are made of the boxes that a protocol
    leaves, not of all candidates: at 160 x 160 and k = 32 an image takes 3.3 MB in the store.
    Raises `StageError` where the arrays do not fit together.
    """

    found: Candidates
    coefficients: NDArray[np.float32]
    prototypes: NDArray[np.float32]
    place: NDArray[np.float64]

    def __post_init__(self) -> None:
        count, shape = len(self.found.boxes), np.shape(self.prototypes)
        if len(shape) != 3 or not all(shape):
            raise StageError(f"prototypes are {list(shape)}, not maps [k, h, w]")
        wanted = {"coefficients": (count, shape[0]), "place": (4,)}
        for name, size in wanted.items():
            given = np.shape(getattr(self, name))
            if given != size:
                raise StageError(f"{name} are {list(given)}, not {list(size)}")
        if self.found.size is None:
            raise StageError("masks need the image's size: give Candidates a size")

    @classmethod
    def placed(
        cls,
        found: Candidates,
        coefficients: NDArray[Any],
        prototypes: NDArray[Any],
        geometry: Geometry,
    ) -> MaskCandidates:
        """From what the network gives: `coefficients` [N, k] has a row for each box of its output.

        `found` are candidates whose `anchor` is the row in that output. The prototypes [k, h, w]
        cover the whole input of the network, edge to edge.
        """
        maps = np.ascontiguousarray(prototypes, np.float32)
        if maps.ndim != 3:
            raise StageError(f"prototypes are {list(maps.shape)}, not maps [k, h, w]")
        height, width = geometry.network
        share = np.array([maps.shape[2] / width, maps.shape[1] / height])
        place = np.concatenate([share * geometry.scale, share * geometry.offset])
        own = np.asarray(coefficients, np.float32)[found.anchor]
        return cls(found=found, coefficients=own, prototypes=maps, place=place)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Named arrays for the store."""
        return {
            **self.found.to_arrays(),
            "coefficients": self.coefficients,
            "prototypes": self.prototypes,
            "place": self.place,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> MaskCandidates:
        """The inverse of `to_arrays`."""
        own = {name: arrays[name] for name in ("coefficients", "prototypes", "place")}
        return cls(found=Candidates.from_arrays(arrays), **own)

    def settle(self, rules: DetectionRules) -> Instances:
        """The instances that the rules leave; NMS goes by the boxes, as in detection.

        A mask is cut by the box as the rules leave it. Raises `UsageError` as `postprocess` does.
        """
        detections, rows = settle(self.found, rules)
        size = self.found.size
        if size is None:  # checked when the object was made
            raise UsageError("masks cannot be made: the image's size is unknown")
        masks = [
            self._mask(row, box, size)
            for row, box in zip(rows.tolist(), detections.boxes.tolist(), strict=True)
        ]
        return Instances.of(detections, masks, size)

    def _mask(self, row: int, box: Sequence[float], size: Size) -> NDArray[np.uint32]:
        """Run lengths of one mask; a pixel lies in the box if its number does: x1 <= i < x2."""
        height, width = size
        x1, x2 = (min(max(int(np.ceil(v)), 0), width) for v in (box[0], box[2]))
        y1, y2 = (min(max(int(np.ceil(v)), 0), height) for v in (box[1], box[3]))
        if x1 >= x2 or y1 >= y2:
            return np.array([height * width], np.uint32)
        maps = self.prototypes
        logits = np.tensordot(self.coefficients[row], maps, axes=1)
        left, right, along = bilinear_places(x1, x2, self.place[0], self.place[2], maps.shape[2])
        upper, lower, down = bilinear_places(y1, y2, self.place[1], self.place[3], maps.shape[1])
        columns = logits[:, left] * (1 - along) + logits[:, right] * along
        inside = columns[upper] * (1 - down)[:, None] + columns[lower] * down[:, None] > 0
        return encode(inside, size, (y1, x1))


@dataclass(frozen=True, slots=True)
class Instances:
    """Settled instances of one image: detections, each with a mask.

    Masks are run lengths as COCO counts them: column by column from the top left, pixels outside
    and inside in turn, beginning with those outside, height * width in all. `counts` uint32 holds
    those of all masks one after another, `ends` int64 [n] where each mask's end in it, and `size`
    is (height, width) of the image as read. Raises `StageError` where they do not fit together.
    """

    detections: Detections
    counts: NDArray[np.uint32]
    ends: NDArray[np.int64]
    size: Size

    def __post_init__(self) -> None:
        last = int(self.ends[-1]) if len(self.ends) else 0
        if len(self.ends) != len(self.detections) or last != len(self.counts):
            what = f"{len(self.ends)} masks with {last} of {len(self.counts)} run lengths"
            raise StageError(f"{what} do not go with {len(self.detections)} detections")

    def __len__(self) -> int:
        return len(self.detections)

    @classmethod
    def of(
        cls, detections: Detections, masks: Sequence[NDArray[np.uint32]], size: Size
    ) -> Instances:
        """From the run lengths of each detection."""
        counts = np.concatenate([np.zeros(0, np.uint32), *masks]).astype(np.uint32)
        ends = np.cumsum([len(mask) for mask in masks]).astype(np.int64)
        return cls(detections, counts, ends, size)

    def runs(self, row: int) -> NDArray[np.uint32]:
        """The run lengths of one mask."""
        return self.counts[self.ends[row - 1] if row else 0 : self.ends[row]]

    def mask(self, row: int) -> NDArray[np.bool_]:
        """One mask, [height, width]."""
        return decode(self.runs(row), self.size)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Named arrays for the store."""
        return {
            **self.detections.to_arrays(),
            "counts": self.counts,
            "ends": self.ends,
            "size": np.array(self.size, np.int64),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Instances:
        """The inverse of `to_arrays`."""
        height, width = arrays["size"].tolist()
        found = Detections.from_arrays(arrays)
        return cls(found, arrays["counts"], arrays["ends"], (height, width))


def encode(
    inside: NDArray[np.bool_], size: Size, corner: tuple[int, int] = (0, 0)
) -> NDArray[np.uint32]:
    """Run lengths uint32 of a mask: `inside` [h, w] lies at `corner` (row, column) of the image."""
    height, width = size
    padded = np.zeros((inside.shape[1], inside.shape[0] + 2), bool)
    padded[:, 1:-1] = inside.T
    column, place = np.nonzero(padded[:, 1:] != padded[:, :-1])
    edges = (column + corner[1]) * height + corner[0] + place
    # A run that ends at the bottom of a column may go on at the top of the next.
    apart = np.ones(len(edges), bool)
    joined = np.flatnonzero(edges[1:-1:2] == edges[2::2]) * 2 + 1
    apart[joined], apart[joined + 1] = False, False
    marks = np.concatenate([[0], edges[apart], [height * width]])
    counts = np.diff(marks)
    return (counts[:-1] if counts[-1] == 0 and len(counts) > 1 else counts).astype(np.uint32)


def decode(counts: NDArray[Any], size: Size) -> NDArray[np.bool_]:
    """The mask [height, width] of run lengths; raises `StageError` for those of another size."""
    height, width = size
    if int(np.sum(counts, dtype=np.int64)) != height * width:
        raise StageError(f"run lengths of {np.sum(counts)} pixels, not {height} x {width}")
    inside = np.arange(len(counts)) % 2 == 1
    return np.repeat(inside, counts).reshape(width, height).T
