"""Running calibration images through a graph in segments and keeping statistics only."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_core.errors import StageError
from zoo_core.toolkit.onnx_file import load
from zoo_onnxruntime.calibrators import Seen
from zoo_onnxruntime.histogram import Histogram
from zoo_onnxruntime.streamed import Streamed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray


def quantisable(model: Path) -> tuple[str, ...]:
    """Inputs and outputs of all convolutions, in the order of the graph."""
    nodes = [node for node in load(model).graph.node if node.op_type == "Conv"]
    return tuple(dict.fromkeys(name for n in nodes for name in (n.input[0], n.output[0])))


class Observer:
    """Collects what the tensors of a graph hold, for one image after the other."""

    def __init__(
        self, model: Path, tensors: Sequence[str], *, histograms: bool, threads: int
    ) -> None:
        """Prepare for a graph with one input; the sessions are made with the first image."""
        self._histograms = histograms
        self._tensors = tuple(tensors)
        self.seen = self.nothing()
        self._model = model
        self._threads = threads
        self._network = Streamed(lambda: load(model), tensors, threads, str(model))

    def nothing(self) -> dict[str, Seen]:
        """What has been seen before the first image; `seen` may be replaced by it."""
        kind = Histogram if self._histograms else lambda: None
        return {name: Seen(histogram=kind()) for name in self._tensors}

    def observe(self, images: Iterable[NDArray[Any]]) -> Iterator[int]:
        """Take in float32 batches [n, 3, H, W] of one size, yielding how many have been.

        Raises StageError where a tensor holds numbers that are not finite.
        """
        with ThreadPoolExecutor(self._threads) as pool:
            for count, image in enumerate(images, 1):
                for made in self._network.run(image):
                    list(pool.map(self._take, made.keys(), made.values()))
                yield count

    def _take(self, name: str, values: NDArray[Any]) -> None:
        if not self.seen[name].add(np.ascontiguousarray(values)):
            raise StageError(
                f"tensor '{name}' holds numbers that are not finite",
                where=str(self._model),
                next="check the weights, and that the preprocessing fits the network",
            )
