"""The decoders `detr` and `rtdetr`: logits and boxes of queries to candidates in image pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_core.errors import StageError, UsageError, check_known
from zoo_core.toolkit.detection import Candidates
from zoo_core.toolkit.detection.decoding import shapes_told, sigmoid, softmax
from zoo_core.toolkit.detection.detections import Pairs
from zoo_core.vision import cxcywh_to_xyxy
from zoo_detr.chosen import chosen
from zoo_detr.columns import label_of
from zoo_detr.recognition import recognise_chosen, recognise_heads

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from zoo_core.api import Arrays, Decode, FileOutline, Recognition
    from zoo_core.vision import Geometry

    Floats = NDArray[np.float32]

_TOP = 300
_ONE_MORE = 1


class DetrDecoder:
    """Decodes logits [n, classes + 1], the last of them "no object", and boxes [n, 4].

    A score is the softmax over all classes (PostProcess of facebookresearch/detr, models/detr.py,
    Carion et al. 2020). It finds the best class of a query; all that score above the floor are
    candidates here, and a protocol with `box_labels: best` keeps that one. A query whose best class
    has no label finds nothing: to the repository's evaluation it is a category that COCO lacks.
    """

    task = "detection"

    def bind(self, params: Mapping[str, Any], classes: int, floor: float) -> Decode:
        """The decode function; raises `UsageError` for wrong parameters."""
        check_known(params, ("columns", "boxes"), "decoder_params")
        labels, name = label_of(params, classes), _name(params)
        columns = _columns(labels, classes)

        def decode(outputs: Arrays, geometry: Geometry) -> Arrays:
            width = _width(params, labels, _ONE_MORE)
            logits, boxes = pair_of(outputs, width, name, "decoder detr")
            shares = softmax(logits)[:, :-1]
            best = shares.argmax(axis=1)
            kept = np.isin(best, columns)[:, None]
            scores = np.where(kept, shares[:, columns], 0)
            corners = geometry.to_image(placed(boxes, geometry.network))
            return Candidates.from_dense(corners, scores, floor, geometry.source).to_arrays()

        return decode

    def recognise(self, outline: FileOutline) -> Recognition | None:
        """Two outputs, 1xnxC and 1xnx4, that could have a class for no object."""
        return recognise_heads(outline, no_object=True)


class RtDetrDecoder:
    """Decodes logits [n, classes] and boxes [n, 4]; or labels [n], boxes [n, 4] and scores [n].

    A score is the sigmoid of one class. Of all n x classes pairs the best `top` (default 300) are
    candidates, of equal scores the earlier (RTDETRPostProcessor of lyuwenyu/RT-DETR,
    DFINEPostProcessor of Peterande/D-FINE; Zhu et al., "Deformable DETR", 2021).

    The second form is what these repositories export (tools/export_onnx.py): boxes are corners, in
    pixels of what the further input `orig_target_sizes` says. The exporter `onnx` makes that the
    network's own size. Labels are whole numbers; where they are stored as floats, the output's
    name must hold "label" or "class".
    """

    task = "detection"

    def bind(self, params: Mapping[str, Any], classes: int, floor: float) -> Decode:
        """The decode function; raises `UsageError` for wrong parameters."""
        check_known(params, ("columns", "boxes", "top"), "decoder_params")
        labels, name, top = label_of(params, classes), _name(params), top_of(params)

        def decode(outputs: Arrays, geometry: Geometry) -> Arrays:
            found = chosen(outputs, labels, "columns" in params, floor)
            if found is None:
                width = _width(params, labels, 0)
                logits, boxes = pair_of(outputs, width, name, "decoder rtdetr")
                pairs = best_pairs(sigmoid(logits), top, labels, floor)
                found = placed(boxes, geometry.network), pairs
            corners, pairs = geometry.to_image(found[0]), found[1]
            return Candidates.from_pairs(corners, pairs, floor, geometry.source).to_arrays()

        return decode

    def recognise(self, outline: FileOutline) -> Recognition | None:
        """Outputs 1xnxC and 1xnx4, whose classes could be independent; or labels, boxes, scores."""
        return recognise_heads(outline, no_object=False) or recognise_chosen(outline)


def _name(params: Mapping[str, Any]) -> str | None:
    name = params.get("boxes")
    if name is not None and not isinstance(name, str):
        what = f"must be the name of an output, is {name!r}"
        raise UsageError(what, where="decoder_params.boxes")
    return name


def top_of(params: Mapping[str, Any]) -> int:
    """How many pairs of query and class stay; raises `UsageError`."""
    top = params.get("top", _TOP)
    if type(top) is not int or top < 1:
        raise UsageError(f"must be 1 or more, is {top!r}", where="decoder_params.top")
    return top


def _columns(labels: NDArray[np.intp], classes: int) -> NDArray[np.intp]:
    """The network's class of each label."""
    columns = np.empty(classes, np.intp)
    known = np.flatnonzero(labels >= 0)
    columns[labels[known]] = known
    return columns


