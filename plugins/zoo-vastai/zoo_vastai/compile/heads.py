"""What an operator of the device is told of the heads: anchors and strides, small boxes first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zoo_core.errors import UsageError
from zoo_vastai.compile.nms import OPERATORS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_HOST = "choose --option nms=host, or state {keys} in the card under extra_ops.params"


@dataclass(frozen=True, slots=True)
class _Head:
    stride: int
    anchors: tuple[tuple[float, float], ...]
    plain: bool


def operator_params(
    nms: Mapping[str, Any], stated: Mapping[str, Any], described: Mapping[str, Any], model: str
) -> dict[str, Any]:
    """The `params` of graph.extra_ops: the protocol's thresholds, and what describes the heads.

    What the card has `stated` goes first, then what is `described` by the card's decoder and by the
    exporter: {"heads": [{"stride", "anchors", ...}]}, or {"strides", "anchors"}. Raises UsageError
    where nothing is known, or the network's boxes are not those that the operator decodes.
    """
    needed = OPERATORS[str(nms["type"])]
    heads = _heads(described)
    crooked = [head.stride for head in heads if not head.plain]
    if crooked and "anchor" in needed:
        raise UsageError(
            f"{nms['type']} knows no grid sensitivity (scale_x_y, new_coords), which the heads of "
            f"stride {', '.join(map(str, crooked))} have",
            where=model,
            next="choose --option nms=host",
        )
    params = {
        "num_classes": nms["num_classes"],
        "nms_threshold": nms["nms_threshold"],
        "confidence_threshold": nms["confidence_threshold"],
    }
    known = {**_described(heads), **stated}
    missing = [key for key in needed if key not in known]
    if missing:
        keys = " and ".join(missing)
        what = f"nobody states the {keys} that {nms['type']} needs"
        raise UsageError(what, where=model, next=_HOST.format(keys=keys))
    return {**params, **{key: known[key] for key in needed}, **stated}


def _described(heads: Sequence[_Head]) -> dict[str, Any]:
    if not heads:
        return {}
    ordered = sorted(heads, key=lambda head: head.stride)
    flat = [side for head in ordered for pair in head.anchors for side in pair]
    return {"anchor": [_plain(side) for side in flat], "strides": [h.stride for h in ordered]}


def _heads(described: Mapping[str, Any]) -> list[_Head]:
    if "heads" in described:
        return [_head(row) for row in described["heads"]]
    if "strides" not in described or "anchors" not in described:
        return []
    count = len(described["strides"])
    scales = described.get("scale_x_y", [1.0] * count)
    rows = zip(described["strides"], described["anchors"], scales, strict=True)
    return [_head({"stride": s, "anchors": a, "scale_x_y": x}) for s, a, x in rows]


def _head(row: Mapping[str, Any]) -> _Head:
    plain = float(row.get("scale_x_y", 1.0)) == 1.0 and not row.get("new_coords", False)
    pairs = tuple((float(width), float(height)) for width, height in row["anchors"])
    return _Head(int(row["stride"]), pairs, plain)


def _plain(side: float) -> float | int:
    return int(side) if side == int(side) else side
