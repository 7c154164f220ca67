"""Boxes and sides in the frame in which an image is read, where EXIF turns it.

An annotation may be of the stored pixels or of the picture as EXIF turns it, and the sides that it
states may be those of the other frame than its boxes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from zoo_coco.tasks.shapes import turn_shapes
from zoo_core.api import Stage
from zoo_core.errors import DataError, some
from zoo_core.toolkit.coco import read_annotations
from zoo_core.toolkit.files import cached_values, file_digest, file_digest_cached, write_json
from zoo_core.vision.image import stored_frame

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from zoo_core.api import StageContext
    from zoo_core.toolkit.coco import ImageId, ListedImage

    Size = tuple[int, int]
    Ends = Sequence[Sequence[float]]

Frame = Literal["stored", "shown"]

TRUTH = "instances.json"
_PIXEL = 1.0
_CLEARLY = 0.02
_FRACTION = 1.1
"""No box of a whole set ends before it, unless its unit is not the pixel."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """The sizes (height, width) of listed images as they are read, and what must be changed.

    `changes` holds, for each image whose annotation is of another frame, its id, the size, and the
    steps that its boxes take: "transpose", "flip x", "flip y".
    """

    sizes: list[Size | None]
    changes: list[list[Any]]
    warnings: tuple[str, ...] = ()


def fit(
    images: Sequence[ListedImage],
    paths: Sequence[Path],
    ends: Mapping[ImageId, Ends],
    exif: bool = True,
    stated: bool = True,
) -> Fitted:
    """What brings the annotation of images into the frame in which they are read.

    `ends` are the right and lower ends of the boxes of each image; `exif` is whether images are
    read as EXIF turns them, `stated` whether the form of the annotation states sides and pixels. Of
    the images that EXIF turns by a quarter, the frame counts that the fewest boxes clearly leave;
    where the boxes do not decide, that of the stated sides, else the shown one. Other images that
    EXIF turns are taken to be in the same frame. Raises `DataError` for stated sides that are an
    image's in neither frame.
    """
    rows = [
        _Row(image, at, ends.get(image.id, ()))
        for image, at in zip(images, measured(paths), strict=True)
    ]
    _check_sizes(rows, paths)
    frames, counts = _frames(rows)
    target: Frame = "shown" if exif else "stored"
    changes: list[list[Any]] = []
    moved: list[ListedImage] = []
    for row, frame in zip(rows, frames, strict=True):
        steps = row.at.steps(frame, target)
        if steps or (row.image.size and row.at.turned and row.image.size != row.at.size(target)):
            changes.append([row.image.id, list(row.at.size(target)), steps])
            moved.append(row.image)
    changed = {number: (size[0], size[1]) for number, size, _ in changes}
    sizes: list[Size | None] = [changed.get(row.image.id, row.image.size) for row in rows]
    turned = _turn_warnings(
        moved, len(images), target, counts, any(steps for _, _, steps in changes)
    )
    odd = (*_unsure(rows, counts, stated), *_fractions(rows), *_outside(rows, frames))
    return Fitted(sizes, changes, (*turned, *odd))


def _check_sizes(rows: Sequence[_Row], paths: Sequence[Path]) -> None:
    wrong = [
        (row, path)
        for row, path in zip(rows, paths, strict=True)
        if row.image.size not in (None, row.at.size("stored"), row.at.size("shown"))
    ]
    if wrong:
        row, path = wrong[0]
        (height, width), (lines, columns) = row.at.size("shown"), row.image.size or (0, 0)
        raise DataError(
            f"is {width}x{height}, but its annotation says {columns}x{lines}, and differs for "
            f"{len(wrong)} of {len(rows)} images",
            where=str(path),
            next="use the annotations that belong to these images",
        )


def _turn_warnings(
    moved: Sequence[ListedImage], of: int, target: Frame, counts: Mapping[Frame, int], boxes: bool
) -> Iterator[str]:
    """What is assumed of images whose annotation is changed, `boxes` included or sides alone."""
    if not moved:
        return
    other: Frame = "stored" if target == "shown" else "shown"
    names = {"stored": "stored", "shown": "turned"}
    beyond = (
        f"{counts[other]} boxes reach beyond the {names[other]} pixels, {counts[target]} beyond "
        f"the {names[target]} ones"
    )
    what = "their boxes fit that, though the stated width and height do not"
    if boxes:
        what = (
            f"their boxes are of the {names[other]} pixels and were turned, while predictions.json "
            "is in the pixels as read"
        )
    read = "read turned" if target == "shown" else "read as stored"
    images = f"{len(moved)} of {of} images ({some([image.name for image in moved])})"
    yield f"EXIF turns {images}: they are {read}; {what} ({beyond})"


def measured(paths: Sequence[Path]) -> list[Measured]:
    """What the header of each image says; remembered in zoo's cache folder."""
    texts = cached_values("stored-frame", paths, _measure)
    return [Measured(*map(int, text.split())) for text in texts]


def _measure(path: Path) -> str:
    return " ".join(map(str, stored_frame(path)))


def turn_stage(annotations: Path, fitted: Fitted) -> Stage:
    """The stage that writes the annotations with the changes."""
    return Stage(
        name="annotations",
        run=f"{__name__}:turn",
        params={"changes": fitted.changes, "content": file_digest_cached(annotations)},
        growing=("changes", "content"),
        outputs=(TRUTH,),
        locations={"annotations": str(annotations)},
    )


