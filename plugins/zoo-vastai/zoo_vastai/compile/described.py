"""What is said of a network's heads: by the card's decoder_params, and by the exporter.

It is {"heads": [{"stride", "anchors", "scale_x_y", "new_coords"}]}, or any of {"strides",
"anchors", "scale_x_y"} with a value for each head.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo_core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

_WHERE = "decoder_params"


def operator_terms(described: Mapping[str, Any]) -> dict[str, list[Any]]:
    """`anchor` and `strides` of an operator, small boxes first, as far as they are known."""
    strides, anchors = described.get("strides"), described.get("anchors")
    try:
        if (rows := described.get("heads")) is not None:
            strides, anchors = [[row[key] for row in rows] for key in ("stride", "anchors")]
        order = _order(strides, len(anchors or strides or ()))
        found: dict[str, list[Any]] = {}
        if anchors is not None:
            flat = [float(side) for at in order for pair in anchors[at] for side in pair]
            found["anchor"] = [int(side) if side == int(side) else side for side in flat]
        if strides is not None:
            found["strides"] = [int(strides[at]) for at in order]
    except (TypeError, ValueError, LookupError) as error:
        raise UsageError(f"cannot be read as heads: {error}", where=_WHERE) from error
    return found


def grid_sensitivity(described: Mapping[str, Any]) -> str:
    """Which heads have one, in words; nothing where none has. No operator of the device does."""
    rows = described.get("heads")
    factors = described.get("scale_x_y", ())
    names = described.get("strides") or range(1, 1 + len(factors))
    pairs = list(zip(names, factors, strict=False))
    if rows is not None:
        pairs = [(r["stride"], 0 if r.get("new_coords") else r.get("scale_x_y", 1)) for r in rows]
    crooked = ", ".join(str(name) for name, factor in pairs if float(factor) != 1.0)
    known = "stride" if rows is not None or "strides" in described else "number"
    what = "grid sensitivity (scale_x_y, new_coords), which the heads of"
    return f"{what} {known} {crooked} have" if crooked else ""


def check_stated(stated: Mapping[str, Any], described: Mapping[str, Any], model: str) -> None:
    """Raise UsageError where an operator is told of other heads than the decoder is."""
    for key, told in operator_terms(described).items():
        if key in stated and list(stated[key]) != told:
            what = f"extra_ops.params.{key} is {list(stated[key])}, but the decoder has {told}"
            step = f"leave {key} out of extra_ops.params: the decoder's is taken"
            raise UsageError(what, where=f"{model}: backends.vastai", next=step)


def _order(strides: Any, count: int) -> list[int]:
    return sorted(range(count), key=lambda at: strides[at] if strides else at)
