"""A graph that runs in segments, one image after the other, handing out tensors on the way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zoo_onnxruntime.engine import open_session, run
from zoo_onnxruntime.segments import split

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray
    from onnx import ModelProto

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


class Streamed:
    """A network with one input, of whose tensors few are held at once."""

    def __init__(
        self, model: Callable[[], ModelProto], tensors: Sequence[str], threads: int, where: str
    ) -> None:
        """`model` is asked for with the first image; `tensors` are those that are handed out."""
        self._model = model
        self._tensors = tensors
        self._threads = threads
        self._where = where
        self._pieces: list[_Piece] = []
        self._input = ""

    def run(self, image: NDArray[Any]) -> Iterator[dict[str, NDArray[Any]]]:
        """The wanted tensors of a float32 batch [n, 3, H, W], some at a time; one size for all."""
        if not self._pieces:
            self._open(image)
        held: dict[str, NDArray[Any]] = {self._input: image}
        if self._input in self._tensors:
            yield {self._input: image}
        for piece in self._pieces:
            feeds = {name: held[name] for name in piece.inputs}
            made = run(piece.session, list(piece.outputs), feeds, where=self._where)
            held.update(zip(piece.outputs, made, strict=True))
            wanted = {name: held[name] for name in piece.observed}
            held = {name: held[name] for name in piece.kept}
            del feeds, made
            yield wanted
            wanted.clear()  # whoever took them in still holds the dictionary

    def _open(self, image: NDArray[Any]) -> None:
        model = self._model()
        known = {tensor.name for tensor in model.graph.initializer}
        (self._input,) = (v.name for v in model.graph.input if v.name not in known)
        shapes = {self._input: image.shape}
        for segment in split(model, self._tensors, shapes, HELD):
            session = open_session(segment.model, self._threads, where=self._where)
            self._pieces.append(
                _Piece(session, segment.inputs, segment.outputs, segment.observed, segment.kept)
            )
