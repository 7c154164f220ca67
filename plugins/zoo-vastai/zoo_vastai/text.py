"""Detections that the vendor's scripts left, one text an image, as predictions to be scored here.

The lines are those of `zoo_core.formats.detection_txt`. The scripts name a file after its image by
replacing `jpg` wherever it stands, so that `a.png` may get a text that is called `a.png` too.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_core.errors import DataError, UsageError, did_you_mean
from zoo_core.formats.detection_txt import SUFFIX, read_detections, text_names
from zoo_core.nouns import Prediction, Sample
from zoo_core.vision import Detections

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from zoo_core.formats.detection_txt import TextDetection

MISSING = ("error", "skip", "empty")
"""What an annotated image without a text means; `empty` is what the vendor's evaluation takes."""

_SPELLINGS = {
    "motorbike": "motorcycle",
    "aeroplane": "airplane",
    "sofa": "couch",
    "pottedplant": "potted plant",
    "diningtable": "dining table",
    "tvmonitor": "tv",
}
_IMAGES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})
_HEAD_BYTES = 256
_SHOWN = 3
_OTHER = "give the annotations of these images, and the texts of one run"


@dataclass(frozen=True, slots=True, kw_only=True)
class TextResults:
    """Predictions in the annotations' order, of `of` annotated images; `labels` index them."""

    predictions: list[Prediction]
    labels: tuple[str, ...]
    of: int


@dataclass(frozen=True, slots=True)
class _Truth:
    images: Mapping[str, int | str]
    sizes: Mapping[str, tuple[int, int]]
    labels: tuple[str, ...]


def read_texts(folder: Path, annotations: Path, missing: str = MISSING[0]) -> TextResults:
    """Read the text of every image that the annotations (COCO's form) list.

    `missing` is one of `MISSING`. Labels are found in COCO's spelling or darknet's, whatever the
    case. Raises `DataError` that names the file: for a text of no image, an image without a text, a
    line that is none, a label that is no category, and for a text that two images would share.
    """
    if missing not in MISSING:
        raise UsageError(f"no missing '{missing}'", next=did_you_mean(missing, MISSING))
    truth = _truth(annotations)
    if not folder.is_dir():
        raise DataError("is no folder", where=str(folder), next="give the folder of the texts")
    texts = _texts(folder, truth)
    absent = [name for name in truth.images if name not in texts]
    if absent and (missing == "error" or len(absent) == len(truth.images)):
        what = f"{len(absent)} of {len(truth.images)} images have no text: {_some(absent)}"
        step = "choose --missing skip to leave them out, or empty where they count as nothing found"
        raise DataError(what, where=str(folder), next=step)
    known = {_plain(label): number for number, label in enumerate(truth.labels)}
    predictions = [
        Prediction(
            sample=Sample(id=number, name=name, path=Path(name), size=truth.sizes.get(name)),
            arrays=_arrays(texts.get(name), known),
        )
        for name, number in truth.images.items()
        if name in texts or missing == "empty"
    ]
    return TextResults(predictions=predictions, labels=truth.labels, of=len(truth.images))


def _truth(path: Path) -> _Truth:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        images = {str(row["file_name"]): row["id"] for row in data["images"]}
        sizes = {
            str(row["file_name"]): (int(row["height"]), int(row["width"]))
            for row in data["images"]
            if row.get("height") and row.get("width")
        }
        rows = sorted(data["categories"], key=lambda row: row["id"])
        labels = tuple(str(row["name"]) for row in rows)
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", where=str(path)) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        what = f"is no annotation in COCO's form: {type(error).__name__}: {error}"
        raise DataError(what, where=str(path), next=_OTHER) from error
    if not images or not labels:
        raise DataError("lists no image or no category", where=str(path), next=_OTHER)
    return _Truth(images, sizes, labels)


def _texts(folder: Path, truth: _Truth) -> dict[str, Path]:
    """The text of each image that has one."""
    there = {path.name: path for path in _files(folder)}
    names = list(truth.images)
    found: dict[str, Path] = {}
    owners: dict[str, str] = {}
    for image, unique in zip(names, text_names(names), strict=True):
        for name in _candidates(image, unique):
            if name not in there:
                continue
            if name in owners:
                what = f"may be of {owners[name]} or of {image}"
                raise DataError(what, where=str(there[name]), next="name each text <image>.txt")
            owners[name] = image
            found[image] = there[name]
            break
    extra = sorted(set(there) - set(owners))
    if extra:
        what = f"{len(extra)} texts are of no annotated image: {_some(extra)}"
        raise DataError(what, where=str(folder), next=_OTHER)
    return found


def _files(folder: Path) -> Iterator[Path]:
    """Texts by name, and files with the name of an image that are texts all the same."""
    for path in sorted(folder.iterdir()):
        if not path.is_file() or path.name.startswith("."):
            continue
        if path.suffix == SUFFIX or (path.suffix.lower() in _IMAGES and _is_text(path)):
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


def _arrays(text: Path | None, known: Mapping[str, int]) -> Mapping[str, Any]:
    found = read_detections(text) if text is not None else []
    if not found:
        return Detections.empty().to_arrays()
    return Detections(
        boxes=np.array([row.box for row in found], np.float32),
        scores=np.array([row.score for row in found], np.float32),
        labels=np.array([_label(row, known, text) for row in found], np.int32),
    ).to_arrays()


def _label(row: TextDetection, known: Mapping[str, int], text: Path | None) -> int:
    number = known.get(_plain(row.label))
    if number is None:
        hint = did_you_mean(row.label, known)
        raise DataError(f"label '{row.label}' is no category", where=str(text), next=hint)
    return number


def _plain(label: str) -> str:
    name = " ".join(label.split()).casefold()
    return _SPELLINGS.get(name, name)


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
