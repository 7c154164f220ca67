"""Golden networks rebuilt: their cfgs written anew, their weights from the written rule.

The rule: u is the upper 24 bits of each raw word of Philox(key), as a fraction. A kernel is
(2u - 1) sqrt(6 / fan_in), gamma .75 + .5u, beta .4u - .2, a mean sqrt(V) (.4u - .2), a variance
V (.75 + .5u), the bias of an output 2u - 1; V is one number per layer. float64, then float32.
"""

from __future__ import annotations

import csv
import hashlib
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from zoo_darknet.operations import Convolution
from zoo_darknet.topology import plan_network

from zoo_core.toolkit.darknet_cfg import parse_cfg
from zoo_core.toolkit.darknet_weights import write_weights

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from zoo_core.toolkit.darknet_cfg import Section

DATA = Path(__file__).parent / "data"
FILE_ROLES = ("beta", "gamma", "mean", "var", "kernel")


class Fractions:
    """The stream of u."""

    def __init__(self, key: int) -> None:
        self._bits = np.random.Philox(key=key)

    def take(self, shape: tuple[int, ...]) -> NDArray[np.float64]:
        words = self._bits.random_raw(math.prod(shape))
        return ((words >> np.uint64(40)).astype(np.float64) * 2.0**-24).reshape(shape)


def values(role: str, u: NDArray[np.float64], scale: float) -> NDArray[np.float32]:
    """One tensor by the rule; `scale` is V of the layer."""
    made = {
        "kernel": lambda: (2 * u - 1) * math.sqrt(6 / math.prod(u.shape[1:])),
        "gamma": lambda: 0.75 + 0.5 * u,
        "beta": lambda: 0.4 * u - 0.2,
        "mean": lambda: math.sqrt(scale) * (0.4 * u - 0.2),
        "var": lambda: scale * (0.75 + 0.5 * u),
        "bias": lambda: 2 * u - 1,
    }[role]()
    return np.asarray(made, np.float32)


def image(count: int, height: int, width: int) -> NDArray[np.float32]:
    """The golden input, float32 [count, 3, height, width] in 0..1."""
    i, y, x, c = np.indices((count, height, width, 3))
    pixels = (7 * x + 13 * y + 37 * c + 5 * ((x * y) % 11) + 101 * i) % 256
    return np.ascontiguousarray(pixels.astype(np.float32).transpose(0, 3, 1, 2) / np.float32(255))


def column(name: str) -> dict[str, float]:
    """A table of V by key."""
    with (DATA / name).open(encoding="utf-8") as stream:
        return {row["running_var_key"]: float(row["V"]) for row in csv.DictReader(stream)}


@dataclass
class Writer:
    """A cfg under construction; methods return the index of the layer they add."""

    sections: list[str] = field(default_factory=list)

    def add(self, kind: str, **options: object) -> int:
        lines = [f"[{kind}]", *(f"{key}={value}" for key, value in options.items())]
        self.sections.append("\n".join(lines))
        return len(self.sections) - 2

    def conv(self, filters: int, size: int = 1, act: str = "leaky", stride: int = 1) -> int:
        return self.add(
            "convolutional",
            batch_normalize=1,
            filters=filters,
            size=size,
            stride=stride,
            pad=1,
            activation=act,
        )

    def output(self, filters: int) -> int:
        return self.add(
            "convolutional", size=1, stride=1, pad=1, filters=filters, activation="linear"
        )

    def route(self, *layers: int, **options: int) -> int:
        return self.add("route", layers=",".join(map(str, layers)), **options)

    def residual(self, filters: int, inner: int, act: str) -> int:
        self.conv(inner, 1, act)
        self.conv(filters, 3, act)
        return self.add("shortcut", **{"from": -3}, activation="linear")

    def text(self) -> str:
        return "\n\n".join(self.sections) + "\n"


def yolov4_cfg() -> str:
    """YOLOv4: CSPDarknet-53, SPP and PAN; 162 layers."""
    net = Writer()
    net.add("net", width=608, height=608, channels=3)
    net.conv(32, 3, "mish")
    stages = [_csp(net, 64, 1, first=True)]
    stages += [_csp(net, 2**power, blocks) for power, blocks in ((7, 2), (8, 8), (9, 8), (10, 4))]
    for filters, size in ((512, 1), (1024, 3), (512, 1)):
        net.conv(filters, size)
    net.add("maxpool", stride=1, size=5)
    net.route(-2)
    net.add("maxpool", stride=1, size=9)
    net.route(-4)
    net.add("maxpool", stride=1, size=13)
    net.route(-1, -3, -5, -6)
    for filters, size in ((512, 1), (1024, 3)):
        net.conv(filters, size)
    large = net.conv(512)
    middle = _lateral(net, 256, stages[3])
    small = _lateral(net, 128, stages[2])
    net.conv(256, 3)
    net.output(255)
    _yolo(net, (0, 1, 2), 1.2)
    net.route(small)
    middle = _downward(net, 256, middle)
    _yolo(net, (3, 4, 5), 1.1)
    net.route(middle)
    _downward(net, 512, large)
    _yolo(net, (6, 7, 8), 1.05)
    return net.text()


