"""One reader per kind of layer: from a section of a cfg to an operation and its extent.

Meanings and defaults are those of AlexeyAB/darknet at 59596d78 (`parser.c` and the layers' own
files), in our own words. Whatever changes the result and is not done here is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from zoo_darknet.operations import (
    Convolution,
    GlobalMean,
    Identity,
    Operation,
    Pool,
    Product,
    Route,
    Shape,
    Shortcut,
    SpaceToDepth,
    Upsample,
    Yolo,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo_core.errors import UsageError
    from zoo_core.toolkit.darknet_cfg import Section

ACTIVATIONS = frozenset(
    {"elu", "hard_mish", "leaky", "linear", "logistic", "mish", "relu", "relu6", "swish", "tanh"}
)
"""The activations that are done here."""

_OTHERS = frozenset(
    {
        *("gelu", "hardtan", "lhtan", "loggy", "normalize_channels", "normalize_channels_softmax"),
        *("normalize_channels_softmax_maxval", "plse", "ramp", "relie", "revleaky", "selu"),
        *("stair",),
    }
)
"""Those that only darknet does; it takes ReLU for any other word."""

_SIZE_STEP = "take a height and width that are multiples of 32, or of the largest stride above that"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A section among the layers before it: their extents, and which of them are heads.

    `remarks` collects lines of the cfg by what is to be said of them.
    """

    section: Section
    network: Shape
    shapes: Sequence[Shape]
    heads: frozenset[int]
    remarks: dict[str, list[int]] = field(default_factory=dict)

    @property
    def input(self) -> Shape:
        """The extent of what the layer is given: the output of the one before."""
        if self.section.index == 0:
            return self.network
        return self.shapes[self.source(self.section.index - 1)]

    def source(self, index: int, key: str | None = None) -> int:
        """The layer that an index means: negative ones count back from here."""
        here = self.section.index
        absolute = index if index >= 0 else here + index
        if not 0 <= absolute < here:
            raise self.error(f"there is no layer {index} before it", key)
        if absolute in self.heads:
            raise self.error(f"takes the output of layer {absolute}, which is a head", key)
        return absolute

    def sources(self, key: str) -> tuple[int, ...]:
        """The layers that an option lists, all of the same height and width."""
        found = tuple(self.source(index, key) for index in self.section.integers(key))
        if not found:
            raise self.error(f"'{key}' names no layer", key)
        first = self.shapes[found[0]]
        for index in found[1:]:
            self.check_extent(index, first, key)
        return found

    def check_extent(self, index: int, other: Shape, key: str) -> None:
        """Raise unless an earlier output has another's height and width."""
        shape = self.shapes[index]
        if (shape.height, shape.width) != (other.height, other.width):
            raise self.error(f"cannot join layer {index} ({shape}) with {other}", key, _SIZE_STEP)

    def activation(self, default: str) -> str:
        """A known activation; for a word that darknet does not know ReLU, as it does itself."""
        name = self.section.text("activation", default)
        if name in _OTHERS:
            step = f"supported: {', '.join(sorted(ACTIVATIONS))}"
            raise self.error(f"activation '{name}' is not supported", "activation", step)
        if name in ACTIVATIONS:
            return name
        self.remark(
            f"AlexeyAB's darknet does not know activation '{name}' and takes relu", "activation"
        )
        return "relu"

    def remark(self, what: str, key: str) -> None:
        """Have the topology warn about an option of this section."""
        self.remarks.setdefault(what, []).append(self.section.options[key].line)

    def positive(self, key: str, default: int | None = None) -> int:
        """A whole number above zero."""
        value = self.section.integer(key, default)
        if value < 1:
            raise self.error(f"'{key}={value}' must be at least 1", key)
        return value

    def strides(self) -> tuple[int, int]:
        """The stride (y, x)."""
        both = self.positive("stride", 1)
        return self.positive("stride_y", both), self.positive("stride_x", both)

    def shape(self, channels: int, height: int, width: int) -> Shape:
        """An output extent; raises when nothing is left of the map."""
        if min(channels, height, width) < 1:
            what = f"leaves {channels}x{height}x{width} of {self.input}"
            raise self.error(what, None, "take a larger input size")
        return Shape(channels, height, width)

    def refuse(self, *keys: str) -> None:
        """Raise for options that change the result in a way that is not done here."""
        for key in keys:
            if self.section.integer(key, 0):
                raise self.error(f"'{key}' is not supported", key)

    def error(self, what: str, key: str | None = None, next_step: str = "") -> UsageError:
        """An error that names file, line and layer."""
        return self.section.error(what, key, next_step)


