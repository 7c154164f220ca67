"""What the decoders of this plugin share: outputs by shape, candidates, recognition."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_core.errors import StageError
from zoo_core.toolkit.detection import Candidates
from zoo_core.toolkit.detection.decoding import OutputPool, shapes_told

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from zoo_core.api import Arrays, FileOutline
    from zoo_core.vision import Geometry

    Floats = NDArray[np.float32]

WHERE = "decoder_params"
_MEAN, _STD = [103.53, 116.28, 123.675], [57.375, 57.12, 58.395]


class Pool(OutputPool):
    """The outputs of one image, and the error where they are others."""

    def __init__(self, outputs: Arrays, decoder: str) -> None:
        super().__init__(outputs)
        self._told = shapes_told(outputs)
        self._decoder = decoder

    def refuse(self, expected: str) -> StageError:
        """The error for outputs that are not of the expected shapes."""
        return StageError(
            f"no outputs are {expected}: {self._told}",
            where=f"decoder {self._decoder}",
            next="check the labels (the card's, or those of --names), the size and decoder_params",
        )


def candidates(boxes: Floats, scores: Floats, geometry: Geometry, floor: float) -> Arrays:
    """Candidates of one image from its boxes xyxy [n, 4] in network pixels, scores [n, classes]."""
    places = geometry.to_image(boxes)
    return Candidates.from_dense(places, scores, floor, geometry.source).to_arrays()


def rows(array: Floats) -> Floats:
    """A map [channels, height, width] as [height * width, channels]."""
    return np.ascontiguousarray(array.reshape(len(array), -1).T)


def shapes(outline: FileOutline) -> list[tuple[int, ...]]:
    """The shapes of a file's outputs, in their order, without the batch axis; open sides are 0."""
    return [
        tuple(side if isinstance(side, int) else 0 for side in spec.shape[1:])
        for spec in outline.outputs
    ]


def stretched_bgr(size: Sequence[int], normalised: bool = False) -> tuple[Mapping[str, Any], ...]:
    """BGR stretched to `size` (height, width); 0..1, or normalised by ImageNet's mean and std."""
    last: Mapping[str, Any] = {"op": "scale", "factor": 1 / 255}
    if normalised:
        last = {"op": "normalise", "mean": _MEAN, "std": _STD}
    return (
        {"op": "decode", "colour": "bgr"},
        {"op": "resize", "mode": "stretch", "size": list(size), "interpolation": "bilinear"},
        last,
        {"op": "to_tensor"},
    )