def _csp(net: Writer, filters: int, blocks: int, *, first: bool = False) -> int:
    half = filters if first else filters // 2
    net.conv(filters, 3, "mish", stride=2)
    net.conv(half, 1, "mish")
    net.route(-2)
    net.conv(half, 1, "mish")
    for _ in range(blocks):
        net.residual(half, 32 if first else half, "mish")
    net.conv(half, 1, "mish")
    net.route(-1, -(3 * blocks + 4))
    return net.conv(filters, 1, "mish")


def _lateral(net: Writer, filters: int, lateral: int) -> int:
    net.conv(filters)
    net.add("upsample", stride=2)
    net.route(lateral)
    net.conv(filters)
    net.route(-1, -3)
    for count, size in ((filters, 1), (2 * filters, 3), (filters, 1), (2 * filters, 3)):
        net.conv(count, size)
    return net.conv(filters)


def _downward(net: Writer, filters: int, other: int) -> int:
    net.conv(filters, 3, stride=2)
    net.route(-1, other)
    for count, size in ((filters, 1), (2 * filters, 3), (filters, 1), (2 * filters, 3)):
        net.conv(count, size)
    last = net.conv(filters)
    net.conv(2 * filters, 3)
    net.output(255)
    return last


def _yolo(net: Writer, mask: tuple[int, ...], scale: float, anchors: str = "", num: int = 9) -> int:
    default = "12,16, 19,36, 40,28, 36,75, 76,55, 72,146, 142,110, 192,243, 459,401"
    return net.add(
        "yolo",
        mask=",".join(map(str, mask)),
        anchors=anchors or default,
        classes=80,
        num=num,
        scale_x_y=scale,
    )


def yolov4_tiny_cfg() -> str:
    """YOLOv4-tiny; 38 layers."""
    net = Writer()
    net.add("net", width=416, height=416, channels=3)
    net.conv(32, 3, stride=2)
    net.conv(64, 3, stride=2)
    lateral = 0
    for filters in (64, 128, 256):
        net.conv(filters, 3)
        net.route(-1, groups=2, group_id=1)
        net.conv(filters // 2, 3)
        net.conv(filters // 2, 3)
        net.route(-1, -2)
        lateral = net.conv(filters, 1)
        net.route(-6, -1)
        net.add("maxpool", size=2, stride=2)
    net.conv(512, 3)
    net.conv(256, 1)
    net.conv(512, 3)
    net.output(255)
    anchors = "10,14, 23,27, 37,58, 81,82, 135,169, 344,319"
    _yolo(net, (3, 4, 5), 1.05, anchors, 6)
    net.route(-4)
    net.conv(128, 1)
    net.add("upsample", stride=2)
    net.route(-1, lateral)
    net.conv(256, 3)
    net.output(255)
    _yolo(net, (1, 2, 3), 1.05, anchors, 6)
    return net.text()


def drawn_in_file_order(
    cfg: str, key: int, scales: dict[str, float]
) -> Iterable[NDArray[np.float32]]:
    """Values for a network whose tensors are drawn as the file holds them."""
    stream = Fractions(key)
    for layer, inputs in convolutions(cfg):
        filters, size = layer.integer("filters"), layer.integer("size")
        normalized = layer.integer("batch_normalize", 0)
        for role in FILE_ROLES if normalized else ("bias", "kernel"):
            shape = (filters, inputs, size, size) if role == "kernel" else (filters,)
            scale = scales.get(f"{layer.index}.bn.running_var", 1.0)
            yield values(role, stream.take(shape), scale)


def convolutions(text: str) -> Iterator[tuple[Section, int]]:
    """Convolutional sections with the number of input channels of a group."""
    cfg = parse_cfg(text, "golden.cfg")
    for layer in plan_network(cfg, 64, 64).layers:
        if isinstance(layer.operation, Convolution):
            yield cfg.layers[layer.index], layer.operation.inputs // layer.operation.groups


@dataclass(frozen=True)
class Record:
    """A line of the table that maps the file of YOLOv4 to names."""

    layer: int
    role: str
    key: str
    shape: tuple[int, ...]


def yolov4_records() -> list[Record]:
    """The tensors of yolov4.weights in file order."""
    roles = {"weight": "kernel"}
    with (DATA / "darknet_to_tianxiaomo.csv").open(encoding="utf-8") as stream:
        return [
            Record(
                int(row["darknet_layer"]),
                roles.get(row["role_in_file"], row["role_in_file"]),
                row["tianxiaomo_key"],
                tuple(int(side) for side in row["shape"].split("x")),
            )
            for row in csv.DictReader(stream)
        ]


def write_yolov4(path: Path) -> str:
    """Write the synthetic yolov4.weights of rule B (drawn in another order); returns its sha256."""
    order = ("kernel", "bias", "gamma", "beta", "mean", "var")
    scales, stream = column("yolov4_bn_V.csv"), Fractions(2024)
    layers: dict[int, list[Record]] = {}
    for record in yolov4_records():
        layers.setdefault(record.layer, []).append(record)

    def arrays() -> Iterable[NDArray[np.float32]]:
        for records in layers.values():
            made = {}
            for record in sorted(records, key=lambda item: order.index(item.role)):
                scale = next((scales[r.key] for r in records if r.role == "var"), 1.0)
                made[record.role] = values(record.role, stream.take(record.shape), scale)
            yield from (made[record.role] for record in records)

    write_weights(path, arrays(), seen=32032000)
    return hashlib.sha256(path.read_bytes()).hexdigest()
