"""Samples that an annotation file lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo_coco.coco_json import image_index
from zoo_core.api import Sample
from zoo_core.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zoo_core.api import DataView


def listed_samples(view: DataView, start: int, stop: int) -> Iterator[Sample]:
    """Samples [start, stop) of the annotation file at `annotations`, found below `images`."""
    folder = view.paths["images"]
    for image in image_index(view.paths["annotations"]).images[start:stop]:
        path = folder / image.name
        if not path.is_file():
            raise DataError("a listed image is missing", where=str(path))
        yield Sample(id=image.id, name=image.name, path=path, size=image.size)
