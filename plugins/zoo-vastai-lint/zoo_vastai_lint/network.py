"""Rules on the network: its input, the calibration operations, the appended operator."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeGuard

from zoo_vastai_lint.result import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zoo_vastai_lint.source import Source

ACCURACY = (0.001, 0.65)
PERFORMANCE = (0.25, 0.45)
_SAYS_ACCURACY = re.compile(r"accuracy|precision.?mode|(?<![a-z])(map|acc)(?![a-z])|精度")
_SAYS_PERFORMANCE = re.compile(r"perf|speed|throughput|latency|性能")
_NEEDS_128 = re.compile(r"yolo_?v?1[12](?![0-9])")
_PARAMS = "graph.extra_ops.params"


def network_findings(source: Source) -> Iterator[Finding]:
    """Every rule of this module on a configuration."""
    yield from _shape(source)
    yield from _thresholds(source)
    yield from _anchors(source)
    yield from _multiple(source)
    yield from _operator(source)
    yield from _tokens(source)
    yield from _resize(source)
    yield from _order(source)
    yield from _normalise(source)


def image_shape(source: Source) -> tuple[int, int] | None:
    """Height and width of the network's one static image input, None where there is none."""
    shapes = list(source.mapping("frontend", "shape").values())
    if len(shapes) != 1 or not _sides(shapes[0]) or len(shapes[0]) != 4:
        return None
    _, first, second, third = shapes[0]
    return (first, second) if third in (1, 3) and first not in (1, 3) else (second, third)


def process_ops(source: Source) -> list[Mapping[str, Any]]:
    """The calibration operations that are mappings."""
    ops = source.at("dataset", "process_ops")
    return [op for op in ops if isinstance(op, Mapping)] if isinstance(ops, list) else []


def spatial_size(ops: Sequence[Mapping[str, Any]]) -> tuple[int, int] | None:
    """Height and width that the operations give every image, None where that cannot be told."""
    size: tuple[int, int] | None = None
    for op in ops:
        kind, value = (
            op.get("type"),
            op.get("crop_size" if op.get("type") == "CenterCrop" else "size"),
        )
        if kind in ("Resize", "CenterCrop") and isinstance(value, list) and len(value) == 2:
            size = (value[0], value[1])
        elif kind == "Pad" and op.get("pad_to_square") and size and size[1] == -1:
            size = (size[0], size[0])
    if size is None or not _sides(list(size)):
        return None
    return size


def _shape(source: Source) -> Iterator[Finding]:
    for name, shape in source.mapping("frontend", "shape").items():
        where = f"frontend.shape.{name}"
        if isinstance(shape, list) and shape and all(isinstance(part, list) for part in shape):
            continue
        if not _sides(shape):
            what = f"must be a list of whole numbers above 0, not {shape!r}"
            yield Finding("shape", "error", where, what)


def _sides(shape: Any) -> bool:
    return isinstance(shape, list) and all(type(side) is int and side > 0 for side in shape)


def _thresholds(source: Source) -> Iterator[Finding]:
    params = source.mapping("graph", "extra_ops", "params")
    conf, nms = params.get("confidence_threshold"), params.get("nms_threshold")
    bad = False
    for name, value in (("confidence_threshold", conf), ("nms_threshold", nms)):
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float):
            bad, what = True, f"must be a number, not {value!r}"
            step = "YAML reads 1e-3 as text, write 0.001" if isinstance(value, str) else ""
            yield Finding("wrong-type", "error", f"{_PARAMS}.{name}", what, step)
        elif not 0 <= value <= 1:
            bad, what = True, f"must lie within 0..1, not {value}"
            yield Finding("thresholds", "error", f"{_PARAMS}.{name}", what)
    if not bad and conf is not None and nms is not None:
        yield from _variant(source, (float(conf), float(nms)))


