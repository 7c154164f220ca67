"""Detections that the vendor's scripts left, one text an image, as predictions to be scored here.

The lines are those of `zoo_core.toolkit.detection_txt`. The scripts name a file after its image by
replacing `jpg` wherever it stands, so that `a.png` may get a text that is called `a.png` too.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_core.api import Prediction, Sample
from zoo_core.errors import DataError, UsageError, did_you_mean, some
from zoo_core.toolkit.coco import (
    listed_images,
    matches,
    order_of,
    read_annotations,
    used_categories,
)
from zoo_core.toolkit.detection import Detections
from zoo_core.toolkit.detection_txt import read_detections
from zoo_core.toolkit.files import SUFFIX, text_names
from zoo_core.toolkit.image_files import IMAGE_SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from zoo_core.toolkit.coco import ListedImage
    from zoo_core.toolkit.detection_txt import TextDetection

MISSING = ("error", "skip", "empty")
"""What an annotated image without a text means; `empty` is what the vendor's evaluation takes."""

_HEAD_BYTES = 256
_OTHER = "give the annotations of these images, and the texts of one run"


@dataclass(frozen=True, slots=True, kw_only=True)
class TextResults:
    """Predictions in the annotations' order, of `of` annotated images; `labels` index them."""

    predictions: list[Prediction]
    labels: tuple[str, ...]
    of: int


@dataclass(frozen=True, slots=True)
class _Truth:
    """`categories` maps a place in `labels` to its name; those in `used` have boxes."""

    images: Sequence[ListedImage]
    categories: Mapping[int, str]
    used: frozenset[int]

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(self.categories.values())


def read_texts(folder: Path, annotations: Path, missing: str = MISSING[0]) -> TextResults:
    """Read the text of every image that the annotations (COCO's form) list.

    `missing` is one of `MISSING`. Labels are found in COCO's spelling or darknet's, whatever the
    case. Raises `DataError` that names the file: for annotations that are none or name two
    categories alike, a text of no image, an image without a text, a line that is none, a label that
    is not a category, and for a text that two images would share.
    """
    if missing not in MISSING:
        raise UsageError(f"no missing '{missing}'", next=did_you_mean(missing, MISSING))
    truth = _truth(annotations)
    if not folder.is_dir():
        raise DataError("is not a folder", where=str(folder), next="give the folder of the texts")
    texts = _texts(folder, truth)
    absent = [image.name for row, image in enumerate(truth.images) if row not in texts]
    if absent and (missing == "error" or len(absent) == len(truth.images)):
        what = f"{len(absent)} of {len(truth.images)} images have no text: {some(absent)}"
        step = "choose --missing skip to leave them out, or empty where they count as nothing found"
        raise DataError(what, where=str(folder), next=step)
    found = {path: read_detections(path) for path in texts.values()}
    places = _places(found, truth)
    predictions = [
        Prediction(
            sample=Sample(id=image.id, name=image.name, path=Path(image.name), size=image.size),
            arrays=_arrays(found[texts[row]] if row in texts else (), places),
        )
        for row, image in enumerate(truth.images)
        if row in texts or missing == "empty"
    ]
    return TextResults(predictions=predictions, labels=truth.labels, of=len(truth.images))


def _truth(path: Path) -> _Truth:
    file = read_annotations(path)
    rows = sorted(file["categories"], key=lambda row: order_of(row["id"]))
    places = {row["id"]: place for place, row in enumerate(rows)}
    return _Truth(
        images=listed_images(file, str(path)),
        categories={place: row["name"] for place, row in enumerate(rows)},
        used=frozenset(places[number] for number in used_categories(file)),
    )


def _texts(folder: Path, truth: _Truth) -> dict[int, Path]:
    """The text of each image that has one, by the image's place in the list."""
    there = {path.name: path for path in _files(folder)}
    found: dict[int, Path] = {}
    owners: dict[str, ListedImage] = {}
    unique = text_names([image.name for image in truth.images])
    for row, image in enumerate(truth.images):
        for name in _candidates(image.name, unique[row]):
            if name not in there:
                continue
            if name in owners:
                what = f"may be of {_either(owners[name], image)}"
                raise DataError(what, where=str(there[name]), next="name each text <image>.txt")
            owners[name] = image
            found[row] = there[name]
            break
    extra = sorted(set(there) - set(owners))
    if extra:
        what = f"{len(extra)} texts belong to no annotated image: {some(extra)}"
        raise DataError(what, where=str(folder), next=_OTHER)
    return found


def _files(folder: Path) -> Iterator[Path]:
    """Texts by name, and files with the name of an image that are texts all the same."""
    for path in sorted(folder.iterdir()):
        if not path.is_file() or path.name.startswith("."):
            continue
        if path.suffix == SUFFIX or (path.suffix.lower() in IMAGE_SUFFIXES and _is_text(path)):
            yield path


def _is_text(path: Path) -> bool:
    with path.open("rb") as stream:
        head = stream.read(_HEAD_BYTES)
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start > _HEAD_BYTES - 4  # a character that the end cut in two
    return b"\0" not in head


def _candidates(image: str, unique: str) -> tuple[str, ...]:
    path = PurePosixPath(image)
    vendor = path.name.replace("jpg", "txt")
    return tuple(dict.fromkeys((unique, path.name + SUFFIX, path.stem + SUFFIX, vendor)))


def _arrays(rows: Sequence[TextDetection], places: Mapping[str, int]) -> Mapping[str, Any]:
    if not rows:
        return Detections.empty().to_arrays()
    return Detections(
        boxes=np.array([row.box for row in rows], np.float32),
        scores=np.array([row.score for row in rows], np.float32),
        labels=np.array([places[row.label] for row in rows], np.int32),
    ).to_arrays()


def _places(texts: Mapping[Path, Sequence[TextDetection]], truth: _Truth) -> dict[str, int]:
    """The place in the truth's labels of each label in the texts."""
    first = {row.label: path for path, rows in reversed(list(texts.items())) for row in rows}
    labels = list(first)
    found = matches(labels, truth.categories, truth.used)
    for row, label in enumerate(labels):
        if row not in found:
            hint = did_you_mean(label, truth.labels)
            raise DataError(
                f"label '{label}' is not a category", where=str(first[label]), next=hint
            )
    return {label: found[row] for row, label in enumerate(labels)}


def _either(one: ListedImage, other: ListedImage) -> str:
    if one.name == other.name:
        return f"image {one.id!r} or of image {other.id!r}, which are both named {one.name}"
    return f"{one.name} or of {other.name}"
