"""The resamplers of the vendor's operators."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from numpy.typing import NDArray


def resize(image: NDArray[np.uint8], height: int, width: int, kind: str) -> NDArray[np.uint8]:
    """Image uint8 [h, w, c] to [height, width, c].

    `kind` is NEAREST, BILINEAR, BILINEAR_CV (half-pixel centres, no smoothing), BILINEAR_PILLOW or
    BICUBIC_PILLOW (the kernel widens when shrinking). Raises ValueError for another one.
    """
    if image.shape[:2] == (height, width):
        return image
    if kind in ("BILINEAR", "BILINEAR_CV", "NEAREST"):
        import cv2  # late, so that programs that touch no image start quickly

        flag = cv2.INTER_NEAREST if kind == "NEAREST" else cv2.INTER_LINEAR
        out = cv2.resize(image, (width, height), interpolation=flag)
        return np.asarray(out, np.uint8).reshape(height, width, -1)
    if kind not in _KERNELS:
        raise ValueError(f"no resampler is named {kind!r}")
    kernel, support = _KERNELS[kind]
    across = np.einsum("ow,hwc->hoc", _weights(image.shape[1], width, kernel, support), image)
    across = np.clip(np.round(across), 0, 255)
    down = np.einsum("oh,hwc->owc", _weights(image.shape[0], height, kernel, support), across)
    return np.asarray(np.clip(np.round(down), 0, 255), np.uint8)


def _weights(
    source: int, target: int, kernel: Callable[[NDArray[Any]], NDArray[Any]], support: float
) -> NDArray[np.float32]:
    """Rows of weights [target, source] that sum to 1; the kernel is stretched when shrinking."""
    ratio = source / target
    scale = max(ratio, 1.0)
    centres = (np.arange(target) + 0.5) * ratio
    distance = (np.arange(source)[None] + 0.5 - centres[:, None]) / scale
    weights = np.where(np.abs(distance) < support, kernel(np.abs(distance)), 0.0)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)


def _triangle(x: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(np.maximum(1 - x, 0))


def _cubic(x: NDArray[Any]) -> NDArray[Any]:
    """Keys' cubic with a = -0.5."""
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x < 1, near, np.where(x < 2, far, 0))


_KERNELS = {"BILINEAR_PILLOW": (_triangle, 1.0), "BICUBIC_PILLOW": (_cubic, 2.0)}
