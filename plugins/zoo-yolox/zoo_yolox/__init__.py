"""YOLOX: the decoder of its raw outputs, and cards of its two repositories."""

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
    """The decoder of grid cells without anchors."""
    yield Provider(
        name="yolox",
        summary="one row per grid cell, boxes to be placed, sigmoids already applied",
        load=_decoder,
    )


@hookimpl
def zoo_registry_files() -> Iterable[Path]:
    """The family `yolox` and its cards."""
    yield Path(__file__).with_name("yolox.yaml")


def _decoder() -> Decoder:
    from zoo_yolox.decoder import YoloxDecoder

    return YoloxDecoder()
