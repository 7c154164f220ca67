"""Small detectors for zoo: decoders and cards of YOLO-FastestV2, FastestDet and NanoDet."""

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
    """The decoders of three repositories."""
    yield Provider(
        name="yolo-fastestv2",
        summary="two maps, anchors with shared classes, scores or raw",
        load=_yolo_fastestv2,
    )
    yield Provider(
        name="fastestdet",
        summary="one map of stride 16 without anchors, scores or raw",
        load=_fastestdet,
    )
    yield Provider(
        name="nanodet",
        summary="NanoDet and NanoDet-Plus: distributions of distances from points",
        load=_nanodet,
    )


@hookimpl
def zoo_registry_files() -> Iterable[Path]:
    """The families and their cards."""
    yield Path(__file__).with_name("mobile.yaml")


def _yolo_fastestv2() -> Decoder:
    from zoo_mobile.fastestv2 import YoloFastestV2Decoder

    return YoloFastestV2Decoder()


def _fastestdet() -> Decoder:
    from zoo_mobile.fastestdet import FastestDetDecoder

    return FastestDetDecoder()


def _nanodet() -> Decoder:
    from zoo_mobile.nanodet import NanoDetDecoder

    return NanoDetDecoder()
