"""The data set `folder`: images without truth, to predict on or to calibrate with."""

from __future__ import annotations

import re
from itertools import zip_longest
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from zoo_core.api import DataPlan, Sample
from zoo_core.errors import DataError, UsageError
from zoo_core.toolkit.datasets import check_unchanged, limited, names_digest, shards
from zoo_core.toolkit.files import digest, file_digests
from zoo_core.toolkit.image_files import ImageFiles, gather_images

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from zoo_core.api import DataRequest, DataView


_NUMBER = re.compile(r"[0-9]{1,18}")
"""What a signed integer of 64 bits holds: other tools put ids into arrays."""


class Folder:
    """The images of a folder and its sub-folders in order of their names, or those of other places.

    `images` and `further` may each be a folder, an image, a list of paths or a pattern. For
    calibration the first image of every folder comes first, then the second of every folder, so
    that a few of them are of all folders.
    """

    task = "detection"

    def plan(self, request: DataRequest) -> DataPlan:
        """Reads the facts of the chosen images; raises `DataError` where there is none."""
        if request.images is None:
            raise UsageError("no folder of images is given", next="give an image or a folder")
        if request.annotations is not None:
            step = "leave --annotations out, or use the data set coco-folder"
            raise UsageError("a folder without truth takes no annotation file", next=step)
        places = [place.expanduser().absolute() for place in (request.images, *request.further)]
        spread = request.purpose == "calibrate"
        found = _gather(places, spread)
        count = limited(request, len(found.paths))
        digests = file_digests(found.paths[:count])
        contents = [list(pair) for pair in zip(found.names, digests, strict=False)]
        return DataPlan(
            dataset="folder",
            kind="given",
            locations={_key(number): str(place) for number, place in enumerate(places)},
            params={"names": names_digest(found.names), "spread": spread},
            shards=shards(contents),
            count=count,
            of=len(found.paths),
            content=digest(contents),
            has_truth=False,
            warnings=(*found.warnings, *_too_few(request, count)),
        )

    def samples(self, view: DataView, start: int, stop: int) -> Iterator[Sample]:
        """Sizes are None; raises `DataError` where images have come or gone since planning.

        Ids are the names; or numbers, as in COCO's truth, where all files are called by one.
        """
        places = [view.paths[key] for key in map(_key, range(len(view.paths))) if key in view.paths]
        found = _gather(places, view.params["spread"])
        check_unchanged(found.names, view.params["names"], places[0])
        rows = list(zip(_ids(found.names), found.names, found.paths, strict=True))
        for number, name, path in rows[start:stop]:
            yield Sample(id=number, name=name, path=path)

    def truth(self, view: DataView) -> Path:
        """Always raises `DataError`: there is none."""
        where = str(view.paths["images"])
        raise DataError("has no truth to score against", where=where, next="use --annotations")


def _gather(places: Sequence[Path], spread: bool) -> ImageFiles:
    found = gather_images(places)
    if not spread:
        return found
    folders: dict[str, list[tuple[Path, str]]] = {}
    for path, name in zip(found.paths, found.names, strict=True):
        folders.setdefault(name.rpartition("/")[0], []).append((path, name))
    rows = [row for rank in zip_longest(*folders.values()) for row in rank if row]
    return ImageFiles([path for path, _ in rows], [name for _, name in rows], found.warnings)


def _key(number: int) -> str:
    """The name of a place among the plan's locations."""
    return f"images-{number}" if number else "images"


def _ids(names: Sequence[str]) -> Sequence[int | str]:
    """COCO's ids of files that are called by them (000000000139.jpg), else the names."""
    stems = [PurePosixPath(name).stem for name in names]
    if all(map(_NUMBER.fullmatch, stems)):
        numbers = list(map(int, stems))
        if len(set(numbers)) == len(numbers):
            return numbers
    return names


def _too_few(request: DataRequest, count: int) -> Iterator[str]:
    if request.purpose == "calibrate" and request.limit and count < request.limit:
        yield (
            f"calibrated on {count} images, where {request.limit} were asked for: {request.images} "
            "holds no more"
        )
