"""What an operator of the device is told of the heads: anchors and strides, small boxes first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo_core.errors import UsageError
from zoo_vastai.compile.described import check_stated, grid_sensitivity, operator_terms
from zoo_vastai.compile.nms import OPERATORS

if TYPE_CHECKING:
    from collections.abc import Mapping

_HOST = "choose --option nms=host, or state {keys} in the card under extra_ops.params"


def operator_params(
    nms: Mapping[str, Any], stated: Mapping[str, Any], described: Mapping[str, Any], model: str
) -> dict[str, Any]:
    """The `params` of graph.extra_ops: the protocol's thresholds, and what describes the heads.

    The heads are those that the card has `stated`, or that its decoder and the exporter have
    `described`, which must not differ. Raises UsageError where they do, where nothing is known, or
    the network's boxes are not those that the operator decodes.
    """
    needed = OPERATORS[str(nms["type"])]
    crooked = grid_sensitivity(described) if "anchor" in needed else ""
    if crooked:
        what = f"{nms['type']} knows no {crooked}"
        raise UsageError(what, where=model, next="choose --option nms=host")
    check_stated(stated, described, model)
    params = {
        "num_classes": nms["num_classes"],
        "nms_threshold": nms["nms_threshold"],
        "confidence_threshold": nms["confidence_threshold"],
    }
    known = {**operator_terms(described), **stated}
    missing = [key for key in needed if key not in known]
    if missing:
        keys = " and ".join(missing)
        what = f"nobody states the {keys} that {nms['type']} needs"
        raise UsageError(what, where=model, next=_HOST.format(keys=keys))
    return {**params, **{key: known[key] for key in needed}, **stated}
