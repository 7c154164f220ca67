"""Darknet networks, from their .cfg and .weights: an exporter and a decoder."""

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
    """The exporter of .cfg and .weights."""
    yield Provider(
        name="darknet",
        summary="a .cfg with its .weights to ONNX: yolov3, yolov4, yolov7 and their relatives",
        load=_exporter,
    )


@hookimpl
def zoo_decoders() -> Iterable[Provider[Decoder]]:
    """The decoder of [yolo] heads."""
    yield Provider(
        name="darknet",
        summary="raw [yolo] heads, or boxes and confs, to candidates in image pixels",
        load=_decoder,
    )


def _exporter() -> Exporter:
    from zoo_darknet.exporter import DarknetExporter

    return DarknetExporter()


def _decoder() -> Decoder:
    from zoo_darknet.decoder import DarknetDecoder

    return DarknetDecoder()
