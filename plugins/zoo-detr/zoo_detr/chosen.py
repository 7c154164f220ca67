"""Labels, boxes and scores as the repositories' own export gives them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_core.errors import StageError
from zoo_core.toolkit.detection.detections import Pairs
from zoo_detr.recognition import chosen_places

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from zoo_core.api import Arrays


def chosen(
    outputs: Arrays, known: NDArray[np.intp], gaps: bool, floor: float
) -> tuple[NDArray[np.float32], Pairs] | None:
    """Boxes [n, 4] in pixels of the network's input, and their labels above the floor.

    None where the outputs are others. `known` is the label of each class; with `gaps` classes
    beyond it have none. Raises StageError for a class that the model has no label for.
    """
    names = chosen_places({name: (a.shape, a.dtype.name) for name, a in outputs.items()})
    if names is None:
        return None
    given, boxes, scores = (outputs[name] for name in names)
    scores = np.asarray(scores, np.float32)
    with np.errstate(invalid="ignore"):
        row = np.flatnonzero(scores > np.float32(floor))
    label = _labels(given[row], known, gaps)
    row, label = row[label >= 0], label[label >= 0]
    return np.asarray(boxes, np.float32), Pairs(row, label, scores[row])


def _labels(given: NDArray[Any], known: NDArray[np.intp], gaps: bool) -> NDArray[np.intp]:
    """The card's label of each class that the file gives, -1 for a class without one."""
    with np.errstate(invalid="ignore"):
        fine = (given >= 0) & ((given < len(known)) | gaps) & (given == np.floor(given))
    if not fine.all():
        what = f"the file gives class {given[~fine][0]:g}, the model has {known.max() + 1} labels"
        step = "check the labels: the card's, or those of --names"
        raise StageError(what, where="decoder rtdetr", next=step)
    last = len(known)
    return np.asarray(np.append(known, -1)[np.minimum(given, last).astype(np.intp)], np.intp)