def _convolutional(place: Place) -> tuple[Operation, Shape]:
    place.refuse("xnor", "binary", "antialiasing", "flipped", "reverse", "coordconv")
    place.refuse("sway", "rotate", "stretch", "stretch_sway", "dontload", "dontloadscales")
    if "share_index" in place.section.options:
        raise place.error("'share_index' is not supported", "share_index")
    given, filters = place.input, place.positive("filters", 1)
    size, groups = place.positive("size", 1), place.positive("groups", 1)
    if given.channels % groups or filters % groups:
        what = f"{groups} groups do not divide {given.channels} channels and {filters} filters"
        raise place.error(what, "groups")
    dilation = place.positive("dilation", 1) if size > 1 else 1
    padding = _padding(place, size)
    if dilation > 1 and 2 * padding != size - 1:
        raise place.error("a dilated convolution needs pad=1 and an odd size", "dilation")
    stride = place.strides()
    reach = 2 * padding * dilation - dilation * (size - 1) - 1
    operation = Convolution(
        inputs=given.channels,
        filters=filters,
        groups=groups,
        size=size,
        stride=stride,
        dilation=dilation,
        padding=padding * dilation,
        normalized=bool(place.section.integer("batch_normalize", 0)),
        activation=place.activation("logistic"),
    )
    height = (given.height + reach) // stride[0] + 1
    return operation, place.shape(filters, height, (given.width + reach) // stride[1] + 1)


def _padding(place: Place, size: int) -> int:
    if place.section.integer("pad", 0):
        return size // 2
    padding = place.section.integer("padding", 0)
    if padding < 0:
        raise place.error(f"'padding={padding}' must not be negative", "padding")
    return padding


def _maxpool(place: Place) -> tuple[Operation, Shape]:
    place.refuse("maxpool_depth", "antialiasing")
    return _pool(place, mean=False)


def _local_avgpool(place: Place) -> tuple[Operation, Shape]:
    return _pool(place, mean=True)


def _pool(place: Place, *, mean: bool) -> tuple[Operation, Shape]:
    given, stride = place.input, place.strides()
    size = place.positive("size", place.section.integer("stride", 1))
    total = place.section.integer("padding", size - 1)
    if not 0 <= total <= size:
        raise place.error(f"'padding={total}' must be within 0..{size}", "padding")
    height = (given.height + total - size) // stride[0] + 1
    width = (given.width + total - size) // stride[1] + 1
    before = total // 2
    below = (height - 1) * stride[0] + size - before - given.height
    right = (width - 1) * stride[1] + size - before - given.width
    padding = (before, max(below, 0), before, max(right, 0))
    operation = Pool(mean=mean, size=size, stride=stride, padding=padding)
    return operation, place.shape(given.channels, height, width)


def _avgpool(place: Place) -> tuple[Operation, Shape]:
    return GlobalMean(), Shape(place.input.channels, 1, 1)


def _route(place: Place) -> tuple[Operation, Shape]:
    sources = place.sources("layers")
    groups, group = place.positive("groups", 1), place.section.integer("group_id", 0)
    if not 0 <= group < groups:
        raise place.error(f"'group_id={group}' must be within 0..{groups - 1}", "group_id")
    channels = [place.shapes[index].channels for index in sources]
    for index, count in zip(sources, channels, strict=True):
        if count % groups:
            what = f"{groups} groups do not divide the {count} channels of layer {index}"
            raise place.error(what, "groups")
    first = place.shapes[sources[0]]
    return Route(sources, groups, group), Shape(sum(channels) // groups, first.height, first.width)


def _shortcut(place: Place) -> tuple[Operation, Shape]:
    kind = place.section.text("weights_type", "none")
    if kind != "none":
        raise place.error(f"'weights_type={kind}' is not supported", "weights_type")
    sources, given = place.sources("from"), place.input
    for index in sources:
        place.check_extent(index, given, "from")
    return Shortcut(sources, place.activation("linear")), given


def _sam(place: Place) -> tuple[Operation, Shape]:
    (index, *more), given = place.sources("from"), place.input
    if more or place.shapes[index] != given:
        raise place.error(f"needs one layer of {given}", "from")
    return Product(index, place.activation("linear")), given


def _scale_channels(place: Place) -> tuple[Operation, Shape]:
    (index, *more), given = place.sources("from"), place.input
    target = place.shapes[index]
    flat = bool(place.section.integer("scale_wh", 0))
    needed = Shape(1, target.height, target.width) if flat else Shape(target.channels, 1, 1)
    if more or given != needed:
        raise place.error(f"is given {given}, needs {needed}", "from")
    return Product(index, place.activation("linear")), target


def _upsample(place: Place) -> tuple[Operation, Shape]:
    given, factor = place.input, place.positive("stride", 2)
    operation = Upsample(factor, place.section.number("scale", 1.0))
    return operation, Shape(given.channels, given.height * factor, given.width * factor)


def _reorg3d(place: Place) -> tuple[Operation, Shape]:
    place.refuse("reverse")
    given, stride = place.input, place.positive("stride", 1)
    if given.height % stride or given.width % stride:
        raise place.error(f"stride {stride} does not divide {given}", "stride", _SIZE_STEP)
    shape = Shape(given.channels * stride**2, given.height // stride, given.width // stride)
    return SpaceToDepth(stride), shape


def _identity(place: Place) -> tuple[Operation, Shape]:
    return Identity(), place.input


def _yolo(place: Place) -> tuple[Operation, Shape]:
    given, network, section = place.input, place.network, place.section
    classes = place.positive("classes", 20)
    anchors = _anchors(place)
    needed = len(anchors) * (5 + classes)
    if given.channels != needed:
        what = f"is given {given.channels} channels; {len(anchors)} anchors and {classes} classes"
        raise place.error(f"{what} need {needed}")
    stride = network.height // given.height
    if (stride * given.height, stride * given.width) != (network.height, network.width):
        what = f"{given.height}x{given.width} cells do not divide the input {network} into squares"
        raise place.error(what, None, _SIZE_STEP)
    operation = Yolo(
        anchors=anchors,
        stride=stride,
        classes=classes,
        scale_x_y=section.number("scale_x_y", 1.0),
        new_coords=bool(section.integer("new_coords", 0)),
    )
    return operation, given


def _anchors(place: Place) -> tuple[tuple[float, float], ...]:
    total, numbers = place.positive("num", 1), place.section.numbers("anchors")
    if len(numbers) % 2 or not numbers:
        raise place.error(f"{len(numbers)} numbers are not pairs of width and height", "anchors")
    listed = len(numbers) // 2
    mask = place.section.integers("mask", tuple(range(min(total, listed + 1))))
    if not mask or not all(0 <= index < listed for index in mask):
        what = f"'mask' must lie within 0..{listed - 1}: {listed} anchors are listed"
        raise place.error(what, "mask" if "mask" in place.section.options else "anchors")
    if max(mask) >= total and "num" in place.section.options:
        place.remark(
            f"num={total} is below the {listed} anchors listed, and the list counts", "num"
        )
    return tuple((numbers[2 * index], numbers[2 * index + 1]) for index in mask)


Reader = Callable[[Place], tuple[Operation, Shape]]

READERS: Mapping[str, Reader] = {
    "avgpool": _avgpool,
    "contrastive": _identity,
    "convolutional": _convolutional,
    "dropout": _identity,
    "empty": _identity,
    "local_avgpool": _local_avgpool,
    "maxpool": _maxpool,
    "reorg3d": _reorg3d,
    "route": _route,
    "sam": _sam,
    "scale_channels": _scale_channels,
    "shortcut": _shortcut,
    "upsample": _upsample,
    "yolo": _yolo,
}
