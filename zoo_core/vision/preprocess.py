"""One preprocess specification: what turns an image into a network's input, as a value."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_core.errors import DataError, UsageError
from zoo_core.vision.geometry import Geometry
from zoo_core.vision.resample import resample
from zoo_core.vision.steps import (
    LETTERBOX_DEFAULTS,
    CentreCrop,
    Decode,
    Normalise,
    Resize,
    Scale,
    Step,
    ToTensor,
    step_from_data,
    step_to_data,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from zoo_core.vision.steps import Interpolation, Mode, Rounding

_LARGEST_ENLARGEMENT = 1 << 26
_ROWS = 32
_ORDER = (
    "give decode, resize, to_tensor in this order; centre_crop may follow resize, and any of scale "
    "and normalise may stand before to_tensor"
)


@dataclass(frozen=True, slots=True)
class Preprocess:
    """Ordered steps: Decode, Resize, perhaps CentreCrop, any of Scale and Normalise, ToTensor.

    Values are computed in float64, step by step, and rounded once to float32. Raises `UsageError`
    for another order and where the result has no fixed size.
    """

    steps: tuple[Step, ...]

    def __post_init__(self) -> None:
        kinds = [type(step) for step in self.steps]
        spatial = 3 if CentreCrop in kinds else 2
        wanted = [Decode, Resize, CentreCrop][:spatial]
        values = kinds[spatial:-1]
        ordered = kinds[:spatial] == wanted and kinds[-1:] == [ToTensor]
        if not ordered or not set(values) <= {Scale, Normalise}:
            missing = [kind.op for kind in (Decode, Resize, ToTensor) if kind not in kinds]
            lacking = f"the preprocess steps lack {', '.join(missing)}"
            what = lacking if missing else "the preprocess steps are not in order"
            raise UsageError(what, next=_ORDER)
        _check_crop(self._resize, self._crop)
        if self.channels == 1 and any(
            len({*pair}) > 1
            for step in self.steps
            if isinstance(step, Normalise)
            for pair in (step.mean, step.std)
        ):
            step = "give the same number three times"
            raise UsageError("grey images have one channel, normalise states three", next=step)

    @classmethod
    def from_data(cls, data: Sequence[Mapping[str, Any]], where: str = "") -> Preprocess:
        """From a list of {"op": name, ...}; raises `UsageError` that names the faulty step."""
        steps = []
        for number, item in enumerate(data):
            try:
                steps.append(step_from_data(item))
            except UsageError as error:
                place = f"{where}[{number}]" if where else f"step {number}"
                raise UsageError(error.what, where=place, next=error.next) from error
        try:
            return cls(tuple(steps))
        except UsageError as error:
            raise UsageError(error.what, where=where, next=error.next) from error

    def to_data(self) -> list[dict[str, Any]]:
        """The canonical data form; equal specifications give equal data."""
        return [step_to_data(step) for step in self.steps]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the network's input."""
        if self._crop is not None:
            return self._crop.size
        size = self._resize.size
        return size if isinstance(size, tuple) else (size, size)

    @property
    def mode(self) -> Mode:
        """How the image is brought to that size."""
        return self._resize.mode

    @property
    def exif(self) -> bool:
        """Whether the image is to be read with its EXIF rotation applied."""
        return self._decode.exif

    @property
    def channels(self) -> int:
        """Channels of the network's input: 3, or 1 for grey."""
        return 1 if self._decode.colour == "grey" else 3

    def with_channels(self, channels: int) -> Preprocess:
        """The specification for 1 channel (grey), or 3 (in the order it has, RGB if it is grey)."""
        if channels == self.channels:
            return self
        decode = replace(self._decode, colour="grey" if channels == 1 else "rgb")
        return replace(self, steps=(decode, *self.steps[1:]))

    def with_resize(
        self,
        mode: Mode | None = None,
        size: tuple[int, int] | None = None,
        interpolation: Interpolation | None = None,
        pad: float | None = None,
        rounding: Rounding | None = None,
    ) -> Preprocess:
        """The specification with another resize; None keeps what is there.

        A crop belongs to short_side: it goes when the mode leaves it, comes when the mode turns to
        it, and takes `size`, the shorter side growing in proportion. `pad` and `rounding` count for
        letterbox only.
        """
        old, wanted = self._resize, size or self.size
        chosen = mode or old.mode
        crop = self._crop if chosen == old.mode else None
        target: tuple[int, int] | int = wanted
        if chosen == "short_side":
            target = _short_side(old, self.size, wanted)
            crop = CentreCrop(wanted)
        elif crop is not None and size is not None and isinstance(old.size, tuple):
            target = _grown(old.size, crop.size, wanted)
            crop = CentreCrop(wanted)
        elif crop is not None:
            target = old.size
        changes = {"interpolation": interpolation, "pad": pad, "rounding": rounding}
        named: dict[str, Any] = {key: value for key, value in changes.items() if value is not None}
        if chosen != "letterbox":
            named.update(LETTERBOX_DEFAULTS)
        new = replace(old, mode=chosen, size=target, **named)
        values = tuple(s for s in self.steps[1:] if not isinstance(s, Resize | CentreCrop))
        return replace(self, steps=(self.steps[0], new, *((crop,) if crop else ()), *values))

    def prepare(self, image: NDArray[np.uint8]) -> tuple[NDArray[np.float32], Geometry]:
        """Image uint8 [h, w, 3] RGB -> C-contiguous float32 [3, H, W], and where the image lies.

        For grey the result is [1, H, W]. Raises `DataError` for anything else than such an image.
        """
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
            raise DataError(f"not an RGB image of 8 bits: {image.dtype} {list(image.shape)}")
        pixels, geometry = self._placed(image)
        left, top = int(max(geometry.offset[0], 0)), int(max(geometry.offset[1], 0))
        height, width = pixels.shape[:2]
        tensor = np.empty((self.channels, *self.size), np.float32)
        inner = tensor[:, top : top + height, left : left + width]
        if (height, width) != self.size:
            border = np.empty((self.channels, 1, 1), np.float32)
            self._compute(np.full((1, 1, self.channels), self._resize.pad), border)
            tensor[:, :top] = border
            tensor[:, top + height :] = border
            tensor[:, :, :left] = border
            tensor[:, :, left + width :] = border
        if pixels.dtype == np.uint8:
            self._look_up(pixels, inner)
        else:
            self._compute(pixels, inner)
        return tensor, geometry

    def geometry(self, source: tuple[int, int]) -> Geometry:
        """Where an image of this (height, width) lies in the network's input."""
        height, width = _resized(self._resize, source)
        top, left = self._offset(height, width)
        return Geometry(
            source=source,
            network=self.size,
            scale=(width / source[1], height / source[0]),
            offset=(float(left), float(top)),
        )

    def _offset(self, height: int, width: int) -> tuple[int, int]:
        """Top and left of the resized image in the network's input; below 0 where it is cropped."""
        network = self.size
        if self._crop is not None:
            return -round((height - network[0]) / 2), -round((width - network[1]) / 2)
        if self._resize.mode == "letterbox" and self._resize.anchor == "centre":
            return (network[0] - height) // 2, (network[1] - width) // 2
        return 0, 0

    def _placed(self, image: NDArray[np.uint8]) -> tuple[NDArray[Any], Geometry]:
        """The resized and cropped pixels, and the geometry."""
        network, source = self.size, (image.shape[0], image.shape[1])
        height, width = _resized(self._resize, source)
        if self.channels == 1:
            image = _grey(image)
        pixels = resample(image, (height, width), self._resize.interpolation)
        if self._crop is not None:
            top, left = self._offset(height, width)
            pixels = pixels[-top : network[0] - top, -left : network[1] - left]
        return pixels, self.geometry(source)

    def _compute(self, pixels: NDArray[Any], out: NDArray[np.float32]) -> None:
        """Numbers [h, w, c] in RGB order -> float32 [c, h, w] in the specification's order."""
        planes = pixels.transpose(2, 0, 1)
        planes = planes[::-1] if self._decode.colour == "bgr" else planes
        for start in range(0, planes.shape[1], _ROWS):
            rows = slice(start, start + _ROWS)
            values = planes[:, rows].astype(np.float64)
            for step in self.steps:
                if isinstance(step, Scale):
                    values *= step.factor
                elif isinstance(step, Normalise):
                    values -= np.reshape(step.mean[: len(planes)], (-1, 1, 1))
                    values /= np.reshape(step.std[: len(planes)], (-1, 1, 1))
            out[:, rows] = values

    def _look_up(self, pixels: NDArray[np.uint8], out: NDArray[np.float32]) -> None:
        """The same for uint8: there are only 256 values, so each is computed once."""
        import cv2

        planes = np.empty((self.channels, *pixels.shape[:2]), np.uint8)
        order = {"bgr": (2, 1, 0), "rgb": (0, 1, 2), "grey": (0,)}[self._decode.colour]
        cv2.split(pixels, [planes[channel] for channel in order])
        for plane, table, target in zip(planes, _tables(self), out, strict=True):
            cv2.LUT(plane, table, dst=target)

    @property
    def _decode(self) -> Decode:
        return next(step for step in self.steps if isinstance(step, Decode))

    @property
    def _resize(self) -> Resize:
        return next(step for step in self.steps if isinstance(step, Resize))

    @property
    def _crop(self) -> CentreCrop | None:
        return next((step for step in self.steps if isinstance(step, CentreCrop)), None)


