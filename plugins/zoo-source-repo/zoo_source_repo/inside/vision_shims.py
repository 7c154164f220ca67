"""A stand-in for torchvision where it is not installed: the box functions, and names to import."""

from __future__ import annotations

import importlib.util
import sys
from importlib import metadata
from types import ModuleType
from typing import Any


def provide_torchvision(_opset: int) -> None:
    """The functions compute as torchvision's; all other names fail when they are called."""
    if importlib.util.find_spec("torchvision") is not None:
        return
    functions = {
        f.__name__: f
        for f in (nms, batched_nms, box_iou, box_area, box_convert, clip_boxes_to_image)
    }
    root = _module("torchvision", {"__version__": "0.0.0"})
    for name in ("ops", "ops.boxes", "models", "transforms", "transforms.functional", "utils",
                 "datasets", "io"):  # fmt: skip
        own = functions if name.startswith("ops") else {}
        module = _module(f"torchvision.{name}", own)
        parent = sys.modules[f"torchvision.{name}".rpartition(".")[0]]
        setattr(parent, name.rpartition(".")[2], module)
    sys.modules["torchvision"] = root
    known = metadata.version

    def version(distribution_name: str) -> str:
        return "0.0.0" if distribution_name == "torchvision" else known(distribution_name)

    metadata.version = version


class _Names(type):
    """Its members in capitals, such as InterpolationMode.BILINEAR, are their names."""

    def __getattr__(cls, name: str) -> str:
        if name.isupper():
            return name
        raise AttributeError(name)


class _Missing(ModuleType):
    __path__: list[str] = []  # noqa: RUF012

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)

        def fail(*_args: Any, **_options: Any) -> Any:
            raise NotImplementedError(f"{self.__name__}.{name}: zoo's stand-in has it by name only")

        return _Names(name, (), {"__init__": fail})


def _module(name: str, members: Any) -> Any:
    module = _Missing(name)
    vars(module).update(members)
    sys.modules[name] = module
    return module


def box_area(boxes: Any) -> Any:
    """Areas of (x1, y1, x2, y2), shape [N]."""
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def box_iou(first: Any, second: Any) -> Any:
    """Intersection over union of each pair, shape [N, M]."""
    import torch

    low = torch.max(first[:, None, :2], second[:, :2])
    high = torch.min(first[:, None, 2:], second[:, 2:])
    inner = (high - low).clamp(min=0).prod(2)
    return inner / (box_area(first)[:, None] + box_area(second) - inner)


def nms(boxes: Any, scores: Any, iou_threshold: float) -> Any:
    """Indices of the boxes kept, by falling score."""
    import torch

    order = torch.argsort(scores, descending=True, stable=True)
    overlaps = box_iou(boxes, boxes)
    kept: list[int] = []
    for index in order.tolist():
        if all(overlaps[index, other] <= iou_threshold for other in kept):
            kept.append(index)
    return torch.tensor(kept, dtype=torch.int64)


def batched_nms(boxes: Any, scores: Any, idxs: Any, iou_threshold: float) -> Any:
    """NMS per class."""
    shift = idxs.to(boxes) * (boxes.max() + 1) if boxes.numel() else idxs.to(boxes)
    return nms(boxes + shift[:, None], scores, iou_threshold)


def box_convert(boxes: Any, in_fmt: str, out_fmt: str) -> Any:
    """From one of xyxy, xywh, cxcywh to another."""
    import torch

    a, b, c, d = boxes.unbind(-1)
    if in_fmt == "xywh":
        c, d = a + c, b + d
    elif in_fmt == "cxcywh":
        a, b, c, d = a - c / 2, b - d / 2, a + c / 2, b + d / 2
    if out_fmt == "xywh":
        c, d = c - a, d - b
    elif out_fmt == "cxcywh":
        a, b, c, d = (a + c) / 2, (b + d) / 2, c - a, d - b
    return torch.stack((a, b, c, d), -1)


def clip_boxes_to_image(boxes: Any, size: Any) -> Any:
    """Boxes cut at the (height, width) of the image."""
    import torch

    height, width = size
    x = boxes[..., 0::2].clamp(0, width)
    y = boxes[..., 1::2].clamp(0, height)
    return torch.stack((x, y), dim=boxes.dim()).reshape(boxes.shape)
