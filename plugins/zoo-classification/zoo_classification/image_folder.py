"""The data set `imagenet-folder`: a folder with one folder of images per class."""

from __future__ import annotations

from itertools import chain, zip_longest
from typing import TYPE_CHECKING

from zoo_core.api import DataPlan, Sample
from zoo_core.errors import DataError, UsageError, some
from zoo_core.toolkit.datasets import check_unchanged, limited, names_digest, shards
from zoo_core.toolkit.files import digest, file_digests
from zoo_core.toolkit.image_files import is_image, unread_files, walk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from zoo_core.api import DataRequest, DataView


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
        paths = listed(folder)
        count = limited(request, len(paths))
        names = _names(folder, paths)
        digests = file_digests(paths[:count])
        contents = [list(pair) for pair in zip(names, digests, strict=False)]
        truth = {}
        if request.annotations:
            truth["truth"] = request.annotations.expanduser().absolute()
        return DataPlan(
            dataset="imagenet-folder",
            kind="given",
            locations={key: str(path) for key, path in {"images": folder, **truth}.items()},
            params={"names": names_digest(names)},
            shards=shards(contents),
            count=count,
            of=len(paths),
            content=digest([contents, names_digest(names), file_digests(list(truth.values()))]),
            has_truth=True,
            warnings=tuple(_left_out(folder)),
        )

    def samples(self, view: DataView, start: int, stop: int) -> Iterator[Sample]:
        """Sizes are None; raises `DataError` where images have come or gone since planning."""
        folder = view.paths["images"]
        paths = listed(folder)
        names = _names(folder, paths)
        check_unchanged(names, view.params["names"], folder)
        for name, path in list(zip(names, paths, strict=True))[start:stop]:
            yield Sample(id=name, name=name, path=path)

    def truth(self, view: DataView) -> Path:
        """The annotations, else the folder of class folders."""
        return view.paths.get("truth", view.paths["images"])


def class_folders(folder: Path) -> list[Path]:
    """The folders of the classes, by name; hidden ones are none."""
    if not folder.is_dir():
        raise DataError("no such folder of class folders", where=str(folder), next="check --images")
    return sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))


def listed(folder: Path) -> list[Path]:
    """All images in the set's order; raises `DataError` where there is none."""
    columns = [
        sorted(path for path in place.iterdir() if is_image(path))
        for place in class_folders(folder)
    ]
    found = [path for path in chain.from_iterable(zip_longest(*columns)) if path is not None]
    if not found:
        step = "name the folder that holds one folder per class"
        raise DataError("has no class folder with an image in it", where=str(folder), next=step)
    return found


def _left_out(folder: Path) -> Iterator[str]:
    """What is in the folder and is not an image of a class."""
    tree = walk(folder)
    yield from unread_files(folder, tree.others)
    stray = [name for name in tree.files if name.count("/") != 1]
    if stray:
        yield (
            f"images left out of {folder}, since they lie in no class folder or in one of its "
            f"sub-folders: {len(stray)} ({some(stray)})"
        )


def _names(folder: Path, paths: list[Path]) -> list[str]:
    """Names relative to the folder, as `class/image.jpg`."""
    return [path.relative_to(folder).as_posix() for path in paths]
