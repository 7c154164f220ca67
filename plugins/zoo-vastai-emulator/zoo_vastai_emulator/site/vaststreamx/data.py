"""Images and tensors on a die."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .constants import ImageFormat
from .device import checked_device

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

_PLANAR = (ImageFormat.RGB_PLANAR, ImageFormat.BGR_PLANAR)
_INTERLEAVED = (ImageFormat.RGB_INTERLEAVE, ImageFormat.BGR_INTERLEAVE)


class Image:
    """An image of 8 bits on a die."""

    def __init__(self, array: NDArray[np.uint8], format: ImageFormat, device_id: int) -> None:
        self._array = array
        self.format = format
        self.device_id = device_id

    @property
    def height(self) -> int:
        """Rows of pixels."""
        rows = self._array.shape[1 if self.format in _PLANAR else 0]
        return int(rows * 2 // 3 if self.format is ImageFormat.YUV_NV12 else rows)

    @property
    def width(self) -> int:
        """Columns of pixels."""
        return int(self._array.shape[1 if self.format in _INTERLEAVED else -1])

    @property
    def shape(self) -> list[int]:
        """The array's shape."""
        return list(self._array.shape)

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """What lies on the die; not for callers, who use as_numpy."""
        return self._array


class Tensor:
    """An array on a die, or on the host where `device_id` is -1."""

    def __init__(self, array: NDArray[Any], device_id: int) -> None:
        self._array = array
        self.device_id = device_id

    @property
    def shape(self) -> list[int]:
        """The array's shape."""
        return list(self._array.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(self._array.size)

    @property
    def values(self) -> NDArray[Any]:
        """What lies on the die; not for callers, who use as_numpy."""
        return self._array

    def clone(self, device_id: int) -> Tensor:
        """A copy on a die."""
        return Tensor(self._array.copy(), checked_device("Tensor.clone", device_id))


def create_image(
    array: NDArray[np.uint8] | None = None,
    format: ImageFormat | None = None,
    width: int = 0,
    height: int = 0,
    device_id: int = 0,
) -> Image:
    """Copy an array to a die.

    Raises ValueError where type, shape and size do not fit each other, and RuntimeError where the
    device is not the thread's.
    """
    device = checked_device("create_image", device_id)
    if not isinstance(format, ImageFormat):
        raise ValueError(f"create_image: not an ImageFormat: {format!r}")
    if not isinstance(array, np.ndarray) or array.dtype != np.uint8:
        raise ValueError(f"create_image: not an array of uint8: {getattr(array, 'dtype', array)}")
    expected = _shape(format, height, width)
    if array.shape != expected or 0 in expected:
        raise ValueError(
            f"create_image: {format.name} of width {width} and height {height} has shape"
            f" {expected}, this array {array.shape}"
        )
    return Image(np.ascontiguousarray(array).copy(), format, device)


def from_numpy(array: NDArray[Any], device_id: int) -> Tensor:
    """Copy an array to a die."""
    return Tensor(np.array(array, order="C"), checked_device("from_numpy", device_id))


def as_numpy(data: Image | Tensor) -> NDArray[Any]:
    """Copy an image or a tensor to the host."""
    if isinstance(data, Image):
        return data.pixels.copy()
    return data.values.copy()


def cvtcolor(image: Image, format: ImageFormat, color_space: Any = None) -> Image:
    """The image in another format of three channels; YUV and grey are not emulated."""
    known = (*_PLANAR, *_INTERLEAVED)
    if image.format not in known or format not in known:
        raise RuntimeError(
            f"cvtcolor: {image.format.name} to {format.name} is not emulated; RGB and BGR are"
        )
    planes = image.pixels if image.format in _PLANAR else image.pixels.transpose(2, 0, 1)
    if image.format.name[:3] != format.name[:3]:
        planes = planes[::-1]
    pixels = planes if format in _PLANAR else planes.transpose(1, 2, 0)
    return Image(np.ascontiguousarray(pixels), format, image.device_id)


def _shape(format: ImageFormat, height: int, width: int) -> tuple[int, ...]:
    if format in _PLANAR:
        return (3, height, width)
    if format in _INTERLEAVED:
        return (height, width, 3)
    if format is ImageFormat.YUV_NV12:
        if height % 2 or width % 2:
            raise ValueError(f"create_image: YUV_NV12 has even sides, not {height} x {width}")
        return (height * 3 // 2, width)
    return (height, width)
