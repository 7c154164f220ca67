"""Where boxes are suppressed: by an operator that vamc builds in, or on the host."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from zoo_core.api import Decoding
from zoo_core.errors import UsageError
from zoo_vastai.card import card_options, nms_place
from zoo_vastai.compile.described import check_stated, grid_sensitivity
from zoo_vastai.options import options_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zoo_core.api import CompileRequest
    from zoo_vastai.card import CardOptions, ExtraOp

OPERATORS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "yolov4_nms": ("anchor", "strides"),
        "yolov5_nms": ("anchor", "strides"),
        "yolov8_nms": ("strides",),
        "yolov10_nms": ("strides",),
        "yolov11_nms": ("strides",),
        "yolov12_nms": ("strides",),
        "yolox_nms": (),
    }
)
"""Operators that leave ids, scores and boxes -> what they must be told of the heads."""

DECODER = "vastai-nms"

SOFTMAX = "softmax"
"""An operator of vamc, and the decoder that reads what it leaves (another distribution's)."""

_STATED = ("num_classes", "confidence_threshold", "nms_threshold")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceNms:
    """NMS on the device: the operator, and the thresholds that become part of the build."""

    type: str
    confidence_threshold: float
    nms_threshold: float
    num_classes: int

    def to_data(self) -> dict[str, Any]:
        """The JSON form, as in artefact.json."""
        return {
            "type": self.type,
            "confidence_threshold": self.confidence_threshold,
            "nms_threshold": self.nms_threshold,
            "num_classes": self.num_classes,
        }


def device_nms(request: CompileRequest) -> DeviceNms | None:
    """The device's NMS where a build has it, None where the heads are decoded here.

    `auto` takes the device where its operator does just what the protocol says: NMS on IoU with
    several labels for a box. Raises UsageError where `device` is asked for and it does not.
    """
    card = card_options(request.card, request.target.precision)
    place = nms_place(card, request.target)
    if place == "host":
        return None
    hindrance = _hindrance(request, card)
    if not hindrance and card.extra_op is not None:
        check_stated(card.extra_op.params, request.card.decoder_params, request.card.id)
    if hindrance and place == "device":
        step = "choose --option nms=host"
        raise UsageError(f"the device cannot do this NMS: {hindrance}", next=step)
    if hindrance or card.extra_op is None:
        return None
    return DeviceNms(
        type=card.extra_op.type,
        confidence_threshold=float(request.protocol.values["conf"]),
        nms_threshold=float(request.protocol.values["nms"]),
        num_classes=len(request.card.labels),
    )


def decoding(request: CompileRequest) -> Decoding | None:
    """Which decoder reads the device's outputs; None where it is the card's own."""
    nms = device_nms(request)
    if nms is None:
        op = card_options(request.card, request.target.precision).extra_op
        softmax = op is not None and op.type == SOFTMAX
        return Decoding(decoder=SOFTMAX, params=request.card.decoder_params) if softmax else None
    params = {
        "conf": nms.confidence_threshold,
        "iou": nms.nms_threshold,
        "arithmetic": options_of(request.target).arithmetic,
    }
    return Decoding(decoder=DECODER, params=params)


def is_suppressing(op: ExtraOp | None) -> bool:
    """Whether a card's operator is one that does NMS."""
    return op is not None and op.type in OPERATORS


def _hindrance(request: CompileRequest, card: CardOptions) -> str:
    values, op = request.protocol.values, card.extra_op
    if op is None or op.type not in OPERATORS:
        return f"the card of {request.card.id} names no operator for it under extra_ops"
    for key in _STATED:
        if key in op.params:
            return f"the card states {key}, which the protocol decides"
    if request.form != "heads":
        return f"it takes raw heads, not a graph of the form {request.form}"
    for key in ("conf", "nms"):
        if key not in values:
            return f"the protocol {request.protocol.name} states no {key}"
    kind, labels = values.get("nms_kind", "iou"), values.get("box_labels", "best")
    if kind != "iou":
        return f"it suppresses by IoU, the protocol {request.protocol.name} by {kind}"
    crooked = grid_sensitivity(request.card.decoder_params)
    if crooked and "anchor" in OPERATORS[op.type]:
        return f"{op.type} knows no {crooked}"
    if labels != "multi":
        return f"it keeps several labels for a box, the protocol {request.protocol.name} the best"
    return ""
