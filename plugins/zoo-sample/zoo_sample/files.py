"""Sample scenes as a COCO data set on disk: a folder of images and one annotation file."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from zoo_core.errors import DataError, UsageError, did_you_mean
from zoo_core.toolkit.coco import COCO_IDS, COCO_NAMES
from zoo_core.toolkit.detection.masks import encode
from zoo_core.toolkit.files import temporary_folder
from zoo_sample.scenes import SPLITS, draw_masked_scene

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

IMAGES = "images"
ANNOTATIONS = "instances.json"
QUALITY = 95


def split_seeds(split: str, count: int) -> range:
    """Return the seeds of the first `count` scenes of a split; no seed is in two splits.

    Raises UsageError for an unknown split or for more scenes than the split has.
    """
    if split not in SPLITS:
        raise UsageError(f"no scenes are named '{split}'", next=did_you_mean(split, SPLITS))
    seeds = SPLITS[split]
    if not 1 <= count <= len(seeds):
        raise UsageError(f"'{split}' has 1 to {len(seeds)} scenes, not {count}")
    return seeds[:count]


def write_coco(directory: Path, split: str, count: int, size: int | tuple[int, int] = 416) -> Path:
    """Draw the first `count` scenes of a split into `directory`; return its annotation file.

    The folder gets `images/<seed>.jpg` of `size` (side, or height and width) pixels and
    `instances.json` in COCO's format, with all 80 categories, COCO's ids, masks as run lengths and
    the seed as image id; `area` is the box's. It appears whole or not at all. Raises UsageError as
    `split_seeds`, DataError where the folder exists and holds something.
    """
    seeds = split_seeds(split, count)
    directory.parent.mkdir(parents=True, exist_ok=True)
    with temporary_folder(directory.parent) as part:
        (part / IMAGES).mkdir()
        draw = partial(_write_scene, folder=part / IMAGES, size=size)
        with ThreadPoolExecutor(min(os.cpu_count() or 1, 4)) as pool:
            scenes = list(pool.map(draw, seeds))
        text = json.dumps(_instances(split, scenes), separators=(",", ":"))
        (part / ANNOTATIONS).write_text(text, "utf-8")
        _move(part, directory)
    return directory / ANNOTATIONS


def _move(part: Path, directory: Path) -> None:
    try:
        part.rename(directory)
    except OSError as error:
        if directory.exists():
            raise DataError(
                "there is something already", where=str(directory), next="name another folder"
            ) from error
        raise


def _write_scene(
    seed: int, folder: Path, size: int | tuple[int, int]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Draw and write one image; return its record and its annotations, not yet numbered."""
    image, boxes, labels, seen = draw_masked_scene(seed, size)
    name = f"{seed:012d}.jpg"
    (folder / name).write_bytes(jpeg(image))
    height, width = image.shape[:2]
    record = {"id": seed, "file_name": name, "width": width, "height": height}
    return record, [
        {
            "image_id": seed,
            "category_id": COCO_IDS[label],
            "bbox": [x1, y1, x2 - x1, y2 - y1],
            "area": (x2 - x1) * (y2 - y1),
            "iscrowd": 0,
            "segmentation": {
                "size": [height, width],
                "counts": encode(part.mask, (height, width), (part.row, part.column)).tolist(),
            },
        }
        for (x1, y1, x2, y2), label, part in zip(boxes.tolist(), labels.tolist(), seen, strict=True)
    ]


def jpeg(image: NDArray[np.uint8]) -> bytes:
    """An RGB picture uint8 [h, w, 3] as a JPEG file."""
    done, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    if not done:
        raise DataError("OpenCV could not encode an image as JPEG")
    return bytes(np.asarray(data))


def _instances(
    split: str, scenes: list[tuple[dict[str, Any], list[dict[str, Any]]]]
) -> dict[str, Any]:
    annotations = [annotation for _, boxes in scenes for annotation in boxes]
    return {
        "info": {"description": f"sample scenes drawn by zoo-sample, {split}"},
        "images": [record for record, _ in scenes],
        "annotations": [{"id": k + 1, **a} for k, a in enumerate(annotations)],
        "categories": [
            {"id": number, "name": name} for number, name in zip(COCO_IDS, COCO_NAMES, strict=True)
        ],
    }
