"""Which of the card's labels each class of the network is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_core.errors import UsageError
from zoo_core.toolkit.coco import COCO_IDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

COCO_WORD = "coco91"
"""Classes are COCO's category ids: 0 to 90, eleven of them without a category."""

COCO_COLUMNS = max(COCO_IDS) + 1
NO_LABEL = -1


def label_of(params: Mapping[str, Any], classes: int) -> NDArray[np.intp]:
    """The label of each class of the network, -1 for one that has none.

    `columns` of the decoder's parameters is the word `coco91` or the class of each label; without
    it the network's classes are the labels. Raises `UsageError` for anything else.
    """
    columns = params.get("columns", range(classes))
    if columns == COCO_WORD:
        columns = COCO_IDS
    where = "decoder_params.columns"
    whole = isinstance(columns, list | tuple | range) and all(
        type(column) is int and 0 <= column < 1 << 16 for column in columns
    )
    if not whole or len(set(columns)) != len(columns):
        step = f"write {COCO_WORD}, or a list with the network's class for each label"
        raise UsageError(
            f"must be different whole numbers from 0, is {columns!r}", where=where, next=step
        )
    if len(columns) != classes:
        step = "give one class of the network for each label"
        what = f"has {len(columns)} classes, the model {classes} labels"
        raise UsageError(what, where=where, next=step)
    labels = np.full(max(columns, default=-1) + 1, NO_LABEL, np.intp)
    labels[list(columns)] = np.arange(classes)
    return labels