def _width(params: Mapping[str, Any], labels: NDArray[np.intp], more: int) -> tuple[int, bool]:
    """How many columns the logits have, and whether there may be more of them."""
    return len(labels) + more, "columns" in params


def pair_of(
    outputs: Arrays, width: tuple[int, bool], name: str | None, where: str
) -> tuple[Floats, Floats]:
    """Logits and boxes: the only two outputs that fit each other, or fit the boxes' name."""
    least, open_ended = width

    def is_logits(array: NDArray[Any]) -> bool:
        return array.ndim == 2 and (
            array.shape[1] >= least if open_ended else array.shape[1] == least
        )

    found = [
        (logits, boxes)
        for boxes, box in outputs.items()
        if box.ndim == 2 and box.shape[1] == 4 and name in (None, boxes)
        for logits, array in outputs.items()
        if logits != boxes and is_logits(array) and len(array) == len(box)
    ]
    named = [pair for pair in found if "box" in pair[1].lower() and "box" not in pair[0].lower()]
    found = named if len(named) == 1 else found
    if len(found) != 1:
        told = shapes_told(outputs)
        many = f"{least}{' or more' if open_ended else ''}"
        what = f"no {'single ' if found else ''}pair of outputs is [n, {many}] and [n, 4]: {told}"
        if where == "decoder rtdetr":
            what += "; nor are they labels [n], boxes [n, 4] and scores [n]"
        step = "check the labels (the card's, or those of --names) and decoder_params"
        raise StageError(what, where=where, next=step)
    logits, boxes = (np.asarray(outputs[key], np.float32) for key in found[0])
    return logits, boxes


def best_pairs(scores: Floats, top: int, labels: NDArray[np.intp], floor: float) -> Pairs:
    """The `top` highest pairs of query and class, without those of no label; ordered by query."""
    flat = np.nan_to_num(scores.ravel(), nan=-1)
    if len(flat) > top:
        least = np.partition(flat, -top)[-top]
        above, equal = np.flatnonzero(flat > least), np.flatnonzero(flat == least)
        flat_index = np.sort(np.concatenate([above, equal[: top - len(above)]]))
    else:
        flat_index = np.arange(len(flat))
    row, column = np.divmod(flat_index[flat[flat_index] > np.float32(floor)], scores.shape[1])
    known = column < len(labels)
    row, column = row[known], column[known]
    label = labels[column]
    row, column, label = (each[label >= 0] for each in (row, column, label))
    order = np.lexsort((label, row))
    return Pairs(row[order], label[order], scores[row, column][order])


def placed(boxes: Floats, network: tuple[int, int]) -> NDArray[Any]:
    """Centre and sides as parts of the network's input -> corners in pixels of it."""
    height, width = network
    with np.errstate(over="ignore", invalid="ignore"):
        parts = boxes.astype(np.float64) * np.array([width, height, width, height])
        return cxcywh_to_xyxy(parts)
