"""Rules on a configuration together with a vdsp file: both must do the same to an image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo_vastai_lint.network import image_shape, numbers, process_ops, spatial_size
from zoo_vastai_lint.result import Finding

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zoo_vastai.formats.vdsp import VdspOp

    from zoo_vastai_lint.source import Source

_OPS = "dataset.process_ops"
_HALF = 2.0**-10


def pair_findings(config: Source, op: VdspOp, file: str) -> list[Finding]:
    """What the calibration operations and the device's operation do differently.

    Findings point at the configuration and name `file`. Where there are no operations, only the
    sizes are compared.
    """
    if not op.op.startswith("FUSION_OP"):
        return []
    found = [_size(config, op)]
    ops = process_ops(config)
    if ops:
        found += [_form(ops, op), _numbers(ops, op), _colour(ops, op), *_geometry(ops, op)]
    next_step = "let both do the same"
    findings = [
        Finding("vdsp-differs", "warning", where, f"{what} ({file})", next_step)
        for where, what in (item for item in found if item)
    ]
    resampler = _resampler(ops, op)
    if resampler:
        where, what = resampler
        findings.append(Finding("resampler", "info", where, f"{what} ({file})"))
    return findings


def norma_type(ops: Sequence[Mapping[str, Any]]) -> str:
    """The NormaType that does what the Normalize among the operations does."""
    op = next((op for op in ops if op.get("type") == "Normalize"), None)
    if op is None:
        return "EQUAL"
    divided = op.get("div255", True) is True
    mean, std = _mean_std(ops)
    off = "norm_type" in op and op["norm_type"] in (None, "None")
    if mean is None or std is None or off:
        return "DIV255" if divided else "EQUAL"
    if not divided:
        return "EQUAL" if set(mean) == {0} and set(std) == {1} else "MINUSMEAN_DIVSTD"
    return "DIV255_MINUSMEAN_DIVSTD"


Difference = tuple[str, str] | None


def _size(config: Source, op: VdspOp) -> Difference:
    expected = image_shape(config) or spatial_size(process_ops(config))
    if expected is None or op.output_width is None or op.output_height is None:
        return None
    actual = (op.output_height, op.output_width)
    if actual == expected:
        return None
    return "frontend.shape", f"the network takes {list(expected)}, the device gives {list(actual)}"


def _form(ops: Sequence[Mapping[str, Any]], op: VdspOp) -> Difference:
    expected = norma_type(ops)
    if op.norm is None or _same_form(expected, op, ops):
        return None
    return f"{_OPS}: Normalize", f"calibration does {expected}, the device {op.norm}"


def _same_form(expected: str, op: VdspOp, ops: Sequence[Mapping[str, Any]]) -> bool:
    """Whether two forms do the same: mean 0 and std 1 change nothing."""
    plain = (expected, op.norm)
    if expected == op.norm:
        return True
    still = _still(op.mean, op.std) if op.uses_mean else _still(*_mean_std(ops))
    return still and {item.removesuffix("_MINUSMEAN_DIVSTD") for item in plain if item} in (
        {"DIV255"},
        {"EQUAL", "MINUSMEAN_DIVSTD"},
    )


def _still(mean: Sequence[float] | None, std: Sequence[float] | None) -> bool:
    return bool(mean) and bool(std) and set(mean or ()) == {0} and set(std or ()) == {1}


def _mean_std(ops: Sequence[Mapping[str, Any]]) -> tuple[list[float] | None, list[float] | None]:
    op = next((op for op in ops if op.get("type") == "Normalize"), {})
    mean, std = op.get("mean"), op.get("std")
    return (mean if numbers(mean) else None), (std if numbers(std) else None)


def _numbers(ops: Sequence[Mapping[str, Any]], op: VdspOp) -> Difference:
    mean, std = _mean_std(ops)
    if not op.uses_mean or norma_type(ops) != op.norm or not mean or not std:
        return None
    if op.mean is None or op.std is None:
        return None
    for name, expected, actual in (("mean", mean, op.mean), ("std", std, op.std)):
        each = expected * len(actual) if len(expected) == 1 else expected
        if len(each) != len(actual) or any(
            abs(a - b) > _HALF * max(abs(a), abs(b)) for a, b in zip(each, actual, strict=True)
        ):
            what = f"calibration has {name} {list(expected)}, the device {list(actual)}"
            return f"{_OPS}: Normalize", what
    return None


def _colour(ops: Sequence[Mapping[str, Any]], op: VdspOp) -> Difference:
    codes = [str(item.get("code")) for item in ops if item.get("type") == "CvtColor"]
    if any(code not in ("COLOR_RGB2BGR", "COLOR_BGR2RGB") for code in codes):
        return None
    swaps = len(codes) % 2 == 1
    if op.colour is None or swaps == (op.colour in ("RGB2BGR", "BGR2RGB")):
        return None
    order = "the other way round" if swaps else "as read"
    what = f"calibration takes the channels {order}, the device {op.colour}"
    return f"{_OPS}: CvtColor", what


def _geometry(ops: Sequence[Mapping[str, Any]], op: VdspOp) -> list[Difference]:
    kinds = [item.get("type") for item in ops]
    long_side = any(item.get("adaptive_side") == "long" for item in ops)
    boxes = "LETTERBOX" in op.op
    if (long_side and "Pad" in kinds) != boxes and "_EXT" not in op.op:
        first, second = ("letterboxes", "does not") if not boxes else ("stretches", "letterboxes")
        return [(f"{_OPS}: Resize", f"calibration {first}, the device {second}")]
    crops = "CROP" in op.op
    if ("CenterCrop" in kinds) != crops:
        first, second = ("does not crop", "does") if crops else ("crops", "does not")
        return [(f"{_OPS}: CenterCrop", f"calibration {first}, the device {second}")]
    return [_resized(ops, op)] if crops else []


def _resampler(ops: Sequence[Mapping[str, Any]], op: VdspOp) -> Difference:
    resize = next((item for item in ops if item.get("type") == "Resize"), None)
    if resize is None or op.resize_type is None:
        return None
    pillow = resize.get("backend") == "pillow"
    if pillow == op.resize_type.endswith("_PILLOW"):
        return None
    mine = "Pillow" if pillow else "OpenCV"
    return f"{_OPS}: Resize", f"calibration resizes as {mine} does, the device {op.resize_type}"


def _resized(ops: Sequence[Mapping[str, Any]], op: VdspOp) -> Difference:
    size = next((item.get("size") for item in ops if item.get("type") == "Resize"), None)
    actual = [op.resize_height, op.resize_width]
    if not isinstance(size, list) or None in actual or -1 in size or size == actual:
        return None
    return (
        f"{_OPS}: Resize",
        f"calibration resizes to {size} before the crop, the device to {actual}",
    )
