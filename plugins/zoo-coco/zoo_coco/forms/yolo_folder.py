"""The data sets `yolo-folder` and `yolo-obb-folder`: images with YOLO's label files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo_coco.forms.dota_folder import is_dota
from zoo_coco.forms.files import MOST_BYTES, below
from zoo_coco.forms.labelled import LabelledImage, LabelledSet
from zoo_coco.forms.labelled_folder import LabelledFolder
from zoo_coco.forms.voc_source import annotations_in, home_of
from zoo_coco.forms.yolo_labels import read_labels, read_oriented
from zoo_coco.forms.yolo_source import YAML, yaml_in, yolo_source
from zoo_coco.frames import measured
from zoo_core.errors import DataError, counted, some
from zoo_core.toolkit.files import read_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from zoo_coco.forms.labelled import Box
    from zoo_coco.forms.yolo_source import YoloSource
    from zoo_core.api import DataRequest, StageContext

_FILES = (*YAML, ".data", ".txt")


class YoloFolder(LabelledFolder):
    """All images of a data.yaml's split, of a list, or of a folder; those without labels too."""

    name = "yolo-folder"
    states_sides = False

    def reads(self, annotations: Path) -> bool:
        """A .yaml, .data or .txt file, or a folder of .txt files, not of Pascal VOC or DOTA."""
        if annotations.is_dir():
            if annotations_in(annotations) or is_dota(annotations):
                return False
            if yaml_in(annotations):
                return True
            endings = {path.suffix.lower() for path in below(annotations)}
            return ".xml" not in endings and ".txt" in endings
        is_file = annotations.suffix.lower() in _FILES and annotations.is_file()
        return is_file and home_of(annotations.absolute()) is None

    def read(self, request: DataRequest) -> LabelledSet:
        """Raises `DataError` for what is wrong in a file."""
        source = yolo_source(request)
        labels = [
            next((path for path in _spelled(source.labels_of(image)) if path.is_file()), None)
            for image in source.images
        ]
        notes = _label_notes(source, labels, str(request.annotations))
        sizes = [at.size("shown") for at in measured(source.images)]
        repeated = 0
        images = []
        for image, label, size in zip(source.images, labels, sizes, strict=True):
            text = read_text(label, MOST_BYTES) if label else ""
            boxes = self._boxes(text, size, source, str(label))
            repeated += sum(map(bool, map(str.strip, text.splitlines()))) - len(boxes)
            images.append(LabelledImage(image, size, boxes))
        if repeated:
            notes.append(f"{counted(repeated, 'repeated label')} counted once")
        return LabelledSet(source.folder, tuple(images), source.names, tuple(notes))

    def _boxes(
        self, text: str, size: tuple[int, int], source: YoloSource, where: str
    ) -> tuple[Box, ...]:
        return read_labels(text, size, source.names, where, source.points)


class YoloOrientedFolder(YoloFolder):
    """The same files with four corners a line: objects at an angle."""

    task = "oriented-detection"
    name = "yolo-obb-folder"
    writer = "write_oriented_truth"

    def _boxes(
        self, text: str, size: tuple[int, int], source: YoloSource, where: str
    ) -> tuple[Box, ...]:
        return read_oriented(text, size, source.names, where)


def write_truth(context: StageContext) -> None:
    """The labels as COCO's annotation file, instances.json."""
    YoloFolder().write_truth(context)


def write_oriented_truth(context: StageContext) -> None:
    """The same, with the polygons of objects at an angle."""
    YoloOrientedFolder().write_truth(context)


def _spelled(paths: Iterable[Path]) -> Iterator[Path]:
    """Each path, and as some tools of Windows end it."""
    for path in paths:
        yield path
        yield path.with_suffix(".TXT")


def _label_notes(source: YoloSource, labels: Sequence[Path | None], where: str) -> list[str]:
    """What is to be told of images without labels, and of labels without an image.

    Raises `DataError` where no image has a label file.
    """
    bare = [image for image, label in zip(source.images, labels, strict=True) if label is None]
    if len(bare) == len(labels):
        looked = some(source.labels_of(bare[0]))
        what = f"none of its {counted(len(bare), 'image')} has a label file"
        step = f"looked for {looked}; give the folder of labels with --annotations"
        raise DataError(what, where=where, next=step)
    notes = list(source.warnings)
    if bare:
        has = counted(len(bare), "image has", "images have")
        names = some([image.name for image in bare])
        notes.append(f"{has} no label file ({names}): taken as without objects")
    lost = sorted(set(source.all_labels) - set(labels))
    if lost:
        has = counted(len(lost), "label file has", "label files have")
        notes.append(f"{has} no image ({some([path.name for path in lost])}): left out")
    return notes
