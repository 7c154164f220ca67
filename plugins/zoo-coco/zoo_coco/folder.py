"""The data set `folder`: images without truth, to predict on or to calibrate with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo_core.api import DataPlan, Sample
from zoo_core.errors import DataError, UsageError
from zoo_core.toolkit.datasets import (
    IMAGE_SUFFIXES,
    check_unchanged,
    is_image,
    limited,
    names_digest,
    shards,
)
from zoo_core.toolkit.files import digest, file_digests

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from zoo_core.api import DataRequest, DataView


class Folder:
    """The images directly in a folder, in order of their names; or one image file."""

    task = "detection"

    def plan(self, request: DataRequest) -> DataPlan:
        """Reads the facts of the chosen images; raises `DataError` where there is none."""
        if request.images is None:
            raise UsageError("no folder of images is given", next="give an image or a folder")
        if request.annotations is not None:
            step = "leave --annotations out, or use the data set coco-folder"
            raise UsageError("a folder without truth takes no annotation file", next=step)
        place = request.images.expanduser().absolute()
        paths = _images(place)
        count = limited(request, len(paths))
        chosen = paths[:count]
        digests = file_digests(chosen)
        contents = [[path.name, sha256] for path, sha256 in zip(chosen, digests, strict=True)]
        return DataPlan(
            dataset="folder",
            kind="given",
            locations={"images": str(place)},
            params={"names": names_digest([path.name for path in paths])},
            shards=shards(contents),
            count=count,
            of=len(paths),
            content=digest(contents),
            has_truth=False,
        )

    def samples(self, view: DataView, start: int, stop: int) -> Iterator[Sample]:
        """Sizes are None; raises `DataError` where images have come or gone since planning."""
        place = view.paths["images"]
        paths = _images(place)
        check_unchanged([path.name for path in paths], view.params["names"], place)
        for path in paths[start:stop]:
            yield Sample(id=path.name, name=path.name, path=path)

    def truth(self, view: DataView) -> Path:
        """Always raises `DataError`: there is none."""
        where = str(view.paths["images"])
        raise DataError("has no truth to score against", where=where, next="use --annotations")


def _images(place: Path) -> list[Path]:
    """The image itself, or those of a folder by name; hidden files are none."""
    if place.is_file():
        if place.suffix.lower() not in IMAGE_SUFFIXES:
            raise _refused("is not an image by its name", place)
        return [place]
    if not place.is_dir():
        raise DataError("no such image or folder", where=str(place), next="check the path")
    found = sorted(path for path in place.iterdir() if is_image(path) and path.is_file())
    if not found:
        raise _refused("holds no image", place)
    return found


def _refused(what: str, place: Path) -> DataError:
    known = ", ".join(sorted(suffix.removeprefix(".") for suffix in IMAGE_SUFFIXES))
    return DataError(what, where=str(place), next=f"known endings: {known}")
