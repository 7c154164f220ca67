"""Samples that an annotation file lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo_coco.coco_json import image_index
from zoo_core.api import Sample
from zoo_core.toolkit.image_files import find_images

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zoo_core.api import DataView


def listed_samples(view: DataView, start: int, stop: int) -> Iterator[Sample]:
    """Samples [start, stop) of the annotation file at `annotations`, found below `images`.

    Raises `DataError` for an image that is missing.
    """
    folder, annotations = view.paths["images"], view.paths["annotations"]
    images = image_index(annotations).images[start:stop]
    found = find_images(folder, [image.name for image in images], str(annotations))
    for image, name, path in zip(images, found.names, found.paths, strict=True):
        yield Sample(id=image.id, name=name, path=path, size=image.size)
