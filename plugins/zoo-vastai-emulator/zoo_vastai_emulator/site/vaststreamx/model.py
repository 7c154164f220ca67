"""A model that the emulated vamc wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .device import current_device
from .network import Network
from .nms import ROWS, detect, does_detect

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

MAX_BATCH = 16


class Model:
    """A model on this thread's die, from `prefix`.json, .so and .params."""

    def __init__(self, prefix: str, batch_size: int = 1, hw_config: str = "") -> None:
        self.device_id = current_device("Model")
        if not 1 <= batch_size <= MAX_BATCH:
            raise RuntimeError(f"batch_size {batch_size} is not between 1 and {MAX_BATCH}")
        self.batch_size = batch_size
        self.max_batch_size = MAX_BATCH
        self.network = Network(str(prefix))
        self._extra = self.network.extra_ops

    @property
    def input_count(self) -> int:
        """Number of inputs."""
        return len(self.input_shape)

    @property
    def output_count(self) -> int:
        """Number of outputs."""
        return len(self.output_shape)

    @property
    def input_shape(self) -> list[list[int]]:
        """Shapes of the inputs, with the batch in front."""
        return [[1, *shape[1:]] for shape in self.network.input_shapes]

    @property
    def output_shape(self) -> list[list[int]]:
        """Shapes of the outputs, with the batch in front."""
        if does_detect(self._extra):
            return [[1, ROWS, 1], [1, ROWS, 1], [1, ROWS, 4]]
        return [[1, *shape[1:]] for shape in self.network.output_shapes]

    def run(self, inputs: list[NDArray[Any]]) -> list[NDArray[np.float16]]:
        """One sample: inputs [1, ...] to outputs float16 [1, ...], the extra operator applied."""
        outputs = self.network.run(inputs)
        if not does_detect(self._extra):
            return [_softmax(out) if self._extra else out for out in outputs]
        height, width = self.input_shape[0][2:4]
        found = detect(self._extra, [out.astype(np.float32) for out in outputs], (height, width))
        with np.errstate(over="ignore"):
            return [part.astype(np.float16) for part in found]


def _softmax(values: NDArray[np.float16]) -> NDArray[np.float16]:
    """Over the classes, axis 1."""
    wide = values.astype(np.float32)
    powers = np.exp(wide - wide.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float16)
