"""The typed operations of a preprocess specification, and their strict data form."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

from zoo_core.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

Colour = Literal["rgb", "bgr", "grey"]
Mode = Literal["stretch", "letterbox", "short_side"]
Interpolation = Literal["bilinear", "bilinear_align_corners", "nearest", "bicubic", "area"]
Anchor = Literal["centre", "top_left"]
Rounding = Literal["nearest", "down"]

COLOURS = ("rgb", "bgr", "grey")
MODES = ("stretch", "letterbox", "short_side")
INTERPOLATIONS = ("bilinear", "bilinear_align_corners", "nearest", "bicubic", "area")
ANCHORS = ("centre", "top_left")
ROUNDINGS = ("nearest", "down")

MOST_SIDE = 1 << 16
"""Pixels of a side at most."""

_FAR = 1e30
MID_GREY = 127.5
LETTERBOX_DEFAULTS: Mapping[str, Any] = MappingProxyType(
    {"pad": MID_GREY, "anchor": "centre", "rounding": "nearest"}
)


@dataclass(frozen=True, slots=True)
class Decode:
    """Read the file: the channels of all that follows, and whether EXIF rotation applies.

    `rgb` and `bgr` are three channels in that order. `grey` is one, OpenCV's
    0.299 R + 0.587 G + 0.114 B rounded to uint8, made before the resize.
    """

    op: ClassVar[str] = "decode"
    colour: Colour = "rgb"
    exif: bool = True

    def __post_init__(self) -> None:
        _member("colour", self.colour, COLOURS)
        _flag("exif", self.exif)


@dataclass(frozen=True, slots=True)
class Resize:
    """Bring the image to `size`, (height, width) in pixels.

    `stretch` ignores the aspect. `letterbox` keeps it: with r = min(H/h, W/w) the sides become h*r
    and w*r, at least 1, rounded to the `nearest` whole number or, as darknet does, `down` (one
    pixel is worth some tenths of AP at 320). The rest is filled with `pad` (0..255, fractions too),
    the image in the centre (odd remainders: one more pixel right and below) or at the top left.
    `short_side` takes one number, brings the shorter side to it and the longer to
    int(size * long / short); a `CentreCrop` must follow.

    `bilinear`, `nearest`, `bicubic`, `area` are OpenCV's on uint8, rounded to uint8.
    `bilinear_align_corners` is darknet's: float32, corners on corners, not rounded.
    """

    op: ClassVar[str] = "resize"
    mode: Mode
    size: tuple[int, int] | int
    interpolation: Interpolation = "bilinear"
    pad: float = MID_GREY
    anchor: Anchor = "centre"
    rounding: Rounding = "nearest"

    def __post_init__(self) -> None:
        _member("mode", self.mode, MODES)
        _member("interpolation", self.interpolation, INTERPOLATIONS)
        _member("anchor", self.anchor, ANCHORS)
        _member("rounding", self.rounding, ROUNDINGS)
        _number("pad", self.pad)
        if not 0 <= self.pad <= 255:
            raise UsageError(f"pad must lie within 0..255, not {self.pad!r}")
        if self.mode == "short_side":
            _side("size", self.size)
        else:
            _pair("size", self.size)
        if self.mode != "letterbox":
            for name, default in LETTERBOX_DEFAULTS.items():
                if getattr(self, name) != default:
                    raise UsageError(f"{name} has no effect with {self.mode}", next="remove it")


@dataclass(frozen=True, slots=True)
class CentreCrop:
    """Cut `size`, (height, width), out of the middle; starts at round((length - size) / 2)."""

    op: ClassVar[str] = "centre_crop"
    size: tuple[int, int]

    def __post_init__(self) -> None:
        _pair("size", self.size)


@dataclass(frozen=True, slots=True)
class Scale:
    """Multiply by `factor`."""

    op: ClassVar[str] = "scale"
    factor: float

    def __post_init__(self) -> None:
        _number("factor", self.factor)
        if not self.factor:
            step = "give what each value is multiplied by, such as 0.00392156862745098 (1/255)"
            raise UsageError("the factor of step scale must not be 0", next=step)


@dataclass(frozen=True, slots=True)
class Normalise:
    """Subtract `mean`, divide by `std`; one number per channel, in the order that Decode set.

    For grey images the three numbers must be equal.
    """

    op: ClassVar[str] = "normalise"
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def __post_init__(self) -> None:
        for name, values in (("mean", self.mean), ("std", self.std)):
            if not isinstance(values, tuple) or len(values) != 3:
                raise UsageError(f"{name} must be three numbers, not {values!r}")
            for value in values:
                _number(name, value)
        if 0 in self.std:
            raise UsageError("std must not hold 0")


@dataclass(frozen=True, slots=True)
class ToTensor:
    """Height x width x channel -> float32 channel x height x width."""

    op: ClassVar[str] = "to_tensor"


Step: TypeAlias = Decode | Resize | CentreCrop | Scale | Normalise | ToTensor

_KINDS: Mapping[str, type[Step]] = MappingProxyType(
    {kind.op: kind for kind in (Decode, Resize, CentreCrop, Scale, Normalise, ToTensor)}
)


def step_from_data(data: Mapping[str, Any]) -> Step:
    """One step from {"op": name, ...}; lists become tuples. Raises `UsageError`."""
    name = data.get("op") if hasattr(data, "get") else None
    if name is None:
        raise UsageError("a step needs an 'op'", next=did_you_mean("", _KINDS))
    kind = _KINDS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise UsageError(f"no preprocess step '{name}'", next=did_you_mean(str(name), _KINDS))
    values: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in data.items()
        if key != "op"
    }
    known = [field.name for field in fields(kind)]
    for key in values:
        if key not in known:
            raise UsageError(f"unknown key '{key}' in step {name}", next=did_you_mean(key, known))
    for field in fields(kind):
        if field.default is MISSING and field.name not in values:
            raise UsageError(f"step {name} lacks '{field.name}'")
    return kind(**values)


def step_to_data(step: Step) -> dict[str, Any]:
    """The inverse: every field that has an effect, tuples as lists."""
    plain = isinstance(step, Resize) and step.mode != "letterbox"
    silent = set(LETTERBOX_DEFAULTS) if plain else set()
    data: dict[str, Any] = {"op": step.op}
    for field in fields(step):
        if field.name not in silent:
            value = getattr(step, field.name)
            data[field.name] = list(value) if isinstance(value, tuple) else value
    return data


def _member(name: str, value: Any, known: tuple[str, ...]) -> None:
    if value not in known:
        raise UsageError(f"no {name} '{value}'", next=did_you_mean(str(value), known))


def _flag(name: str, value: Any) -> None:
    if type(value) is not bool:
        raise UsageError(f"{name} must be true or false, not {value!r}")


def _number(name: str, value: Any) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not -_FAR < value < _FAR:
        raise UsageError(f"{name} must be a number, not {value!r}")


def _side(name: str, value: Any) -> None:
    if type(value) is not int or not 0 < value <= MOST_SIDE:
        raise UsageError(f"{name} must be a whole number from 1 to {MOST_SIDE}, not {value!r}")


def _pair(name: str, value: Any) -> None:
    if not isinstance(value, tuple) or len(value) != 2:
        raise UsageError(f"{name} must be [height, width], not {value!r}")
    for side in value:
        _side(name, side)
