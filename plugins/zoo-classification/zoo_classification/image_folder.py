"""The data set `imagenet-folder`: a folder with one folder of images per class."""

from __future__ import annotations

from itertools import chain, zip_longest
from typing import TYPE_CHECKING

from zoo_classification.listed import limited, shards
from zoo_core.digest import digest
from zoo_core.errors import DataError, UsageError
from zoo_core.facts import file_digests
from zoo_core.nouns import DataPlan, Sample

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from zoo_core.nouns import DataRequest, DataView

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp"})
"""Name endings that count as images, in lower case."""


class ImagenetFolder:
    """Images of class folders: the first of every class in turn, then the second of every class.

    So the first N are a fair subset. Classes go by the names of their folders, images by theirs.
    The truth is the folder itself, or the annotations that are given: a text file whose line n
    begins with the folder of the network's class n.
    """

    task = "classification"

    def plan(self, request: DataRequest) -> DataPlan:
        """Reads the facts of the chosen images; raises `DataError` where there are none."""
        if request.images is None:
            raise UsageError("no folder of class folders is given", next="give --images DIR")
        folder = request.images.expanduser().absolute()
        listed = images(folder)
        count = limited(request, len(listed))
        names = [name for name, _ in listed]
        given = [request.annotations.expanduser().absolute()] if request.annotations else []
        *told, truth = file_digests([*(path for _, path in listed[:count]), *given, *_NONE][: count + 1])
        raise NotImplementedError


def images(folder: Path) -> list[tuple[str, Path]]:
    """Name relative to the folder, and path, of all images in the set's order."""
    raise NotImplementedError
