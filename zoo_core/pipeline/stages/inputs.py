"""Inputs of a session: preprocessed tensors, images as read, or names of samples."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_core.errors import ZooError, some
from zoo_core.vision.headers import has_its_end
from zoo_core.vision.image import decode_rgb, image_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from zoo_core.api import Sample
    from zoo_core.vision import Geometry, Preprocess


@dataclass(frozen=True, slots=True)
class PreparedInput:
    """One sample ready to run: the array to feed, its geometry, and the facts of the file.

    `whole` is false for a file that was read although its end marker is missing.
    """

    sample: Sample
    sha256: str
    whole: bool
    feed: NDArray[Any]
    geometry: Geometry

    def head(self) -> dict[str, Any]:
        """The sample's data that is stored with its candidates."""
        return {
            "id": self.sample.id,
            "name": self.sample.name,
            "path": str(self.sample.path),
            "size": list(self.geometry.source),
            "sha256": self.sha256,
            **({} if self.whole else {"whole": False}),
        }


def preparer(input_kind: str, steps: Preprocess) -> Callable[[Sample], PreparedInput]:
    """A function that prepares samples for a session of this input kind."""
    feed = feeder(input_kind)

    def prepare(sample: Sample) -> PreparedInput:
        data = image_bytes(sample.path)
        sha256, whole = hashlib.sha256(data).hexdigest(), has_its_end(data)
        image = decode_rgb(data, sample.path, expect=sample.size, exif=steps.exif)
        return PreparedInput(sample, sha256, whole, *feed(sample, image, steps))

    return prepare


def cut_off(names: Sequence[str], of: int, kind: str = "images") -> list[str]:
    """The warning, if any, about files that were read although their end marker is missing."""
    if not names:
        return []
    return [
        f"{kind} whose file lacks its end, but none of its pixels: {len(names)} of {of} "
        f"({some(names)}); they were used; check how they were copied"
    ]


def feeder(
    input_kind: str,
) -> Callable[[Sample, NDArray[np.uint8], Preprocess], tuple[NDArray[Any], Geometry]]:
    """A function that makes the input from a sample's image, uint8 [height, width, 3] RGB."""
    feed = _FEEDS.get(input_kind)
    if feed is None:
        raise ZooError(
            f"unknown input_kind '{input_kind}'",
            where="session",
            next=f"known: {', '.join(_FEEDS)}",
        )
    return feed


def stacked(feeds: Sequence[NDArray[Any]], batch: int) -> NDArray[Any]:
    """One batch; a short one is padded with its last sample. A batch of 1 is not copied."""
    if batch == 1:
        return feeds[0][np.newaxis]
    return np.stack([*feeds, *[feeds[-1]] * (batch - len(feeds))])


def _tensor(
    sample: Sample, image: NDArray[np.uint8], steps: Preprocess
) -> tuple[NDArray[Any], Geometry]:
    return steps.prepare(image)


def _image(
    sample: Sample, image: NDArray[np.uint8], steps: Preprocess
) -> tuple[NDArray[Any], Geometry]:
    planes = np.ascontiguousarray(image.transpose(2, 0, 1))
    return planes, steps.geometry((image.shape[0], image.shape[1]))


def _name(
    sample: Sample, image: NDArray[np.uint8], steps: Preprocess
) -> tuple[NDArray[Any], Geometry]:
    return np.array(sample.name), steps.geometry((image.shape[0], image.shape[1]))


_FEEDS = {"tensor": _tensor, "image": _image, "name": _name}
