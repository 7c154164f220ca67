"""The data set `coco-folder`: a folder of images with an annotation file, both given."""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
from typing import TYPE_CHECKING

from zoo_coco.coco_json import box_ends, image_index
from zoo_coco.frames import TRUTH, fit, turn_stage
from zoo_coco.listed import listed_samples
from zoo_core.api import DataPlan
from zoo_core.errors import DataError, UsageError, some
from zoo_core.toolkit.coco import box_warnings
from zoo_core.toolkit.datasets import limited, shards
from zoo_core.toolkit.files import digest, file_digests, read_head
from zoo_core.toolkit.image_files import find_images

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from zoo_core.api import DataRequest, DataView, Sample
    from zoo_core.toolkit.coco import ListedImage

_BLANKS = b"\xef\xbb\xbf \t\r\n"


class CocoFolder:
    """The images that the file lists, in order of their ids; others in the folder are ignored."""

    task = "detection"
    tasks = ("detection", "instance-segmentation", "keypoints", "oriented-detection")

    def reads(self, annotations: Path) -> bool:
        """A file that begins as a JSON object does."""
        with suppress(DataError):
            return annotations.is_file() and read_head(annotations).lstrip(_BLANKS)[:1] == b"{"
        return False

    def plan(self, request: DataRequest) -> DataPlan:
        """Reads the annotation file and the facts of the chosen images.

        Raises `DataError` for a file of another form or another data set, and for listed images
        that are missing.
        """
        folder, annotations = _given(request)
        index = image_index(annotations)
        count = limited(request, len(index.images))
        chosen = index.images[:count]
        found = find_images(folder, [image.name for image in chosen], str(annotations))
        digests = file_digests(found.paths)
        fitted = fit(chosen, found.paths, box_ends(annotations), request.exif)
        contents = [
            [image.id, name, size, sha256]
            for image, name, size, sha256 in zip(
                chosen, found.names, fitted.sizes, digests, strict=True
            )
        ]
        odd = (
            *box_warnings(chosen, index.unlisted, index.strange),
            *same_pictures(chosen, digests),
        )
        warnings = (*found.warnings, *fitted.warnings, *odd)
        stages = (turn_stage(annotations, fitted),) if fitted.changes else ()
        given = {} if stages else {"annotations": str(annotations)}
        return DataPlan(
            dataset="coco-folder",
            kind="given",
            stages=stages,
            inputs={"annotations": f"{stages[0].name}/{TRUTH}"} if stages else {},
            locations={"images": str(folder), **given},
            shards=shards(contents),
            count=count,
            of=len(index.images),
            content=digest([index.sha256, contents, fitted.changes]),
            has_truth=True,
            classes=index.classes,
            warnings=found.warnings if request.purpose == "calibrate" else warnings,
        )

    def samples(self, view: DataView, start: int, stop: int) -> Iterator[Sample]:
        """Raises `DataError` for an image that has gone since planning."""
        return listed_samples(view, start, stop)

    def truth(self, view: DataView) -> Path:
        """The annotation file: as it was given, or in the frame in which images are read."""
        return view.paths["annotations"]


def same_pictures(images: Sequence[ListedImage], digests: Sequence[str]) -> Iterator[str]:
    """A sentence where images are the same file under two ids."""
    by_content: dict[str, list[ListedImage]] = defaultdict(list)
    for image, sha256 in zip(images, digests, strict=True):
        by_content[sha256].append(image)
    groups = [group for group in by_content.values() if len(group) > 1]
    if groups:
        count = sum(len(group) - 1 for group in groups)
        pairs = [f"{group[0].name} as {group[0].id!r} and {group[1].id!r}" for group in groups]
        yield (
            f"{count} of {len(images)} images repeat the picture of another image id: "
            f"{some(pairs)}; each counts"
        )


def _given(request: DataRequest) -> tuple[Path, Path]:
    if request.images is None or request.annotations is None:
        raise UsageError(
            "a folder with truth needs both its images and its annotation file",
            next="give --images DIR --annotations FILE",
        )
    folder = request.images.expanduser().absolute()
    if folder.is_file():
        step = "give the folder that the file_names of the annotations begin in"
        raise DataError("is a file, not a folder of images", where=str(folder), next=step)
    if not folder.is_dir():
        raise DataError("no such folder of images", where=str(folder), next="check --images")
    return folder, request.annotations.expanduser().absolute()
