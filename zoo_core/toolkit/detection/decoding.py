"""What decoders share: outputs in words, functions of scores, labels, cells, strides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_core.errors import StageError, UsageError

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence

    from numpy.typing import NDArray

    from zoo_core.api import Arrays

    Floats = NDArray[np.float32]


def shapes_told(outputs: Arrays) -> str:
    """The outputs in words: boxes [100, 4], scores [100]."""
    return ", ".join(f"{name} {list(array.shape)}" for name, array in outputs.items())


class OutputPool:
    """The outputs of one image, in the graph's order; each is taken once, by its shape."""

    def __init__(self, outputs: Arrays) -> None:
        self._left = dict(outputs)

    def take(self, shape: tuple[int, ...], names: Container[str] | None = None) -> Floats | None:
        """The first that is left, has this shape and one of the names, as float32; else None."""
        for name, array in self._left.items():
            if array.shape == shape and (names is None or name in names):
                return np.asarray(self._left.pop(name), np.float32)
        return None

    def every(
        self, *shapes: tuple[int, ...], names: Sequence[Container[str] | None] = ()
    ) -> list[Floats] | None:
        """The first outputs of these shapes, in order; None, and none taken, if one is missing.

        `names` are those that each may have.
        """
        before = dict(self._left)
        wanted = zip(shapes, names or [None] * len(shapes), strict=True)
        taken = [array for pair in wanted if (array := self.take(*pair)) is not None]
        if len(taken) == len(shapes):
            return taken
        self._left = before
        return None


def sigmoid(values: Floats) -> Floats:
    """The logistic function, in float32."""
    with np.errstate(over="ignore", under="ignore"):
        return np.asarray(np.float32(1) / (np.float32(1) + np.exp(-values)), np.float32)


def softmax(values: Floats) -> Floats:
    """Softmax over the last axis, in float32; NaN where all or one is infinite."""
    with np.errstate(under="ignore", invalid="ignore"):
        powers = np.exp(values - values.max(axis=-1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=-1, keepdims=True), np.float32)


def strides_of(params: Mapping[str, Any], usual: Sequence[int]) -> tuple[int, ...]:
    """The parameter `strides`; raises `UsageError` for anything but different whole numbers."""
    strides = params.get("strides", usual)
    listed = isinstance(strides, list | tuple) and len(strides) > 0
    if (
        not listed
        or not all(type(stride) is int and stride > 0 for stride in strides)
        or len(set(strides)) != len(strides)
    ):
        what = f"strides must be whole numbers above 0, no two alike, are {strides!r}"
        raise UsageError(what, where="decoder_params")
    return tuple(strides)


def labels_of(values: NDArray[Any], classes: int, decoder: str) -> NDArray[np.intp]:
    """The labels that a file gives as numbers; raises `StageError` for one that is no label's."""
    with np.errstate(invalid="ignore"):
        wrong = values[~((values >= 0) & (values < classes) & (values == np.floor(values)))]
    if wrong.size:
        what = f"the file gives class {wrong[0]:g}, the model has {classes} labels"
        step = "check the labels: the card's, or those of --names"
        raise StageError(what, where=f"decoder {decoder}", next=step)
    return values.astype(np.intp)


def cell_grid(network: tuple[int, int], strides: Sequence[int]) -> Floats:
    """Column, row and stride of each cell, [n, 3]: stride by stride, then row by row.

    Where a stride does not divide a side, the part of a cell at the edge is a cell.
    """
    parts = []
    for stride in strides:
        row, column = np.indices((-(-network[0] // stride), -(-network[1] // stride)))
        parts.append(np.stack([column, row, np.full_like(row, stride)], axis=2).reshape(-1, 3))
    return np.concatenate(parts).astype(np.float32)
