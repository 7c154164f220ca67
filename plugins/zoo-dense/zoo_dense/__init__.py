"""Dense detectors for zoo: decoders and cards of RetinaNet, CenterNet and YOLOF."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from zoo_core.api import Provider
from zoo_core.api.hooks import hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zoo_core.api import Decoder

ZOO_API = 1

_ANCHORS = {
    "retinanet-mmdet": "anchor boxes and deltas of RetinaNet as MMDetection places them",
    "retinanet-torchvision": "anchor boxes and deltas of RetinaNet as torchvision and MLPerf do",
    "retinanet-yhenon": "anchor boxes and deltas of RetinaNet as yhenon/pytorch-retinanet does",
    "yolof": "anchor boxes of one level and deltas, perhaps with object scores",
}


@hookimpl
def zoo_decoders() -> Iterable[Provider[Decoder]]:
    """Anchor boxes by the rules of four repositories, and peaks of a heat map."""
    for name, summary in _ANCHORS.items():
        yield Provider(name=name, summary=summary, load=partial(_anchors, name))
    summary = "peaks of a heat map with sides and centre offsets"
    yield Provider(name="centernet", summary=summary, load=_centernet)


@hookimpl
def zoo_registry_files() -> Iterable[Path]:
    """The families of RetinaNet, CenterNet and YOLOF, and their cards."""
    for name in ("retinanet", "centernet", "yolof"):
        yield Path(__file__).with_name(f"{name}.yaml")


def _anchors(name: str) -> Decoder:
    from zoo_dense.families import MMDET, TORCHVISION, YHENON, YOLOF

    known = (MMDET, TORCHVISION, YHENON, YOLOF)
    return next(one for one in known if one.name == name)


def _centernet() -> Decoder:
    from zoo_dense.centernet import CenternetDecoder

    return CenternetDecoder()