def _variant(source: Source, pair: tuple[float, float]) -> Iterator[Finding]:
    accuracy = bool(_SAYS_ACCURACY.search(source.words))
    performance = bool(_SAYS_PERFORMANCE.search(source.words))
    what = ""
    if pair == ACCURACY and performance and not accuracy:
        what = "are those for accuracy (0.001, 0.65); name or comment says performance"
        step = "use 0.25 and 0.45"
    elif pair == PERFORMANCE and accuracy and not performance:
        what = "are those for performance (0.25, 0.45); name or comment says accuracy"
        step = "use 0.001 and 0.65"
    elif pair == PERFORMANCE and not performance:
        what = "are those for performance (0.25, 0.45): accuracy would be measured far too low"
        step = "use 0.001 and 0.65 for accuracy, or say performance in the name"
    elif pair in ((ACCURACY[0], PERFORMANCE[1]), (PERFORMANCE[0], ACCURACY[1])):
        what = f"mix the two variants: {pair[0]:g} with {pair[1]:g}"
        step = "use 0.001 and 0.65 for accuracy, 0.25 and 0.45 for performance"
    elif pair == (ACCURACY[1], ACCURACY[0]) or pair == (PERFORMANCE[1], PERFORMANCE[0]):
        what, step = "are exchanged", f"confidence {pair[1]:g}, NMS {pair[0]:g}"
    if what:
        yield Finding("thresholds", "warning", _PARAMS, f"the thresholds {what}", step)


def _anchors(source: Source) -> Iterator[Finding]:
    kind = source.at("graph", "extra_ops", "type")
    params = source.mapping("graph", "extra_ops", "params")
    anchor, strides = params.get("anchor"), params.get("strides")
    if not isinstance(kind, str) or not strides or not _sides(strides):
        return
    if strides != sorted(strides):
        what = f"must grow, not {strides}"
        yield Finding("anchors", "error", f"{_PARAMS}.strides", what)
    if isinstance(anchor, list) and "yolo" in kind:
        if len(anchor) != 6 * len(strides):
            what = f"{len(anchor)} numbers for {len(strides)} strides: 3 pairs each are wanted"
            yield Finding("anchors", "error", f"{_PARAMS}.anchor", what)
        elif _sides(anchor) and anchor[0] * anchor[1] > anchor[-2] * anchor[-1]:
            what = "begins with the large ones; they go with strides from small to large"
            yield Finding("anchors", "error", f"{_PARAMS}.anchor", what, "turn them round")
    size = image_shape(source)
    if size and any(side % max(strides) for side in size):
        what = f"{list(size)} is not a multiple of the largest stride {max(strides)}"
        yield Finding("anchors", "warning", "frontend.shape", what)


def _multiple(source: Source) -> Iterator[Finding]:
    text = " ".join(
        str(source.at(*keys))
        for keys in (("name",), ("frontend", "checkpoint"), ("graph", "extra_ops", "type"))
    )
    size = image_shape(source)
    if size and _NEEDS_128.search(text.lower()) and any(side % 128 for side in size):
        what = (
            f"{list(size)}: YOLO11 and YOLOv12 need sides that are multiples of 128 on the device"
        )
        yield Finding("multiple-of-128", "warning", "frontend.shape", what, "such as 384 or 640")


def _operator(source: Source) -> Iterator[Finding]:
    kind = source.at("graph", "extra_ops", "type")
    text = f"{source.at('name')} {source.at('frontend', 'checkpoint')}".lower()
    match = _NEEDS_128.search(text)
    if kind == "yolov8_nms" and match:
        own = f"yolov{match.group()[-2:]}_nms"
        what = f"yolov8_nms for {match.group()}: since the end of 2025 vamc has {own}"
        yield Finding("operator", "warning", "graph.extra_ops.type", what, f"use {own}")
    if (
        source.at("backend", "dtype") == "fp16"
        and source.at("backend", "compile", "data_type") == 2
    ):
        what = "2 goes with int8, and backend.dtype is fp16"
        yield Finding("data-type", "warning", "backend.compile.data_type", what, "use 0")


