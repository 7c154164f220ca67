"""The calibration images of a run, read one tensor at a time."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zoo_core.vision import Preprocess, read_rgb

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

IMAGES_FILE = "images.json"


@dataclass(frozen=True, slots=True)
class CalibrationImage:
    """One image: its path and the sha256 of its bytes."""

    path: Path
    sha256: str


def images(listing: Path) -> tuple[CalibrationImage, ...]:
    """The images that `images.json` lists, in order; paths are relative to its folder."""
    rows = json.loads(listing.read_text(encoding="utf-8"))["images"]
    return tuple(CalibrationImage(listing.parent / row["path"], row["sha256"]) for row in rows)


def tensors(listing: Path, preprocess: Sequence[Mapping[str, Any]]) -> Iterator[NDArray[Any]]:
    """Network inputs float32 [1, 3, H, W], one image at a time."""
    steps = Preprocess.from_data(preprocess, where=str(listing))
    for image in images(listing):
        tensor, _ = steps.prepare(read_rgb(image.path, exif=steps.exif))
        yield tensor[None]