@lru_cache(maxsize=16)
def _tables(specification: Preprocess) -> NDArray[np.float32]:
    """What each of the 256 values becomes, float32 [c, 1, 256] in the specification's order."""
    levels = np.arange(256)[None, :, None].repeat(specification.channels, axis=2)
    tables = np.empty((specification.channels, 1, 256), np.float32)
    specification._compute(levels, tables)
    return tables


def _grey(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """RGB uint8 [h, w, 3] -> [h, w, 1]."""
    import cv2

    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)[:, :, None]


def _resized(resize: Resize, source: tuple[int, int]) -> tuple[int, int]:
    """Height and width after the resize, before padding or cropping."""
    height, width = source
    if isinstance(resize.size, int):
        short = resize.size
        longer = short * max(source) // min(source)
        if short * longer > max(_LARGEST_ENLARGEMENT, height * width):
            raise DataError(
                f"{width}x{height} is too narrow to bring its shorter side to {short} pixels",
                next="leave the image out",
            )
        return (short, longer) if height <= width else (longer, short)
    if resize.mode == "stretch":
        return resize.size
    return _boxed(resize, height, width)


def _boxed(resize: Resize, height: int, width: int) -> tuple[int, int]:
    assert isinstance(resize.size, tuple)
    most_height, most_width = resize.size
    if resize.rounding == "down":
        high, wide = height * most_width // width, width * most_height // height
    else:
        ratio = min(most_height / height, most_width / width)
        high, wide = round(height * ratio), round(width * ratio)
    return min(max(high, 1), most_height), min(max(wide, 1), most_width)


def _check_crop(resize: Resize, crop: CentreCrop | None) -> None:
    if crop is None:
        if resize.mode == "short_side":
            raise UsageError("short_side gives no fixed size", next="add a centre_crop step")
        return
    if resize.mode == "letterbox":
        raise UsageError("a centre_crop after a letterbox", next="letterbox to the smaller size")
    sides = resize.size if isinstance(resize.size, tuple) else (resize.size, resize.size)
    if crop.size[0] > sides[0] or crop.size[1] > sides[1]:
        raise UsageError(f"centre_crop {list(crop.size)} is larger than the resize {list(sides)}")


def _short_side(old: Resize, was: tuple[int, int], wanted: tuple[int, int]) -> int:
    """The shorter side for a crop of `wanted`: in proportion to what it was for the old crop."""
    if isinstance(old.size, int):
        return max(round(old.size * max(wanted) / max(was)), *wanted)
    return max(wanted)


def _grown(size: tuple[int, int], was: tuple[int, int], wanted: tuple[int, int]) -> tuple[int, int]:
    return (
        max(round(size[0] * wanted[0] / was[0]), wanted[0]),
        max(round(size[1] * wanted[1] / was[1]), wanted[1]),
    )
