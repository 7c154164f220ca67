"""The data set `png-masks`: a folder of images, and one of PNG masks of the same names."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from zoo_core.api import DataPlan, Sample
from zoo_core.errors import DataError, UsageError, some
from zoo_core.toolkit.datasets import check_unchanged, limited, names_digest, shards
from zoo_core.toolkit.files import digest, file_digests
from zoo_core.toolkit.image_files import unread_files, walk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from zoo_core.api import DataRequest, DataView

PART = 32
"""Images a shard: predictions are maps as large as their images."""


class PngMasks:
    """The images that have a mask, in order of their names.

    A mask is at the image's place below its own folder, with the ending .png. Images without a
    mask and masks without an image are left out, and a warning counts them.
    """

    task = "semantic-segmentation"

    def reads(self, annotations: Path) -> bool:
        """A folder with a PNG in it."""
        return annotations.is_dir() and any(annotations.rglob("*.png"))

    def plan(self, request: DataRequest) -> DataPlan:
        """Reads the facts of the chosen files; raises `DataError` where no image has a mask."""
        if request.images is None:
            raise UsageError("no folder of images is given", next="give --images DIR")
        folder = _folder(request.images, "--images")
        masks = request.annotations and _folder(request.annotations, "--annotations")
        names, warnings = paired(folder, masks)
        count = limited(request, len(names))
        chosen = names[:count]
        contents = [file_digests([folder / name for name in chosen])]
        if masks is not None:
            contents.append(file_digests([masks / mask_name(name) for name in chosen]))
        rows = [list(row) for row in zip(chosen, *contents, strict=True)]
        truth = {"masks": str(masks)} if masks is not None else {}
        return DataPlan(
            dataset="png-masks",
            kind="given",
            locations={"images": str(folder), **truth},
            params={"names": names_digest(names)},
            shards=shards(rows, PART),
            count=count,
            of=len(names),
            content=digest([rows, names_digest(names)]),
            has_truth=masks is not None,
            warnings=warnings,
        )

    def samples(self, view: DataView, start: int, stop: int) -> Iterator[Sample]:
        """Raises `DataError` where images have come or gone since planning."""
        folder = view.paths["images"]
        names, _ = paired(folder, view.paths.get("masks"))
        check_unchanged(names, view.params["names"], folder)
        for name in names[start:stop]:
            yield Sample(id=name, name=name, path=folder / name)

    def truth(self, view: DataView) -> Path:
        """The folder of the masks."""
        return view.paths["masks"]


def mask_name(name: str) -> str:
    """The name of an image's mask, relative to the folder of masks."""
    base, slash, last = name.rpartition("/")
    return f"{base}{slash}{last.rpartition('.')[0]}.png"


def paired(folder: Path, masks: Path | None) -> tuple[list[str], tuple[str, ...]]:
    """The names of the images that have a mask, and what is left out."""
    tree = walk(folder)
    names = [name for name in tree.files if folder != masks or not name.endswith(".png")]
    if not names:
        raise DataError("holds no image", where=str(folder), next="check --images")
    texts = list(unread_files(folder, tree.others))
    if masks is None:
        return names, tuple(texts)
    found = {name for name in walk(masks).files if name.endswith(".png")}
    known = [name for name in names if mask_name(name) in found]
    if not found:
        step = "check --annotations, and that it is not swapped with --images"
        raise DataError("holds no .png file", where=str(masks), next=step)
    if not known:
        raise DataError(
            f"has no mask of any of the {len(names)} images: '{names[0]}' needs "
            f"'{mask_name(names[0])}'",
            where=str(masks),
            next="name masks like their images, with the ending .png",
        )
    shared = [name for name, count in Counter(map(mask_name, known)).items() if count > 1]
    if shared:
        what = f"has masks of more than one image: {some(shared)}"
        raise DataError(what, where=str(masks), next="give the images different names")
    alone, spare = sorted(set(names) - set(known)), sorted(found - set(map(mask_name, known)))
    if alone:
        count = f"{len(alone)} of {len(names)}"
        texts.append(f"{count} images have no mask and are left out: {some(alone)}")
    if spare:
        texts.append(f"{len(spare)} of {len(found)} masks have no image: {some(spare)}")
    return known, tuple(texts)


def _folder(path: Path, option: str) -> Path:
    whole = path.expanduser().absolute()
    if not whole.is_dir():
        raise DataError("no such folder", where=str(whole), next=f"check {option}")
    return whole
