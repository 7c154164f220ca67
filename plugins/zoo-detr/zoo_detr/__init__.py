"""Set prediction for zoo: decoders and cards of DETR, RT-DETR, D-FINE and Grounding DINO."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from zoo_core.api import Provider
from zoo_core.api.hooks import hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zoo_core.api import Decoder

ZOO_API = 1


@hookimpl
def zoo_decoders() -> Iterable[Provider[Decoder]]:
    """With a class for no object, with independent classes, or with tokens of a prompt."""
    yield Provider(
        name="detr",
        summary="logits with a class for no object (softmax), and boxes",
        load=_detr,
    )
    yield Provider(
        name="rtdetr",
        summary="logits of independent classes (sigmoid), the best 300, and boxes",
        load=_rtdetr,
    )
    yield Provider(
        name="grounding-dino",
        summary="logits of the tokens of a fixed prompt, the best 300 labels, and boxes",
        load=_grounding,
    )


@hookimpl
def zoo_registry_files() -> Iterable[Path]:
    """Families and cards."""
    yield Path(__file__).with_name("detr.yaml")


def _detr() -> Decoder:
    from zoo_detr.heads import DetrDecoder

    return DetrDecoder()


def _rtdetr() -> Decoder:
    from zoo_detr.heads import RtDetrDecoder

    return RtDetrDecoder()


def _grounding() -> Decoder:
    from zoo_detr.grounding import GroundingDinoDecoder

    return GroundingDinoDecoder()