def turn(context: StageContext) -> None:
    """The stage's work: leaves the annotation file, with other sides and boxes, as instances.json.

    Raises `DataError` where the file has changed since planning.
    """
    path = context.paths()["annotations"]
    if file_digest(path) != context.params["content"]:
        raise DataError("has changed since planning", where=str(path), next="run again")
    data = read_annotations(path)
    change(data, context.params["changes"])
    write_json(context.out / TRUTH, data)


def change(data: dict[str, Any], changes: Sequence[Sequence[Any]]) -> None:
    """Give images and boxes in COCO's form the `Fitted.changes`, in place."""
    known = {number: (size, steps) for number, size, steps in changes}
    for row in data["images"]:
        if row["id"] in known:
            row["height"], row["width"] = known[row["id"]][0]
    for row in data["annotations"]:
        if row["image_id"] in known:
            row["bbox"] = _turned(row["bbox"], *known[row["image_id"]])
            turn_shapes(row, *known[row["image_id"]])


def _turned(box: Sequence[float], size: Sequence[int], steps: Sequence[str]) -> list[float]:
    """A box x, y, width, height after the steps; `size` is (height, width) after them."""
    x, y, width, height = box
    for step in steps:
        if step == "transpose":
            x, y, width, height = y, x, height, width
        elif step == "flip x":
            x = size[1] - x - width
        else:
            y = size[0] - y - height
    return [x, y, width, height]


@dataclass(frozen=True, slots=True)
class Measured:
    """What a file's header says: its sides as stored, and the EXIF orientation, 1..8."""

    height: int
    width: int
    orientation: int

    def size(self, frame: Frame) -> Size:
        """(height, width) in a frame."""
        if frame == "shown" and self.orientation >= 5:
            return self.width, self.height
        return self.height, self.width

    @property
    def turned(self) -> bool:
        """Whether the two frames differ in their sides."""
        return self.size("stored") != self.size("shown")

    def steps(self, frame: Frame, target: Frame) -> list[str]:
        """What turns a box of one frame into one of the other; a transposition comes first."""
        if frame == target or self.orientation == 1:
            return []
        quarter = self.orientation >= 5
        x, y = self.orientation in (2, 3, 6, 7), self.orientation in (3, 4, 7, 8)
        if target == "stored" and quarter:
            x, y = y, x  # the flips come after the transposition, not before it
        flips = ["flip x"] * x + ["flip y"] * y
        return ["transpose"] * quarter + flips


@dataclass(frozen=True, slots=True)
class _Row:
    image: ListedImage
    at: Measured
    ends: Ends

    @property
    def tells(self) -> bool:
        """Whether its sides and boxes can tell the frames apart."""
        sides = (None, self.at.size("stored"), self.at.size("shown"))
        return self.at.turned and self.image.size in sides

    @property
    def stated(self) -> Frame:
        return "stored" if self.image.size == self.at.size("stored") else "shown"

    def beyond(self, frame: Frame, slack: float = 0.0) -> int:
        """How many boxes reach beyond it by more than a pixel, and that share of its sides."""
        height, width = (side + max(_PIXEL, slack * side) for side in self.at.size(frame))
        return sum(right > width or bottom > height for right, bottom in self.ends)


def _frames(rows: Sequence[_Row]) -> tuple[list[Frame], dict[Frame, int]]:
    """The frame of each image's boxes, and how many boxes of those that tell leave each."""
    telling = [row for row in rows if row.tells]
    counts: dict[Frame, int] = {
        "stored": sum(row.beyond("stored", _CLEARLY) for row in telling),
        "shown": sum(row.beyond("shown", _CLEARLY) for row in telling),
    }
    if counts["stored"] > 2 * counts["shown"]:
        return ["shown"] * len(rows), counts
    if counts["shown"] > 2 * counts["stored"]:
        return ["stored"] * len(rows), counts
    others: Frame = "shown"
    if telling and all(row.stated == "stored" for row in telling):
        others = "stored"
    return [row.stated if row.tells else others for row in rows], counts


def _unsure(rows: Sequence[_Row], counts: Mapping[Frame, int], stated: bool) -> Iterator[str]:
    """What is assumed where neither sides nor boxes tell the frame of the boxes."""
    few, many = sorted(counts.values())
    decided = many > 2 * few or any(row.tells and row.image.size for row in rows)
    names = [row.image.name for row in rows if row.at.orientation != 1 and row.ends]
    if names and not (stated and decided):
        yield (
            f"EXIF turns {len(names)} of {len(rows)} images ({some(names)}): nothing tells whether "
            "their boxes are of the turned picture, which was taken, or of the stored pixels; if "
            "they are of these, remove the orientation from the files' EXIF"
        )


def _fractions(rows: Sequence[_Row]) -> Iterator[str]:
    furthest = [max(end) for row in rows for end in row.ends]
    if furthest and 0 < max(furthest) <= _FRACTION:
        yield (
            f"all {len(furthest)} boxes end within the first pixel of their image: they seem to be "
            "fractions of its sides, where pixels are needed; multiply them by width and height"
        )


def _outside(rows: Sequence[_Row], frames: Sequence[Frame]) -> Iterator[str]:
    counts = [row.beyond(frame) for row, frame in zip(rows, frames, strict=True)]
    images = [row.image.name for row, count in zip(rows, counts, strict=True) if count]
    if images:
        yield (
            f"boxes that reach beyond their image by more than a pixel: {sum(counts)}, of "
            f"{len(images)} images ({some(images)}); check that the annotations are of these "
            "files, and in their pixels"
        )
