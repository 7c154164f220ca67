"""A preprocess specification in the two notations of the vendor: vdsp files and `process_ops`."""

from __future__ import annotations

from dataclasses import dataclass
from math import isclose
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_core.errors import UsageError
from zoo_core.vision import Preprocess
from zoo_core.vision.steps import CentreCrop, Decode, Normalise, Resize, Scale
from zoo_vastai.formats.vdsp import LETTERBOX, LETTERBOX_EXT, RESIZE, RESIZE_CROP, VdspOp

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zoo_core.vision.steps import Step

EQUAL = "EQUAL"
DIV255 = "DIV255"
MINUSMEAN_DIVSTD = "MINUSMEAN_DIVSTD"
DIV255_MINUSMEAN_DIVSTD = "DIV255_MINUSMEAN_DIVSTD"
DIV1275_MINUSONE = "DIV1275_MINUSONE"
FORMS = (EQUAL, DIV255, MINUSMEAN_DIVSTD, DIV255_MINUSMEAN_DIVSTD, DIV1275_MINUSONE)

_WHERE = "preprocess: resize"
_RESIZE_TYPES: Mapping[str, str] = MappingProxyType(
    {"bilinear": "BILINEAR_CV", "nearest": "NEAREST"}
)
_LARGEST = 65504.0
_SMALLEST_HALF = 2.0**-14

Three = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Norm:
    """One of `FORMS`; mean and std, one per channel, only where the form uses them.

    With v a pixel value 0..255: EQUAL v, DIV255 v/255, MINUSMEAN_DIVSTD (v - mean) / std,
    DIV255_MINUSMEAN_DIVSTD (v/255 - mean) / std, DIV1275_MINUSONE v/127.5 - 1.
    """

    form: str
    mean: Three | None = None
    std: Three | None = None


def norm_of(steps: Sequence[Step]) -> Norm:
    """The form that does the same as the Scale and Normalise steps among `steps`.

    However many there are, they are one multiplication and one addition per channel. Raises
    `UsageError` where mean or std do not fit into the half floats in which the device holds them.
    """
    values = [step for step in steps if isinstance(step, Scale | Normalise)]
    first = values[0] if values else None
    divided = isinstance(first, Scale) and isclose(first.factor, 1 / 255, rel_tol=1e-6)
    rest = values[1:] if divided else values
    if not rest:
        return Norm(DIV255 if divided else EQUAL)
    mean, std = _folded(rest)
    for channel in range(3):
        if not _SMALLEST_HALF <= std[channel] <= _LARGEST or abs(mean[channel]) > _LARGEST:
            raise UsageError(
                f"the device cannot hold mean {mean[channel]:g} and std {std[channel]:g}",
                where="preprocess: normalise",
                next="both must fit into half floats, std above 0",
            )
    return Norm(DIV255_MINUSMEAN_DIVSTD if divided else MINUSMEAN_DIVSTD, mean, std)


def _folded(values: Sequence[Scale | Normalise]) -> tuple[Three, Three]:
    """Mean and std that do what the steps do one after the other."""
    if len(values) == 1 and isinstance(values[0], Normalise):
        return values[0].mean, values[0].std
    means, stds = [], []
    for channel in range(3):
        factor, offset = 1.0, 0.0
        for step in values:
            if isinstance(step, Scale):
                factor, offset = factor * step.factor, offset * step.factor
            else:
                factor /= step.std[channel]
                offset = (offset - step.mean[channel]) / step.std[channel]
        stds.append(1 / factor)
        means.append(-offset / factor)
    return (means[0], means[1], means[2]), (stds[0], stds[1], stds[2])


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


