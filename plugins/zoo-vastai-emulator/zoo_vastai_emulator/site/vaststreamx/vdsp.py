"""The fused preprocessing operators of vdsp JSON, in NumPy and OpenCV."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .constants import ImageFormat
from .resample import resize

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from numpy.typing import NDArray

    from .data import Image

PADDING = (114, 114, 114)
"""Border of a letterbox where the JSON states none, as in the vendor's files before 2024."""

_FORMATS = {
    "RGB_PLANAR": ImageFormat.RGB_PLANAR,
    "BGR_PLANAR": ImageFormat.BGR_PLANAR,
    "RGB888": ImageFormat.RGB_INTERLEAVE,
    "BGR888": ImageFormat.BGR_INTERLEAVE,
}
_SWAPS = {"NO_CHANGE": False, "BGR2RGB": True, "RGB2BGR": True}
_DIVISORS = {"DIV255": 255.0, "DIV255_MINUSMEAN_DIVSTD": 255.0}
_WITH_MEAN = ("MINUSMEAN_DIVSTD", "DIV255_MINUSMEAN_DIVSTD")
_PLAIN = ("EQUAL", "DIV255")
_TO_ONE = ("DIV1275_MINUSONE", "DIV127_5_MINUSONE")


class FusedOp:
    """One fused operator: its configuration, checked, and what it makes of an image."""

    def __init__(self, op_type: str, config: Mapping[str, Any]) -> None:
        self.op_type = op_type
        self.config = config
        words = op_type.replace("FUSION_OP_RGB_", "").replace("_NORM_TENSOR", "").split("_")
        self._order = [word for word in words if word not in ("CVTCOLOR", "EXT")]
        self.format = _known(_FORMATS, config.get("IimageFormat", "RGB_PLANAR"), "IimageFormat")
        self._swap = _known(_SWAPS, config.get("ColorCvtCode", "NO_CHANGE"), "ColorCvtCode")
        self._norm = str(config.get("NormaType", "EQUAL"))
        if self._norm not in (*_WITH_MEAN, *_PLAIN, *_TO_ONE):
            raise ValueError(f"NormaType {self._norm!r} is unknown")
        if self._norm in _WITH_MEAN and not {"Mean", "Std"} <= set(config):
            raise ValueError(f"NormaType {self._norm} without Mean and Std")

    def output_size(self, model: tuple[int, int]) -> tuple[int, int]:
        """(height, width) of what it makes; the model's where the JSON says nothing."""
        return (
            int(self.config.get("OimageHeight", model[0])),
            int(self.config.get("OimageWidth", model[1])),
        )

    def run(
        self, image: Image, model: tuple[int, int], per_image: Sequence[int] | None = None
    ) -> NDArray[np.float16]:
        """Image to float16 [3, H, W] for a model whose input is `model` = (H, W).

        `per_image` is what run_sync and run_async are given for this image: (resize_w, resize_h,
        top, bottom, left, right) for a letterbox, (crop_x, crop_y, resize_w, resize_h) for a crop.
        """
        if image.format is not self.format:
            raise RuntimeError(
                f"{self.op_type} is configured for {self.format.name}, the image is"
                f" {image.format.name}"
            )
        planar = image.format.name.endswith("PLANAR")
        pixels = image.pixels.transpose(1, 2, 0) if planar else image.pixels
        out = self.output_size(model)
        for step in self._order:
            pixels = _STEPS[step](self, np.ascontiguousarray(pixels), out, per_image)
        if pixels.shape[:2] != out:
            raise RuntimeError(f"{self.op_type} makes {pixels.shape[:2]} where {out} is wanted")
        return self._normalised(pixels[:, :, ::-1] if self._swap else pixels)

    def _normalised(self, pixels: NDArray[np.uint8]) -> NDArray[np.float16]:
        values = pixels.transpose(2, 0, 1).astype(np.float32)
        if self._norm in _TO_ONE:
            values = values / np.float32(127.5) - np.float32(1)
        if self._norm in _DIVISORS:
            values = values / np.float32(_DIVISORS[self._norm])
        if self._norm in _WITH_MEAN:
            values = (values - self._plane("Mean")) / self._plane("Std")
        return values.astype(np.float16)

    def _plane(self, key: str) -> NDArray[np.float32]:
        return np.asarray(self.config[key], np.float32).reshape(-1, 1, 1)

    def _scaled(self, pixels: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
        return resize(pixels, height, width, str(self.config.get("ResizeType", "BILINEAR_CV")))

    def _resize(
        self, pixels: NDArray[np.uint8], out: tuple[int, int], per_image: Sequence[int] | None
    ) -> NDArray[np.uint8]:
        width, height = (per_image or (0, 0, 0, 0))[2:4]
        height = height or int(self.config.get("ResizeHeight", out[0]))
        width = width or int(self.config.get("ResizeWidth", out[1]))
        return self._scaled(pixels, height, width)

    def _crop(
        self, pixels: NDArray[np.uint8], out: tuple[int, int], per_image: Sequence[int] | None
    ) -> NDArray[np.uint8]:
        left, top = (per_image or (self.config.get("CropX", 0), self.config.get("CropY", 0)))[:2]
        height, width = out
        if self._order.index("CROP") == 0:
            height = int(self.config.get("CropHeight", pixels.shape[0] - top))
            width = int(self.config.get("CropWidth", pixels.shape[1] - left))
        return pixels[top : top + height, left : left + width]

    def _letterbox(
        self, pixels: NDArray[np.uint8], out: tuple[int, int], per_image: Sequence[int] | None
    ) -> NDArray[np.uint8]:
        if self.op_type.endswith("_EXT"):
            if per_image is None:
                raise RuntimeError(f"{self.op_type} needs rgb_letterbox_ext with every image")
            width, height, top, bottom, left, right = per_image
            if (top + height + bottom, left + width + right) != out:
                raise RuntimeError(f"rgb_letterbox_ext {tuple(per_image)} does not make {out}")
        else:
            ratio = min(out[0] / pixels.shape[0], out[1] / pixels.shape[1])
            height, width = (max(round(side * ratio), 1) for side in pixels.shape[:2])
            top, left = (out[0] - height) // 2, (out[1] - width) // 2
        inner = self._scaled(pixels, height, width)
        canvas = np.empty((out[0], out[1], 3), np.uint8)
        canvas[:] = np.asarray(self.config.get("Padding", PADDING), np.uint8)
        canvas[top : top + height, left : left + width] = inner
        return canvas


_STEPS = {"RESIZE": FusedOp._resize, "CROP": FusedOp._crop, "LETTERBOX": FusedOp._letterbox}


def _known(table: Mapping[str, Any], name: object, key: str) -> Any:
    if name not in table:
        raise ValueError(f"{key} {name!r} is not emulated; known: {', '.join(table)}")
    return table[str(name)]
