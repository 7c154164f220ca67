"""The calibration images of a run, read one tensor at a time."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_core.vision import Preprocess, read_rgb

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class CalibrationImage:
    """One image: its path and the sha256 of its bytes."""

    path: Path
    sha256: str


def images(listing: Path) -> tuple[CalibrationImage, ...]:
    """The images that `images.json` lists, in order; paths are relative to its folder."""
    rows = json.loads(listing.read_text(encoding="utf-8"))["images"]
    return tuple(CalibrationImage(listing.parent / row["path"], row["sha256"]) for row in rows)


def tensors(
    listing: Path, preprocess: Sequence[Mapping[str, Any]], batch: int = 1
) -> Iterator[NDArray[Any]]:
    """Network inputs float32 [batch, 3, H, W], so many images at a time.

    A last batch that lacks images repeats its last one.
    """
    steps = Preprocess.from_data(preprocess, where=str(listing))
    waiting = iter(images(listing))
    while group := list(islice(waiting, batch)):
        rows = [steps.prepare(read_rgb(image.path, exif=steps.exif))[0] for image in group]
        rows += rows[-1:] * (batch - len(rows))
        yield np.stack(rows)
