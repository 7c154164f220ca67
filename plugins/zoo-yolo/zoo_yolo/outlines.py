"""What the decoders read from a file's outline: classes, cells, and Ultralytics' notes."""

from __future__ import annotations

import ast
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from zoo_core.api import Recognition

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from zoo_core.api import FileOutline

STRIDES = ((8, 16, 32), (8, 16, 32, 64), (4, 8, 16, 32))
"""The strides that networks have, the commonest first."""

PROTOCOL: Mapping[str, Any] = MappingProxyType(
    {"conf": 0.001, "nms": 0.7, "nms_kind": "iou", "box_labels": "multi", "max_detections": 300}
)
"""What `yolo val` scores with."""

_MOST_TEXT = 1 << 16


def preprocess(size: tuple[int, int]) -> tuple[Mapping[str, Any], ...]:
    """What Ultralytics' networks and those of its descendants are fed with."""
    resize = {"op": "resize", "mode": "letterbox", "size": list(size)}
    return (
        {"op": "decode", "colour": "rgb"},
        {**resize, "interpolation": "bilinear", "pad": 114},
        {"op": "scale", "factor": 1 / 255},
        {"op": "to_tensor"},
    )


def cells(network: tuple[int, int], strides: Sequence[int]) -> int:
    """How many cells the maps of these strides have at a network's (height, width)."""
    return sum(-(-network[0] // stride) * -(-network[1] // stride) for stride in strides)


def strides_for(outline: FileOutline, count: int | str) -> tuple[int, ...] | None:
    """The strides whose cells are as many; the usual ones where the count is open."""
    if isinstance(count, str):
        return STRIDES[0] if outline.metadata.get("stride") == str(STRIDES[0][-1]) else None
    return next((each for each in STRIDES if cells(outline.size, each) == count), None)


def stride_of(network: tuple[int, int], size: tuple[int, int]) -> int | None:
    """The stride of a map of a (height, width), None where no one stride gives it."""
    stride = round(network[0] / size[0]) if size[0] else 0
    fits = stride and size == tuple(-(-side // stride) for side in network)
    return stride if fits else None


def names_of(outline: FileOutline) -> int | None:
    """How many classes the file's own `names` list, None where it has none."""
    text = outline.metadata.get("names", "")
    if not text or len(text) > _MOST_TEXT:
        return None
    try:
        names = ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None
    return len(names) if isinstance(names, dict | list | tuple) and names else None


def is_task(outline: FileOutline, task: str) -> bool:
    """Whether the file's notes name this task of Ultralytics', or none."""
    return outline.metadata.get("task", task) == task


def listed(strides: Iterable[int]) -> str:
    """Strides in words: 8, 16, 32."""
    return ", ".join(map(str, strides))


def recognition(
    outline: FileOutline,
    why: str,
    params: Mapping[str, Any],
    classes: int,
    protocol: Mapping[str, Any] = PROTOCOL,
) -> Recognition:
    """A network of this family, prepared as Ultralytics does."""
    return Recognition(
        why=why,
        params=params,
        classes=classes,
        preprocess=preprocess(outline.size),
        protocol=protocol,
    )
