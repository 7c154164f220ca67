"""What is in the model.py of a package beside decoder and protocol; it imports nothing of zoo."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from zoo_core.vision.geometry import Geometry
    from zoo_core.vision.preprocess import Preprocess

    Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Model:
    """An image in, predictions out: preprocessing, engine, decoder and protocol.

    `run` takes a batch of `batch` tensors and returns the outputs by name, batch first.
    """

    steps: Preprocess
    run: Callable[[NDArray[np.float32]], Arrays]
    decode: Callable[[Arrays, Geometry], Arrays]
    settle: Callable[[Arrays], Arrays]
    labels: Sequence[str]
    batch: int = 1

    def tensor(self, image: NDArray[np.uint8]) -> tuple[NDArray[np.float32], Geometry]:
        """Image uint8 [h, w, 3] RGB -> float32 [c, H, W], and where the image lies in it."""
        return self.steps.prepare(image)

    def predict_tensor(self, tensor: NDArray[np.float32], geometry: Geometry) -> Arrays:
        """The predictions for a tensor of `tensor`, in pixels of the image."""
        batch = np.repeat(tensor[None], self.batch, axis=0)
        outputs = {name: np.ascontiguousarray(a[0]) for name, a in self.run(batch).items()}
        return self.settle(self.decode(outputs, geometry))

    def predict(self, image: NDArray[np.uint8]) -> Arrays:
        """The predictions for an image, uint8 [h, w, 3] RGB."""
        return self.predict_tensor(*self.tensor(image))

    def read(self, path: str | Path) -> NDArray[np.uint8]:
        """An image file as uint8 [h, w, 3] RGB; raises ValueError for what is none."""
        import cv2

        flags = cv2.IMREAD_COLOR | (0 if self.steps.exif else cv2.IMREAD_IGNORE_ORIENTATION)
        image = cv2.imdecode(np.frombuffer(Path(path).read_bytes(), np.uint8), flags)
        if image is None:
            raise ValueError(f"{path} is not an image that OpenCV reads")
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


def show(model: Model, paths: Sequence[str]) -> int:
    """Write the predictions for image files as JSON, one line each."""
    for path in paths:
        found = model.predict(model.read(path))
        row = {name: array.tolist() for name, array in found.items()}
        sys.stdout.write(json.dumps({"image": path, **row}) + "\n")
    return 0
