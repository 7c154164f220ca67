"""What a card and a request say about the network, checked, and as the stages' parameters."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from zoo_core.errors import RegistryError, check_known
from zoo_core.toolkit.options import opset
from zoo_tianxiaomo.layout import ANCHORS, HEADS, STRIDES, Layout

if TYPE_CHECKING:
    from collections.abc import Mapping

Anchors = tuple[tuple[tuple[float, float], ...], ...]
"""For each head some (width, height), in pixels of the network's input."""

UNSCALED = (1.0, 1.0, 1.0)
"""`scale_x_y` of the original, for strides 8, 16 and 32."""

_WIDTHS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class ExporterParams:
    """A card's `exporter_params`.

    `widths` are the channels at strides 1 to 32, None to take them from the weights (or the
    published ones where the weights do not tell). `scale_x_y` holds the factors of strides 8, 16
    and 32 in the decoded form: 1 as in the original, 1.2, 1.1 and 1.05 as in darknet.
    """

    widths: tuple[int, ...] | None
    scale_x_y: tuple[float, ...]
    opset: int

    @classmethod
    def from_card(cls, params: Mapping[str, Any], where: str) -> ExporterParams:
        """Raises RegistryError, naming the key, for what is unknown or out of range."""
        check_known(params, ("widths", "scale_x_y", "opset"), where, RegistryError)
        return cls(
            widths=_widths(params.get("widths"), f"{where}.widths"),
            scale_x_y=scales(params.get("scale_x_y", UNSCALED), f"{where}.scale_x_y"),
            opset=opset(params, where),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSpec:
    """Which network: its weights' format (torch, darknet, safetensors, random) and shape.

    `seed` is that of random weights. `widths` None means those that the weights have.
    """

    format: str
    classes: int
    widths: tuple[int, ...] | None = None
    seed: int | None = None

    def to_data(self) -> dict[str, Any]:
        """The JSON form."""
        data = asdict(self)
        data["widths"] = list(self.widths) if self.widths else None
        return data

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> NetworkSpec:
        """The inverse of `to_data`."""
        widths = data["widths"]
        return cls(**{**data, "widths": tuple(widths) if widths else None})


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportSpec:
    """All that makes a graph, beside the weights.

    `scale_x_y` and `anchors` decode the heads, in the graph or, of raw heads, after it.
    """

    network: NetworkSpec
    form: str
    size: tuple[int, int]
    opset: int
    scale_x_y: tuple[float, ...]
    anchors: Anchors = ANCHORS

    @property
    def decoder(self) -> dict[str, Any]:
        """What decodes the heads, as `decoder_params` state it and graph.json tells it."""
        return {
            "anchors": [[list(pair) for pair in head] for head in self.anchors],
            "strides": list(STRIDES),
            "scale_x_y": list(self.scale_x_y),
        }

    @property
    def layout(self) -> Layout:
        """The graph's tensors."""
        return Layout(form=self.form, size=self.size, classes=self.network.classes)

    def to_data(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "network": self.network.to_data(),
            "form": self.form,
            "size": list(self.size),
            "opset": self.opset,
            "decoder": self.decoder,
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> ExportSpec:
        """The inverse of `to_data`."""
        height, width = data["size"]
        return cls(
            network=NetworkSpec.from_data(data["network"]),
            form=data["form"],
            size=(height, width),
            opset=data["opset"],
            **heads_of(data["decoder"]),
        )


def heads_of(decoder: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of `ExportSpec` that its `decoder` states."""
    return {
        "scale_x_y": tuple(decoder["scale_x_y"]),
        "anchors": anchors(decoder["anchors"], "decoder.anchors"),
    }


def scales(value: Any, where: str) -> tuple[float, ...]:
    """Three positive factors, one for each stride; raises RegistryError otherwise."""
    if not (is_numbers(value, len(STRIDES)) and all(factor > 0 for factor in value)):
        what = f"must be {len(STRIDES)} positive numbers, for strides 8, 16, 32, is {value!r}"
        raise RegistryError(what, where=where)
    return tuple(float(factor) for factor in value)


def is_numbers(value: Any, count: int) -> bool:
    """Whether a value is a list of so many finite numbers."""
    return (
        isinstance(value, (list, tuple))
        and len(value) == count
        and all(type(item) in (int, float) and abs(item) < 1e9 for item in value)
    )


def _widths(value: Any, where: str) -> tuple[int, ...] | None:
    if value is None:
        return None
    whole = is_numbers(value, _WIDTHS) and all(type(width) is int for width in value)
    if not whole or min(value) < 1 or any(width % 2 for width in value[2:]):
        what = f"must be six channel counts, even from the third on, is {value!r}"
        raise RegistryError(what, where=where)
    return tuple(value)


def strides(value: Any, where: str) -> tuple[int, ...]:
    """A stride for each head; raises RegistryError otherwise."""
    whole = is_numbers(value, len(HEADS)) and all(type(stride) is int for stride in value)
    if not whole or min(value) < 1:
        what = f"must be {len(HEADS)} positive whole numbers, is {value!r}"
        raise RegistryError(what, where=where)
    return tuple(value)


def anchors(value: Any, where: str) -> Anchors:
    """Anchors for each head; raises RegistryError otherwise."""
    good = (
        isinstance(value, (list, tuple))
        and len(value) == len(HEADS)
        and all(isinstance(row, (list, tuple)) and row for row in value)
        and all(is_numbers(pair, 2) and min(pair) > 0 for row in value for pair in row)
    )
    if not good:
        what = f"must be a list of [width, height] for each of {len(HEADS)} heads, is {value!r}"
        raise RegistryError(what, where=where)
    return tuple(tuple((_plain(w), _plain(h)) for w, h in row) for row in value)


def _plain(side: float) -> float:
    """A whole number as such, so that equal anchors make equal keys."""
    return int(side) if side == int(side) else float(side)
