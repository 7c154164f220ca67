"""YOLO for zoo: decoders of anchor-based, anchor-free and end-to-end networks, and their cards."""

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


@hookimpl
def zoo_decoders() -> Iterable[Provider[Decoder]]:
    """The decoders of the family's heads."""
    yield Provider(
        name="yolo-anchors",
        summary="YOLOv5, v7, YOLOR and Ultralytics' v3: raw heads (sides grow as squares) or rows",
        load=partial(_with_anchors, squares=True),
    )
    yield Provider(
        name="yolo-anchors-exp",
        summary="YOLOv3 and v4 as Darknet has them: raw heads (sides grow as exp) or decoded rows",
        load=partial(_with_anchors, squares=False),
    )
    yield Provider(
        name="yolo-anchor-free",
        summary="sides and class scores of each cell, decoded or raw: YOLOv6, v8, v9, 11, 12",
        load=_anchor_free,
    )
    yield Provider(
        name="yolo-end-to-end",
        summary="boxes that the file itself chose: YOLOv10, YOLO26, exports with NMS inside",
        load=_end_to_end,
    )
    yield Provider(
        name="yolo-segment",
        summary="boxes with masks of prototypes: Ultralytics' -seg networks",
        load=_segment,
    )
    yield Provider(
        name="yolo-pose",
        summary="boxes with key points: Ultralytics' -pose networks",
        load=_pose,
    )
    yield Provider(
        name="yolo-oriented",
        summary="boxes at an angle, decoded or raw: Ultralytics' -obb networks",
        load=_oriented,
    )


@hookimpl
def zoo_registry_files() -> Iterable[Path]:
    """The families and their cards."""
    for name in ("anchor_based", "anchor_free", "mmdet", "paddle", "scenes"):
        yield Path(__file__).with_name(f"{name}.yaml")


def _with_anchors(*, squares: bool) -> Decoder:
    from zoo_yolo.anchor_based import AnchorDecoder

    return AnchorDecoder(squares=squares)


def _anchor_free() -> Decoder:
    from zoo_yolo.anchor_free import AnchorFreeDecoder

    return AnchorFreeDecoder()


def _end_to_end() -> Decoder:
    from zoo_yolo.end_to_end import EndToEndDecoder

    return EndToEndDecoder()


def _segment() -> Decoder:
    from zoo_yolo.further import SegmentDecoder

    return SegmentDecoder()


def _pose() -> Decoder:
    from zoo_yolo.further import PoseDecoder

    return PoseDecoder()


def _oriented() -> Decoder:
    from zoo_yolo.further import OrientedDecoder

    return OrientedDecoder()
