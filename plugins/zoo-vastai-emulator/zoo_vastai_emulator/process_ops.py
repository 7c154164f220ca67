"""The operations that a configuration lists for its calibration images, in NumPy and OpenCV."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from zoo_vastai_emulator.refusal import RefusedError
from zoo_vastai_emulator.site.vaststreamx.resample import resize

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Array = NDArray[Any]
    Op = Mapping[str, Any]

PAD_VALUE = 114
"""Where the operation states none. What vamc pads with is unknown; this is what the device does."""

_CODES = {
    "COLOR_RGB2BGR": cv2.COLOR_RGB2BGR,
    "COLOR_BGR2RGB": cv2.COLOR_BGR2RGB,
    "COLOR_RGB2YCrCb": cv2.COLOR_RGB2YCrCb,
}


def prepared(path: Path, ops: Sequence[Op]) -> Array:
    """One calibration image through the operations, in their order: float32 [c, h, w].

    Raises RefusedError for an image that cannot be read.
    """
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise RefusedError(f"calibration image {path} cannot be read")
    value: Array = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    for op in ops:
        value = OPS[op["type"]](value, op)
    return np.ascontiguousarray(value, np.float32)


def _decode(image: Array, op: Op) -> Array:
    """Images come as RGB; cv2_flags 0 asks for grey."""
    if op.get("cv2_flags") == 0:
        return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[:, :, None]
    return image


def _resize(image: Array, op: Op) -> Array:
    size = op["size"] if isinstance(op["size"], list) else [op["size"]] * 2
    height, width = image.shape[:2]
    if op.get("adaptive_side") or -1 in size:
        longest = op.get("adaptive_side", "short") == "long"
        ratio = max(size) / (max(height, width) if longest else min(height, width))
        size = [max(round(height * ratio), 1), max(round(width * ratio), 1)]
    return _scaled(image, size, op)


def _scaled(image: Array, size: Sequence[int], op: Op) -> Array:
    name = str(op.get("interpolation") or "bilinear").upper()
    if op.get("backend") == "pillow":
        return resize(image, size[0], size[1], f"{name}_PILLOW")
    flag = cv2.INTER_CUBIC if name == "BICUBIC" else cv2.INTER_LINEAR
    out = cv2.resize(image, (size[1], size[0]), interpolation=flag)
    return out if out.ndim == 3 else out[:, :, None]


def _centre_crop(image: Array, op: Op) -> Array:
    height, width = op["crop_size"]
    top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    return image[top : top + height, left : left + width]


def _pad(image: Array, op: Op) -> Array:
    """To a square, the image in its centre."""
    side = max(image.shape[:2])
    top, left = (side - image.shape[0]) // 2, (side - image.shape[1]) // 2
    canvas = np.empty((side, side, image.shape[2]), image.dtype)
    canvas[:] = op.get("pad_val", PAD_VALUE)
    canvas[top : top + image.shape[0], left : left + image.shape[1]] = image
    return canvas


def _convert(image: Array, op: Op) -> Array:
    if op.get("code") not in _CODES:
        raise RefusedError(f"CvtColor code {op.get('code')!r} is not supported")
    return cv2.cvtColor(image, _CODES[op["code"]])


def _split(image: Array, op: Op) -> Array:
    index = int(op["index"])
    return image[:, :, index : index + 1]


def _normalise(image: Array, op: Op) -> Array:
    """By 255 unless `div255` is false; mean and std unless `norm_type` is null."""
    value: Array = image.astype(np.float32)
    div255 = op.get("div255", True)
    if div255:
        value = value / np.float32(255)
    is_off = "norm_type" in op and op["norm_type"] in (None, "None")
    if not is_off and op.get("mean") is not None and op.get("std") is not None:
        value = (value - np.asarray(op["mean"], np.float32)) / np.asarray(op["std"], np.float32)
    return value


def _to_tensor(image: Array, op: Op) -> Array:
    return image.transpose(2, 0, 1)


OPS: Mapping[str, Callable[[Array, Op], Array]] = {
    "DecodeImage": _decode,
    "Resize": _resize,
    "CenterCrop": _centre_crop,
    "Pad": _pad,
    "CvtColor": _convert,
    "ChannelSplit": _split,
    "Normalize": _normalise,
    "ToTensor": _to_tensor,
}
