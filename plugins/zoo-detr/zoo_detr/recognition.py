"""What a file's outputs say of set prediction, where no card describes it."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from zoo_core.api import Recognition
from zoo_detr.columns import COCO_COLUMNS, COCO_WORD

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zoo_core.api import FileOutline, TensorSpec

    Shape = tuple[int | str, ...]

PROTOCOL: Mapping[str, Any] = MappingProxyType({"conf": 0.0, "nms_kind": "none"})

_COCO = 80
_QUERIES = (300, 900)
"""Of sigmoid families since Deformable DETR: RT-DETR, D-FINE, DINO; DETR has 100."""
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def recognise_heads(outline: FileOutline, no_object: bool) -> Recognition | None:
    """Logits 1xnxC and boxes 1xnx4, in any order, and perhaps more that both have.

    92 columns, COCO's ids and "no object", are DETR's; 300 or 900 queries are of networks that use
    sigmoids. Anything else could be either, and both say so.
    """
    pair = _pair(outline.outputs)
    if pair is None:
        return None
    logits, boxes = pair
    queries, columns = logits.shape[1:]
    softmax = columns == COCO_COLUMNS + 1
    if not isinstance(columns, int) or softmax > no_object or columns - no_object < 1:
        return None
    if no_object and not softmax and queries in _QUERIES:
        return None
    classes = columns - no_object
    coco = classes == COCO_COLUMNS
    what = "the last is no object" if no_object else "independent of each other"
    ids = ", as many as COCO's ids" if coco else ""
    told = f"{logits.told} and {boxes.told}"
    each = f"{queries} queries" if isinstance(queries, int) else "each query"
    return Recognition(
        why=f"{told}: {columns} classes of {each} ({what}{ids}), and their boxes",
        params={"columns": COCO_WORD} if coco else {},
        classes=_COCO if coco else classes,
        preprocess=_preprocess(outline.size, normalised=no_object),
        protocol={**PROTOCOL, "box_labels": "best" if no_object else "multi"},
    )


def recognise_chosen(outline: FileOutline) -> Recognition | None:
    """Labels 1xn, boxes 1xnx4 and scores 1xn."""
    if not all(len(spec.shape) > 1 for spec in outline.outputs):
        return None
    table = {spec.name: (spec.shape[1:], spec.dtype) for spec in outline.outputs}
    if chosen_places(table) is None:
        return None
    told = ", ".join(spec.told for spec in outline.outputs)
    lacking = f"their number of classes is not stated, {_COCO} are assumed"
    return Recognition(
        why=f"{told}: labels, boxes and scores, chosen by the file itself; {lacking}",
        params={},
        classes=_COCO,
        preprocess=_preprocess(outline.size, normalised=False),
        protocol={**PROTOCOL, "box_labels": "multi"},
    )


def chosen_places(outputs: Mapping[str, tuple[Shape, str]]) -> tuple[str, str, str] | None:
    """The names of labels [n], boxes [n, 4] and scores [n], for shapes and dtypes by name.

    A dimension that a file leaves open fits any number.
    """
    boxes = [name for name, (shape, _) in outputs.items() if len(shape) == 2]
    if len(outputs) != 3 or len(boxes) != 1:
        return None
    count, sides = outputs[boxes[0]][0]
    if not _fits(sides, 4):
        return None
    flat = [
        name for name, (shape, _) in outputs.items() if len(shape) == 1 and _fits(shape[0], count)
    ]
    labels = [name for name in flat if "int" in outputs[name][1]]
    if not labels:
        labels = [name for name in flat if "label" in name.lower() or "class" in name.lower()]
    if len(flat) != 2 or len(labels) != 1:
        return None
    (scores,) = (name for name in flat if name != labels[0])
    return labels[0], boxes[0], scores


def _fits(one: int | str, other: int | str) -> bool:
    return isinstance(one, str) or isinstance(other, str) or one == other


def _pair(outputs: tuple[TensorSpec, ...]) -> tuple[TensorSpec, TensorSpec] | None:
    """Logits and boxes, told apart by 4 columns, or by names where both have 4."""
    specs = [spec for spec in outputs if len(spec.shape) == 3]
    if len(specs) != 2 or len(outputs) != 2 or specs[0].shape[1] != specs[1].shape[1]:
        return None
    boxes = [spec for spec in specs if spec.shape[2] == 4]
    if len(boxes) == 2:
        boxes = [spec for spec in specs if "box" in spec.name.lower()]
    if len(boxes) != 1:
        return None
    (logits,) = (spec for spec in specs if spec is not boxes[0])
    return logits, boxes[0]


def _preprocess(size: tuple[int, int], normalised: bool) -> tuple[Mapping[str, Any], ...]:
    """RGB, stretched, 0..1; DETR's with ImageNet's mean and deviation."""
    normalise = ({"op": "normalise", "mean": list(_MEAN), "std": list(_STD)},) if normalised else ()
    return (
        {"op": "decode", "colour": "rgb"},
        {"op": "resize", "mode": "stretch", "size": list(size), "interpolation": "bilinear"},
        {"op": "scale", "factor": 1 / 255},
        *normalise,
        {"op": "to_tensor"},
    )
