"""Key points: boxes with named points, before and after a protocol."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_core.errors import StageError
from zoo_core.toolkit.detection.detections import Candidates, Detections
from zoo_core.toolkit.detection.rules import settle

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from zoo_core.toolkit.detection.rules import DetectionRules
    from zoo_core.vision.geometry import Geometry


@dataclass(frozen=True, slots=True, kw_only=True)
class KeypointCandidates:
    """The boxes of one image with their key points; task `keypoints`.

    `found` are boxes, scores and labels as in detection. `keypoints` float32 [n, K, 3] has a row
    for each of `found.boxes`: x, y in pixels of the image as read, not clipped, and how sure the
    network is that the point is to be seen, 0 to 1 (1 where it does not say).
    Raises `StageError` where the arrays do not fit together.
    """

    found: Candidates
    keypoints: NDArray[np.float32]

    def __post_init__(self) -> None:
        _check(self.keypoints, len(self.found.boxes))

    @classmethod
    def placed(
        cls, found: Candidates, keypoints: NDArray[Any], geometry: Geometry
    ) -> KeypointCandidates:
        """From what the network gives: `keypoints` [N, K, 3] has a row for each box of its output.

        Their x, y are in network pixels. `found` are candidates whose `anchor` is the row in that
        output.
        """
        points = np.asarray(keypoints, np.float64)[found.anchor]
        with np.errstate(over="ignore", invalid="ignore"):
            points[..., :2] = (points[..., :2] - geometry.offset) / geometry.scale
            return cls(found=found, keypoints=points.astype(np.float32))

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Named arrays for the store."""
        return {**self.found.to_arrays(), "keypoints": self.keypoints}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> KeypointCandidates:
        """The inverse of `to_arrays`."""
        return cls(found=Candidates.from_arrays(arrays), keypoints=arrays["keypoints"])

    def settle(self, rules: DetectionRules) -> Poses:
        """The boxes with key points that the rules leave; NMS goes by the boxes.

        Raises `UsageError` as `postprocess` does.
        """
        detections, rows = settle(self.found, rules)
        return Poses(detections, self.keypoints[rows])


@dataclass(frozen=True, slots=True)
class Poses:
    """Settled detections of one image, each with key points float32 [n, K, 3]: x, y, certainty.

    Raises `StageError` where the arrays do not fit together.
    """

    detections: Detections
    keypoints: NDArray[np.float32]

    def __post_init__(self) -> None:
        _check(self.keypoints, len(self.detections))

    def __len__(self) -> int:
        return len(self.detections)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Named arrays for the store."""
        return {**self.detections.to_arrays(), "keypoints": self.keypoints}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Poses:
        """The inverse of `to_arrays`."""
        return cls(Detections.from_arrays(arrays), arrays["keypoints"])


def _check(keypoints: Any, count: int) -> None:
    shape = np.shape(keypoints)
    if len(shape) != 3 or shape[0] != count or shape[2] != 3 or keypoints.dtype != np.float32:
        what = f"{getattr(keypoints, 'dtype', type(keypoints).__name__)} {list(shape)}"
        raise StageError(f"keypoints are {what}, not float32 [{count}, K, 3]")
