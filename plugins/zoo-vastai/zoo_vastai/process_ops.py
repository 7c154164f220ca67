"""A preprocess specification as the `process_ops` with which vamc reads its calibration images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo_core.errors import UsageError
from zoo_core.vision import Preprocess
from zoo_core.vision.steps import CentreCrop, Decode, Resize
from zoo_vastai.norm import DIV255, DIV255_MINUSMEAN_DIVSTD, EQUAL, norm_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zoo_vastai.norm import Norm

_WHERE = "preprocess: resize"


def render_process_ops(preprocess: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The operations for `dataset.process_ops`, in vamc's order.

    What vamc cannot say is done as its own configurations do it: a letterbox gets no colour and no
    place (vamc has no keys for them), and `short_side` squashes to a square before the crop. That
    moves pixels but hardly their range, which is what calibration takes. Raises `UsageError`
    for a letterbox that is not square and for resampling that vamc does not have; calibration from
    npz files, which needs no operations, is the way round both.
    """
    steps = Preprocess.from_data(preprocess, where="preprocess").steps
    ops: list[dict[str, Any]] = [{"type": "DecodeImage"}]
    for step in steps:
        if isinstance(step, Decode) and step.colour == "bgr":
            ops.append({"type": "CvtColor", "code": "COLOR_RGB2BGR"})
        elif isinstance(step, Resize):
            ops.extend(_resize(step))
        elif isinstance(step, CentreCrop):
            ops.append({"type": "CenterCrop", "crop_size": list(step.size)})
    return [*ops, _normalise(norm_of(steps)), {"type": "ToTensor"}]


def _resize(step: Resize) -> list[dict[str, Any]]:
    if step.interpolation not in ("bilinear", "bicubic"):
        raise UsageError(
            f"vamc cannot resize calibration images by '{step.interpolation}'",
            where=_WHERE,
            next="choose interpolation bilinear",
        )
    how = {"interpolation": "bicubic"} if step.interpolation == "bicubic" else {}
    if step.mode != "letterbox":
        size = step.size if isinstance(step.size, tuple) else (step.size, step.size)
        return [{"type": "Resize", "size": list(size), **how}]
    assert isinstance(step.size, tuple)
    if step.size[0] != step.size[1]:
        raise UsageError(
            f"vamc letterboxes calibration images to squares only, not to {list(step.size)}",
            where=_WHERE,
            next="choose a square size, or resize stretch",
        )
    long_side = {"type": "Resize", "size": [step.size[0], -1], "adaptive_side": "long", **how}
    return [long_side, {"type": "Pad", "pad_to_square": True}]


def _normalise(norm: Norm) -> dict[str, Any]:
    divided = norm.form in (DIV255, DIV255_MINUSMEAN_DIVSTD)
    op: dict[str, Any] = {"type": "Normalize", "div255": divided}
    if norm.form in (DIV255, EQUAL):
        return {**op, "norm_type": None}
    assert norm.mean is not None
    assert norm.std is not None
    return {**op, "mean": list(norm.mean), "std": list(norm.std)}
