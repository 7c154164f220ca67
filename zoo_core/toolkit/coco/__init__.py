"""COCO's form of annotations, read and checked, and names of classes in their spellings."""

from __future__ import annotations

from zoo_core.toolkit.coco.annotations import (
    BoxCounts,
    ListedImage,
    box_counts,
    box_warnings,
    listed_images,
    read_annotations,
    unlisted_images,
    used_categories,
)
from zoo_core.toolkit.coco.names import (
    COCO_IDS,
    COCO_NAMES,
    DARKNET_SPELLING,
    CategoryId,
    ImageId,
    matches,
    order_of,
)

__all__ = [
    "COCO_IDS",
    "COCO_NAMES",
    "DARKNET_SPELLING",
    "BoxCounts",
    "CategoryId",
    "ImageId",
    "ListedImage",
    "box_counts",
    "box_warnings",
    "listed_images",
    "matches",
    "order_of",
    "read_annotations",
    "unlisted_images",
    "used_categories",
]
