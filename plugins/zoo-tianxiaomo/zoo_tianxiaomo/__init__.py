"""YOLOv4 of Tianxiaomo/pytorch-YOLOv4: its exporter and its decoder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo_core.api import Provider
from zoo_core.api.hooks import hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zoo_core.api import Decoder, Exporter

ZOO_API = 1


@hookimpl
def zoo_exporters() -> Iterable[Provider[Exporter]]:
    """The exporter: our definition of the network, or the source repository's own script."""
    yield Provider(
        name="tianxiaomo-yolov4",
        summary="YOLOv4 of Tianxiaomo/pytorch-YOLOv4 to ONNX, by its script or our definition",
        load=_exporter,
    )


@hookimpl
def zoo_decoders() -> Iterable[Provider[Decoder]]:
    """The decoder of its raw heads and of its boxes and confs."""
    yield Provider(
        name="tianxiaomo-yolov4",
        summary="raw heads, or boxes and confs, to candidates in image pixels",
        load=_decoder,
    )


def _exporter() -> Exporter:
    from zoo_tianxiaomo.exporter import TianxiaomoExporter

    return TianxiaomoExporter()


def _decoder() -> Decoder:
    from zoo_tianxiaomo.decoder import TianxiaomoDecoder

    return TianxiaomoDecoder()