def render_vdsp(preprocess: Sequence[Mapping[str, Any]], size: tuple[int, int]) -> VdspOp:
    """The fused operation for RGB planar images; `size` is (height, width) of the network's input.

    Mean and std are rounded to half floats, as the device holds them, and are left out where they
    have no effect. Where the operation cannot hold the numbers of all images, `per_image` tells
    them. Raises `UsageError` for what the device cannot do.
    """
    spec = Preprocess.from_data(preprocess, where="preprocess")
    if spec.size != size:
        raise UsageError(
            f"the preprocessing gives {list(spec.size)}, the network takes {list(size)}"
        )
    if spec.channels != 3:
        what = "the device's operations make RGB images, the network takes grey ones"
        raise UsageError(what, where="preprocess: decode", next="choose another --backend")
    norm = norm_of(spec.steps)
    resize = next(step for step in spec.steps if isinstance(step, Resize))
    bgr = any(isinstance(step, Decode) and step.colour == "bgr" for step in spec.steps)
    height, width = size
    return VdspOp(
        image_format="RGB_PLANAR",
        image_width=width,
        image_height=height,
        output_width=width,
        output_height=height,
        resize_type=_resize_type(resize),
        colour="RGB2BGR" if bgr else "NO_CHANGE",
        norm=norm.form,
        mean=_half(norm.mean),
        std=_half(norm.std),
        **_geometry(spec, resize),
    )


def per_image(
    preprocess: Sequence[Mapping[str, Any]], source: tuple[int, int]
) -> dict[str, tuple[int, ...]]:
    """What the device must be told with an image of `source` (height, width), by the SDK's name.

    `crop_resize_ext` (crop x, crop y, resize width, resize height) for `short_side`, since a file
    names one size, to which the device would squash; `rgb_letterbox_ext` (resize width, resize
    height, top, bottom, left, right) for a letterbox that is not in the middle, or rounded down.
    """
    spec = Preprocess.from_data(preprocess, where="preprocess")
    resize = next(step for step in spec.steps if isinstance(step, Resize))
    placed = spec.geometry(source)
    width, height = (
        round(side * scale) for side, scale in zip(source[::-1], placed.scale, strict=True)
    )
    left, top = (int(pixels) for pixels in placed.offset)
    if resize.mode == "short_side":
        return {"crop_resize_ext": (-left, -top, width, height)}
    if resize.mode != "letterbox" or _as_the_device_does(resize):
        return {}
    below, beside = spec.size[0] - top - height, spec.size[1] - left - width
    return {"rgb_letterbox_ext": (width, height, top, below, left, beside)}


def _geometry(spec: Preprocess, resize: Resize) -> dict[str, Any]:
    if resize.mode == "letterbox":
        return _letterbox(resize, spec.size)
    crop = next((step for step in spec.steps if isinstance(step, CentreCrop)), None)
    if crop is None:
        return {"op": RESIZE}
    sides = resize.size if isinstance(resize.size, tuple) else (resize.size, resize.size)
    left, top = _crop_start(sides, crop.size)
    return {
        "op": RESIZE_CROP,
        "resize_width": sides[1],
        "resize_height": sides[0],
        "crop_x": left,
        "crop_y": top,
    }


def _letterbox(resize: Resize, size: tuple[int, int]) -> dict[str, Any]:
    if resize.pad != int(resize.pad):
        raise _cannot(f"pad with {resize.pad:g}", "choose a whole number, such as pad 114")
    pad = int(resize.pad)
    found: dict[str, Any] = {"op": LETTERBOX, "padding": (pad, pad, pad)}
    constant = {"EdgePaddingType": "CONSTANT"}
    if _as_the_device_does(resize):
        return {**found, "other": constant}
    placeholders = {f"Padding{side}": 0 for side in ("Left", "Right", "Top", "Bottom")}
    return {
        **found,
        "op": LETTERBOX_EXT,
        "resize_width": size[1],
        "resize_height": size[0],
        "other": {**placeholders, **constant},
    }


def _as_the_device_does(resize: Resize) -> bool:
    """Whether a letterbox is the one the device computes by itself."""
    return resize.anchor == "centre" and resize.rounding == "nearest"


def _resize_type(resize: Resize) -> str:
    if resize.interpolation not in _RESIZE_TYPES:
        raise _cannot(f"resize by '{resize.interpolation}'", "choose interpolation bilinear")
    return _RESIZE_TYPES[resize.interpolation]


def _cannot(what: str, choice: str) -> UsageError:
    return UsageError(f"the device cannot {what}", where=_WHERE, next=choice)


def _crop_start(sides: tuple[int, int], size: tuple[int, int]) -> tuple[int, int]:
    """Left and top of the middle, rounded as `CentreCrop` does."""
    return round((sides[1] - size[1]) / 2), round((sides[0] - size[0]) / 2)


def _half(values: Three | None) -> Three | None:
    if values is None:
        return None
    red, green, blue = (float(np.float16(value)) for value in values)
    return red, green, blue
