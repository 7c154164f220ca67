"""Where a file's outputs hold the scores and deltas of each level's anchors."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_core.errors import StageError
from zoo_core.toolkit.detection.decoding import OutputPool, shapes_told

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

    from zoo_core.api import Arrays
    from zoo_dense.anchors import AnchorRules

    Floats = NDArray[np.float32]

_ALIKE = 4
_MOST_EXP = np.float32(1e8)


@dataclass(frozen=True, slots=True)
class Level:
    """One level: scores [anchors of a cell, classes, cells], boxes or deltas [rows, 4].

    Both are views of the outputs, or copies where the layout asks for one. A row is
    cell * anchors of a cell + anchor.
    """

    scores: Floats
    boxes: Floats

    def above(self, limit: float) -> tuple[NDArray[np.intp], NDArray[np.intp], Floats]:
        """Row, class and score of those above a limit."""
        anchor, label, cell = np.nonzero(self.scores > np.float32(limit))
        return cell * len(self.scores) + anchor, label, self.scores[anchor, label, cell]


def levels(
    outputs: Arrays, rules: AnchorRules, network: tuple[int, int], classes: int, decoder: str
) -> list[Level]:
    """The levels in one of three layouts, told apart by shape.

    Maps [A * C, rows, columns] and [A * 4, rows, columns] of each level, perhaps with an object
    map [A, rows, columns]; the same as rows [cells * A, C] and [cells * A, 4]; or the rows of all
    levels one after the other. Raises `StageError` where the outputs are none of these, and where
    scores of four classes look as deltas do and no names tell them apart.
    """
    if classes == _ALIKE and not rules.score_outputs and not rules.box_outputs:
        what = "scores of 4 classes have the shape of deltas"
        step = "name the outputs of scores in decoder_params: score_outputs: [...]"
        raise StageError(what, where=f"decoder {decoder}", next=step)
    grids, each = rules.grids(network), rules.each
    counts = [rows * columns * each for rows, columns in grids]
    pool, names = OutputPool(outputs), _names(outputs, rules)
    whole = pool.every((sum(counts), classes), (sum(counts), 4), names=names)
    if whole is not None:
        edges = np.cumsum([0, *counts])
        parts = [slice(start, stop) for start, stop in pairwise(edges)]
        return [_of_rows(whole[0][part], whole[1][part], each) for part in parts]
    found = []
    for count, grid in zip(counts, grids, strict=True):
        maps = pool.every((each * classes, *grid), (each * 4, *grid), names=names)
        rows = None if maps else pool.every((count, classes), (count, 4), names=names)
        if maps is not None:
            found.append(_of_maps(maps[0], maps[1], pool.take((each, *grid)), each))
        elif rows is not None:
            found.append(_of_rows(rows[0], rows[1], each))
        else:
            raise _misfit(outputs, rules, network, classes, decoder)
    return found


def _names(outputs: Arrays, rules: AnchorRules) -> tuple[Collection[str], Collection[str]]:
    """The names that outputs of scores and of boxes may have."""
    others = outputs.keys() - {*rules.score_outputs, *rules.box_outputs}
    return rules.score_outputs or others, rules.box_outputs or others


def _of_maps(
    scores: NDArray[Any], boxes: NDArray[Any], objects: NDArray[Any] | None, each: int
) -> Level:
    cells = scores.shape[1] * scores.shape[2]
    table = np.asarray(scores, np.float32).reshape(each, -1, cells)
    if objects is not None:
        table = _with_objects(table, np.asarray(objects, np.float32).reshape(each, 1, cells))
    deltas = np.asarray(boxes, np.float32).reshape(each, 4, cells).transpose(2, 0, 1)
    return Level(table, deltas.reshape(-1, 4))


def _of_rows(scores: NDArray[Any], boxes: NDArray[Any], each: int) -> Level:
    table = np.asarray(scores, np.float32).reshape(-1, each, scores.shape[1]).transpose(1, 2, 0)
    return Level(table, np.asarray(boxes, np.float32))


def _with_objects(scores: Floats, objects: Floats) -> Floats:
    """Logits whose sigmoid is sigmoid(score) * sigmoid(object).

    s + o - log(1 + e^s + e^o), the exponentials at most 1e8 (Chen et al., "You Only Look One-level
    Feature", implicit objectness; MMDetection, yolof_head.py).
    """
    with np.errstate(over="ignore"):
        grown = [np.minimum(np.exp(values), _MOST_EXP) for values in (scores, objects)]
    return scores + objects - np.log(np.float32(1) + grown[0] + grown[1])


def _misfit(
    outputs: Arrays, rules: AnchorRules, network: tuple[int, int], classes: int, decoder: str
) -> StageError:
    rows, columns = rules.grids(network)[0]
    wanted = (
        f"[{rules.each * classes}, {rows}, {columns}] and [{rules.each * 4}, {rows}, {columns}]"
    )
    total = sum(rows * columns * rules.each for rows, columns in rules.grids(network))
    what = (
        f"the outputs are neither maps (first level {wanted}) nor rows ([{total}, {classes}] and "
        f"[{total}, 4]): {shapes_told(outputs)}"
    )
    step = "check the labels (the card's, or those of --names), the size, strides and sizes"
    return StageError(what, where=f"decoder {decoder}", next=step)
