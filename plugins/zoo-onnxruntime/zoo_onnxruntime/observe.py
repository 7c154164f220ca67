"""Running calibration images through a graph in segments and keeping statistics only."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_core.errors import StageError
from zoo_core.toolkit.onnx_file import load
from zoo_onnxruntime.calibrators import Seen
from zoo_onnxruntime.engine import open_session, run
from zoo_onnxruntime.histogram import Histogram
from zoo_onnxruntime.segments import split

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

HELD = 96 << 20
"""Bytes of observed tensors that one segment may make for one image."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """A segment with its session in place of its bytes."""

    session: Any
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    observed: tuple[str, ...]
    kept: tuple[str, ...]


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
        self.seen = {name: Seen(histogram=Histogram() if histograms else None) for name in tensors}
        self._model = model
        self._threads = threads
        self._pieces: list[_Piece] = []
        self._input = ""

    def observe(self, images: Iterable[NDArray[Any]]) -> Iterator[int]:
        """Take in float32 batches [n, 3, H, W] of one size, yielding how many have been.

        Raises StageError where a tensor holds numbers that are not finite.
        """
        with ThreadPoolExecutor(self._threads) as pool:
            for count, image in enumerate(images, 1):
                if not self._pieces:
                    self._open(image)
                self._observe_one(image, pool)
                yield count

    def _open(self, image: NDArray[Any]) -> None:
        model = load(self._model)
        known = {tensor.name for tensor in model.graph.initializer}
        (self._input,) = (v.name for v in model.graph.input if v.name not in known)
        shapes = {self._input: image.shape}
        for segment in split(model, list(self.seen), shapes, HELD):
            session = open_session(segment.model, self._threads, where=str(self._model))
            self._pieces.append(
                _Piece(session, segment.inputs, segment.outputs, segment.observed, segment.kept)
            )

    def _observe_one(self, image: NDArray[Any], pool: ThreadPoolExecutor) -> None:
        held: dict[str, NDArray[Any]] = {self._input: image}
        if self._input in self.seen:
            self._take(self._input, image)
        for piece in self._pieces:
            feeds = {name: held[name] for name in piece.inputs}
            made = run(piece.session, list(piece.outputs), feeds, where=str(self._model))
            held.update(zip(piece.outputs, made, strict=True))
            list(pool.map(self._take, piece.observed, [held[name] for name in piece.observed]))
            held = {name: held[name] for name in piece.kept}

    def _take(self, name: str, values: NDArray[Any]) -> None:
        if not self.seen[name].add(np.ascontiguousarray(values)):
            raise StageError(
                f"tensor '{name}' holds numbers that are not finite",
                where=str(self._model),
                next="check the weights, and that the preprocessing fits the network",
            )
