"""What a reader of a report must know of a build, told by its sources and never by a guess."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo_vastai.compile.nms import device_nms
from zoo_vastai.names import NAME

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zoo_core.api import CompileRequest, PublishedResult

_STRETCH = "stretch"


def build_notes(request: CompileRequest) -> Iterator[str]:
    """One line each: thresholds that are part of the build, and what was published of variants."""
    nms = device_nms(request)
    if nms:
        yield (
            f"conf {nms.confidence_threshold:g} and NMS IoU {nms.nms_threshold:g} are part of the "
            f"build ({nms.type} on the device); other thresholds need another build"
        )
    yield from _variants(request)


def _variants(request: CompileRequest) -> Iterator[str]:
    """Both published rows of a card, where its plain resize is built and not the vendor's."""
    card = request.card
    recipe = card.protocols.get(NAME)
    if recipe is None or recipe == card.protocol or resize_mode(request) != _STRETCH:
        return
    fitting = [row for row in card.published if row.size == tuple(request.size)]
    vendors = [row for row in fitting if row.protocol == recipe]
    vendors = [row for row in vendors if row.precision == request.target.precision] or vendors
    sources = [row for row in fitting if row.protocol == card.protocol]
    if vendors and sources:
        yield (
            "the image is stretched, where the vendor's recipe letterboxes. Published: "
            f"{_summary(sources[0])}; {_summary(vendors[0])}. Neither was measured on this build"
        )


def resize_mode(request: CompileRequest) -> str:
    """stretch, letterbox or short_side."""
    modes = [str(step["mode"]) for step in request.preprocess if step.get("op") == "resize"]
    return modes[0] if modes else "none"


def _summary(row: PublishedResult) -> str:
    figures = " ".join(f"{name} {row.metrics[name]:.3f}" for name in list(row.metrics)[:1])
    return (
        f"{row.id} {figures} ({row.protocol} protocol, {row.precision}, {row.device}; "
        f"{row.provenance})"
    )
