"""A preprocess specification as the operation of the device that does the same."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_core.errors import UsageError
from zoo_core.vision import Preprocess
from zoo_core.vision.steps import CentreCrop, Decode, Resize
from zoo_vastai.norm import norm_of
from zoo_vastai.vdsp.model import LETTERBOX, LETTERBOX_EXT, RESIZE, RESIZE_CROP, VdspOp

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zoo_vastai.norm import Three

_WHERE = "preprocess: resize"
_RESIZE_TYPES: Mapping[str, str] = MappingProxyType(
    {"bilinear": "BILINEAR_CV", "nearest": "NEAREST"}
)


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
