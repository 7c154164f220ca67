"""What darknet's layers do, as values: read from a cfg, ready to be built."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Shape:
    """A feature map's extent."""

    channels: int
    height: int
    width: int

    def __str__(self) -> str:
        return f"{self.channels}x{self.height}x{self.width}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Convolution:
    """A convolution, an optional batch normalisation, and an activation.

    `stride` is (y, x); `padding` is in pixels on every side, dilation included.
    """

    inputs: int
    filters: int
    groups: int
    size: int
    stride: tuple[int, int]
    dilation: int
    padding: int
    normalized: bool
    activation: str

    @property
    def weights(self) -> tuple[int, int, int, int]:
        """Shape of the kernel: [filters, inputs / groups, size, size]."""
        return self.filters, self.inputs // self.groups, self.size, self.size

    @property
    def values(self) -> int:
        """How many float32 values the .weights file holds for it."""
        kernel = self.filters * (self.inputs // self.groups) * self.size**2
        return kernel + self.filters * (4 if self.normalized else 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """Maximum or mean over windows; `stride` is (y, x); cells outside the map do not count.

    `padding` is (top, bottom, left, right): darknet puts half of its padding, rounded down, before
    the map, and needs of the other half only what the last window reaches.
    """

    mean: bool
    size: int
    stride: tuple[int, int]
    padding: tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class GlobalMean:
    """The mean of each channel."""


@dataclass(frozen=True, slots=True)
class Route:
    """Earlier outputs in order, of each only part `group` of `groups` equal parts of channels."""

    sources: tuple[int, ...]
    groups: int
    group: int


@dataclass(frozen=True, slots=True)
class Shortcut:
    """The sum of the input and earlier outputs, over the channels that both have."""

    sources: tuple[int, ...]
    activation: str


@dataclass(frozen=True, slots=True)
class Product:
    """The input times an earlier output; extents of 1 are stretched."""

    source: int
    activation: str


@dataclass(frozen=True, slots=True)
class Upsample:
    """Every cell repeated `factor` times both ways, times `scale`."""

    factor: int
    scale: float


@dataclass(frozen=True, slots=True)
class SpaceToDepth:
    """Blocks of `stride` x `stride` cells become channels: block row, block column, channel."""

    stride: int


@dataclass(frozen=True, slots=True)
class Identity:
    """Nothing at inference."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Yolo:
    """A head: its input is the network's output, undecoded.

    `anchors` are (width, height) in pixels of the network's input; `stride` is the side of a cell
    in those pixels. `new_coords`: the values are activated already and sizes are (2 t)^2 anchor.
    """

    anchors: tuple[tuple[float, float], ...]
    stride: int
    classes: int
    scale_x_y: float
    new_coords: bool


Operation = (
    Convolution
    | Pool
    | GlobalMean
    | Route
    | Shortcut
    | Product
    | Upsample
    | SpaceToDepth
    | Identity
    | Yolo
)
