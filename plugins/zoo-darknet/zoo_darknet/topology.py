"""A network as a checked list of operations with their extents, at one input size.

No array library is needed here, so a cfg is checked before anything heavy runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo_core.errors import UsageError
from zoo_core.toolkit.darknet_cfg import at_lines
from zoo_darknet.operations import Convolution, Operation, Product, Route, Shape, Shortcut, Yolo
from zoo_darknet.readers import READERS, Place

if TYPE_CHECKING:
    from zoo_core.toolkit.darknet_cfg import Cfg


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer; `name` is its file, line and kind, for messages; `shape` is its output's."""

    index: int
    name: str
    operation: Operation
    shape: Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """A network at one input size; `drops[i]` are the outputs that nobody needs after layer i.

    `warnings` says what of the cfg was read in another way than it is written.
    """

    input: Shape
    layers: tuple[Layer, ...]
    drops: tuple[tuple[int, ...], ...]
    warnings: tuple[str, ...] = ()

    @property
    def values(self) -> int:
        """How many float32 values its .weights file holds."""
        operations = (layer.operation for layer in self.layers)
        return sum(item.values for item in operations if isinstance(item, Convolution))

    @property
    def heads(self) -> tuple[Yolo, ...]:
        """The heads in the cfg's order, which is that of the outputs."""
        operations = (layer.operation for layer in self.layers)
        return tuple(item for item in operations if isinstance(item, Yolo))

    @property
    def head_shapes(self) -> tuple[Shape, ...]:
        """The extents of the outputs."""
        return tuple(layer.shape for layer in self.layers if isinstance(layer.operation, Yolo))

    @property
    def classes(self) -> int:
        """The number of classes, the same for all heads."""
        return self.heads[0].classes


def plan_network(cfg: Cfg, height: int, width: int) -> Topology:
    """The network at height x width pixels.

    Raises `UsageError` naming file, line and layer for what is unknown, not supported, or does not
    fit together.
    """
    network = Shape(cfg.channels, height, width)
    layers: list[Layer] = []
    remarks: dict[str, list[int]] = {}
    for section in cfg.layers:
        heads = frozenset(item.index for item in layers if isinstance(item.operation, Yolo))
        shapes = [item.shape for item in layers]
        place = Place(section=section, network=network, shapes=shapes, heads=heads, remarks=remarks)
        reader = READERS.get(section.kind)
        if reader is None:
            raise section.error("is not supported", next_step=f"supported: {', '.join(READERS)}")
        operation, shape = reader(place)
        layers.append(Layer(section.index, f"{section.where()} [{section.kind}]", operation, shape))
    warnings = (at_lines(cfg.file, what, lines) for what, lines in remarks.items())
    topology = Topology(
        input=network, layers=tuple(layers), drops=_drops(layers), warnings=tuple(warnings)
    )
    _check_heads(cfg, topology)
    return topology


def heads_spec(cfg: Cfg, height: int, width: int) -> tuple[Yolo, ...]:
    """The heads of the network at height x width pixels, in the cfg's order."""
    return plan_network(cfg, height, width).heads


def sources_of(layer: Layer) -> tuple[int, ...]:
    """The layers whose outputs a layer reads; -1 is the network's input."""
    operation = layer.operation
    if isinstance(operation, Route):
        return operation.sources
    if isinstance(operation, Shortcut):
        return (layer.index - 1, *operation.sources)
    if isinstance(operation, Product):
        return (layer.index - 1, operation.source)
    return (layer.index - 1,)


def _drops(layers: list[Layer]) -> tuple[tuple[int, ...], ...]:
    last = {layer.index: layer.index for layer in layers}
    for layer in layers:
        last.update(dict.fromkeys(sources_of(layer), layer.index))
    heads = {layer.index for layer in layers if isinstance(layer.operation, Yolo)}
    drops: list[list[int]] = [[] for _ in layers]
    for index, at in last.items():
        if index not in heads:
            drops[at].append(index)
    return tuple(tuple(indices) for indices in drops)


def _check_heads(cfg: Cfg, topology: Topology) -> None:
    heads = topology.heads
    if not heads:
        raise UsageError("has no [yolo] layer, so it detects nothing", where=cfg.file)
    classes = sorted({head.classes for head in heads})
    if len(classes) > 1:
        raise UsageError(f"its heads have {classes} classes", where=cfg.file)