def _tokens(source: Source) -> Iterator[Finding]:
    """Lengths of a language model, [[prefill], [context]], come in steps of 16."""
    if source.at("frontend", "type") != "huggingface":
        return
    shape = source.at("frontend", "shape", "input_ids")
    lengths = (
        [side for part in shape if isinstance(part, list) for side in part]
        if (isinstance(shape, list))
        else []
    )
    odd = [side for side in lengths if type(side) is int and side % 16]
    if odd:
        what = f"{odd[0]} is not a multiple of 16"
        yield Finding("tokens", "warning", "frontend.shape.input_ids", what)


def _resize(source: Source) -> Iterator[Finding]:
    ops, expected = process_ops(source), image_shape(source)
    for number, op in enumerate(ops):
        where = f"dataset.process_ops[{number}]"
        size = op.get("size")
        if op.get("type") != "Resize":
            continue
        if not isinstance(size, list) or len(size) != 2:
            yield Finding("resize", "error", f"{where}.size", f"must be [H, W], not {size!r}")
        elif size[1] == -1 and op.get("adaptive_side") is None:
            what = f"{size} without adaptive_side: which side is meant is not said"
            yield Finding("resize", "warning", where, what, "add adaptive_side: long")
        elif op.get("adaptive_side") == "long" and not _padded(ops[number + 1 :]):
            what = "keeps the aspect, and no Pad follows: images come out in different sizes"
            yield Finding("resize", "warning", where, what, "add {type: Pad, pad_to_square: true}")
    size = spatial_size(ops)
    if size and expected and size != expected:
        swapped = size == expected[::-1]
        what = f"calibration images become {list(size)} (H, W), the network takes {list(expected)}"
        step = "exchange the numbers: size is [H, W]" if swapped else "use the network's size"
        yield Finding("resize-shape", "error", "dataset.process_ops", what, step)


def _padded(ops: Sequence[Mapping[str, Any]]) -> bool:
    return any(op.get("type") in ("Pad", "CenterCrop") for op in ops)


def _order(source: Source) -> Iterator[Finding]:
    kinds = [op.get("type") for op in process_ops(source)]
    where = "dataset.process_ops"
    if kinds and kinds[0] != "DecodeImage":
        step = "begin with DecodeImage"
        yield Finding("operation-order", "error", where, f"begins with {kinds[0]}", step)
    if kinds and kinds[-1] != "ToTensor":
        yield Finding(
            "operation-order", "error", where, f"ends with {kinds[-1]}", "end with ToTensor"
        )


def _normalise(source: Source) -> Iterator[Finding]:
    for number, op in enumerate(process_ops(source)):
        if op.get("type") != "Normalize":
            continue
        where = f"dataset.process_ops[{number}]"
        mean, std = op.get("mean"), op.get("std")
        divided = op.get("div255", True)
        if not numbers(mean) or not numbers(std):
            if (mean is None) != (std is None):
                yield Finding("normalise", "error", where, "has only one of mean and std")
            elif mean is not None:
                what = "mean and std must be lists of numbers"
                yield Finding("normalise", "error", where, what)
            continue
        if 0 in std:
            yield Finding("normalise", "error", f"{where}.std", "holds 0")
        if divided and max(mean) > 1:
            what = f"mean {mean} is meant for 0..255, div255 divides by 255 before"
            yield Finding("normalise", "warning", where, what, "set div255: false")
        elif not divided and 0 < max(mean) <= 1 and max(std) <= 1:
            what = f"mean {mean} is meant for 0..1, and div255 is off"
            yield Finding("normalise", "warning", where, what, "set div255: true")


def numbers(values: Any) -> TypeGuard[list[float]]:
    """Whether it is a list of numbers, and not an empty one."""
    return (
        isinstance(values, list)
        and bool(values)
        and all(isinstance(item, int | float) and not isinstance(item, bool) for item in values)
    )
