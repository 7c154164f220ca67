"""Where the images, label files and class names of a YOLO data set are.

The annotations may be a data.yaml of Ultralytics, a .data file of darknet, a list of images, or a
folder of label files.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo_coco.forms.files import (
    MOST_BYTES,
    MOST_LIST_BYTES,
    absolute,
    below,
    images_below,
    is_there,
)
from zoo_core.errors import DataError, RegistryError, UsageError, counted, some
from zoo_core.toolkit.files import read_text, yaml_texts
from zoo_core.toolkit.image_files import common_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from zoo_core.api import DataRequest

YAML = (".yaml", ".yml")
SPLITS = ("val", "test")
"""Splits of a data.yaml that are evaluated; the first one that it has."""

_MOST_YAML_BYTES = 256 << 10
_FIRST = ("../", "data/")
"""Folders that exporters write before a path though it begins in the folder of the file."""

_NO_VALUE = ("", "~", "null")
_IMAGE_FOLDERS = ("images", "JPEGImages")
_NAMES_FILES = ("classes.txt", "data.yaml", "dataset.yaml", "obj.names", "classes.names")
_NO_LABELS = {*_NAMES_FILES, "train.txt", "val.txt", "valid.txt", "test.txt", "README.txt"}
_LISTED = "give a data.yaml, or a folder of label files with a classes.txt beside it"


@dataclass(frozen=True, slots=True)
class YoloSource:
    """The images below `folder`, and the places of each one's label file, the first one first.

    `points` is the number of values that follow each box; `all_labels` are the label files of the
    set where these are known.
    """

    folder: Path
    images: tuple[Path, ...]
    labels_of: Callable[[Path], Sequence[Path]]
    names: Mapping[int, str]
    points: int = 0
    all_labels: tuple[Path, ...] = ()
    warnings: tuple[str, ...] = ()


def yolo_source(request: DataRequest) -> YoloSource:
    """What the request's annotations say; raises `UsageError` and `DataError`."""
    if request.annotations is None:
        raise UsageError("needs labels", next="give --annotations data.yaml, or a folder of labels")
    place = absolute(request.annotations)
    if place.is_dir():
        inside = yaml_in(place)
        return _from_yaml(inside, request) if inside else _from_folder(place, request)
    if place.suffix.lower() in YAML:
        return _from_yaml(place, request)
    if place.suffix.lower() == ".data":
        return _from_darknet(place, request)
    return _from_list(place, request.labels, [], request)


def yaml_in(folder: Path) -> Path | None:
    """The data.yaml in a folder, None where there is none."""
    return _first(folder / f"data{suffix}" for suffix in YAML)


def labels_beside(image: Path) -> list[Path]:
    """Where an image's label file may be: the last folder `images` becomes `labels`; or beside."""
    beside = image.with_suffix(".txt")
    parts = list(beside.parts)
    for at in range(len(parts) - 2, 0, -1):
        if parts[at] in _IMAGE_FOLDERS:
            return [Path(*parts[:at], "labels", *parts[at + 1 :]), beside]
    return [beside]


def _from_yaml(path: Path, request: DataRequest) -> YoloSource:
    data = _yaml(path)
    names = _yaml_names(path, data) or dict(enumerate(request.labels))
    if not names:
        raise _nameless(path, "add `names` to it, or give --names FILE")
    points = _points(data, path)
    split = next((key for key in SPLITS if _entries(data, key, path)), None)
    own = absolute(request.images) if request.images else None
    if own is None and split is None and not _entries(data, "train", path):
        images = images_below(path.parent)
        every = f"all {counted(len(images), 'image')} in its folder"
        notes = [f"{path.name} names no split: {every} were taken"]
        folder = path.parent
        return YoloSource(folder, tuple(images), labels_beside, names, points, (), tuple(notes))
    if own is None and split is None:
        what = f"names no images to evaluate: neither {' nor '.join(SPLITS)}"
        raise DataError(what, where=str(path), next="add one, or give --images DIR")
    images, notes = [], []
    if split and (own is None or _is_found(data, split, path)):
        images, notes = _split_images(data, split, path)
    inside = [image for image in images if own is None or image.is_relative_to(own)]
    if own and not inside:
        return YoloSource(own, tuple(images_below(own)), labels_beside, names, points)
    others = [key for key in ("train", *SPLITS) if key != split and _entries(data, key, path)]
    more = f"; for {' or '.join(others)} give --images DIR" if others else ""
    what = f"the split '{split}' of {path.name} was taken, {counted(len(inside), 'image')}"
    folder = own or common_folder(inside)
    notes = [f"{what}{more}", *notes]
    return YoloSource(folder, tuple(inside), labels_beside, names, points, warnings=tuple(notes))


def _from_darknet(path: Path, request: DataRequest) -> YoloSource:
    pairs = [
        line.partition("=") for line in read_text(path, MOST_BYTES).splitlines() if "=" in line
    ]
    values = {key.strip(): value.strip() for key, _, value in pairs}
    key = next((key for key in ("valid", "val") if key in values), None)
    if key is None:
        step = "add `valid = FILE`, a list of images, or give the folder of labels"
        raise DataError("names no list of images to evaluate", where=str(path), next=step)
    listed = _existing(values[key], path, key)
    labels = request.labels
    if "names" in values:
        labels = tuple(_text_names(_existing(values["names"], path, "names")).values())
    return _from_list(listed, labels, _bases(path), request)


def _from_list(
    path: Path, labels: Sequence[str], bases: Sequence[Path], request: DataRequest
) -> YoloSource:
    names = dict(enumerate(labels)) or _names_near([path.parent])
    if not names:
        raise _nameless(path, "give --names FILE")
    images = _unique(_listed(path, [*bases, *_bases(path)]))
    own = absolute(request.images) if request.images else None
    if own and not all(image.is_relative_to(own) for image in images):
        what = f"lists images outside of {own}"
        raise DataError(what, where=str(path), next="leave out --images")
    return YoloSource(own or common_folder(images), tuple(images), labels_beside, names)


def _from_folder(place: Path, request: DataRequest) -> YoloSource:
    images_at = absolute(request.images) if request.images else _images_of(place)
    images = images_below(images_at)
    near = [place, place.parent]
    if place.parent.name == "labels":
        near.append(place.parent.parent)
    names = _names_near(near) or dict(enumerate(request.labels))
    if not names:
        raise _nameless(place, "write one per line to classes.txt there, or give --names FILE")

    def labels_of(image: Path) -> list[Path]:
        same = place / image.relative_to(images_at).with_suffix(".txt")
        return [same, *(path for path in labels_beside(image) if path.is_relative_to(place))]

    texts = [path for path in below(place) if path.suffix.lower() == ".txt"]
    labels = tuple(sorted(path for path in texts if path.name not in _NO_LABELS))
    return YoloSource(images_at, tuple(images), labels_of, names, all_labels=labels)


def _images_of(labels: Path) -> Path:
    """The folder of the images of a folder of labels: the last `labels` becomes `images`."""
    parts = labels.parts
    if "labels" in parts:
        at = len(parts) - 1 - parts[::-1].index("labels")
        found = Path(*parts[:at], "images", *parts[at + 1 :])
        return found if found.is_dir() else labels
    return labels


def _yaml(path: Path) -> dict[str, Any]:
    """Its keys, with every scalar as it is written: a class `no` is not a truth value."""
    try:
        data = yaml_texts(read_text(path, _MOST_YAML_BYTES), str(path))
    except RegistryError as error:
        raise DataError(error.what, where=error.where, next=error.next or _LISTED) from error
    if not isinstance(data, dict):
        raise DataError("is not a data.yaml: no keys at its top", where=str(path), next=_LISTED)
    return data


def _yaml_names(path: Path, data: Mapping[str, Any]) -> dict[int, str]:
    names = data.get("names")
    if isinstance(names, str):
        return {} if names in _NO_VALUE else _text_names(_existing(names, path, "names"))
    if isinstance(names, list):
        names = {str(index): name for index, name in enumerate(names)}
    known = {} if names is None else names
    if not all(key.isdecimal() and len(key) < 7 for key in known):
        what = f"names a class by {some(list(map(repr, known)))}, not a number"
        raise DataError(what, where=str(path), next="write `0: person`, or a list of names")
    if not all(isinstance(name, str) and name.strip() for name in known.values()):
        raise DataError(
            "names a class that is not a string", where=str(path), next="correct `names`"
        )
    count = data.get("nc", str(len(known)))
    if known and count != str(len(known)):
        what = f"says nc: {str(count)[:20]}, but names {len(known)} classes"
        raise DataError(what, where=str(path), next="correct nc or names")
    return {int(key): name.strip() for key, name in known.items()}


def _text_names(path: Path) -> dict[int, str]:
    lines = [line.strip() for line in read_text(path, MOST_BYTES).rstrip().splitlines()]
    if "" in lines:
        where = f"{path}:{lines.index('') + 1}"
        raise DataError("a class has no name", where=where, next="remove the blank line")
    return dict(enumerate(lines))


def _points(data: Mapping[str, Any], path: Path) -> int:
    shape = data.get("kpt_shape")
    if shape is None:
        return 0
    if isinstance(shape, list) and all(isinstance(n, str) and n.isdecimal() for n in shape):
        counts = [int(number[:6]) for number in shape]
        if len(counts) == 2:
            return counts[0] * counts[1]
    raise DataError("kpt_shape is not two numbers", where=str(path), next="write [17, 3]")


def _entries(data: Mapping[str, Any], key: str, path: Path) -> list[str]:
    """The paths of a split: one, or a list of them."""
    value = data.get(key)
    if value is None or value in _NO_VALUE:
        return []
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(item, str) and item for item in values):
        what = f"its {key} is neither a path nor a list of paths"
        raise DataError(what, where=str(path), next=f"write `{key}: images/{key}`")
    return values


def _split_images(data: Mapping[str, Any], split: str, path: Path) -> tuple[list[Path], list[str]]:
    """The images of a split, and what was assumed to find them.

    As in Ultralytics: relative to `path`, and where nothing is there, without a leading `../`. A
    `path` that is not there, as of another machine, is the folder of the data.yaml.
    """
    stated, own = _roots(data, path)
    images: list[Path] = []
    notes = []
    for entry in _entries(data, split, path):
        place = _first(_tried(entry, stated))
        if place is None:
            place = _existing(entry, path, split, [*stated, own])
            what = f"'path: {data.get('path')}' of {path.name} is not there"
            notes = [f"{what}: {own} was taken for it"]
        is_folder = place.is_dir()
        images += images_below(place) if is_folder else _listed(place, [place.parent, *stated])
    return _unique(images), notes


def _is_found(data: Mapping[str, Any], split: str, path: Path) -> bool:
    stated, own = _roots(data, path)
    return all(_first(_tried(entry, [*stated, own])) for entry in _entries(data, split, path))


def _roots(data: Mapping[str, Any], path: Path) -> tuple[list[Path], Path]:
    """What a split is relative to, by what the file says; and the folder of the file."""
    stated = data.get("path")
    root = stated if isinstance(stated, str) and stated not in _NO_VALUE else ""
    return [absolute(base / root) for base in (path.parent, Path.cwd())], path.parent


def _tried(entry: str, bases: Sequence[Path]) -> list[Path]:
    words = entry.replace("\\", "/")
    shorter = [words.removeprefix(first) for first in _FIRST if words.startswith(first)]
    return [absolute(base / word) for word in (words, *shorter) for base in bases]


def _existing(entry: str, path: Path, key: str, bases: Sequence[Path] = ()) -> Path:
    """What a key of the file at `path` names, below one of the folders, else below its own."""
    tried = _tried(entry, bases or _bases(path))
    found = _first(tried)
    if found is None:
        what = f"its {key} '{entry[:200]}' is not there"
        step = f"looked for {str(tried[0])[:200]}; correct the path, or give --images DIR"
        raise DataError(what, where=str(path), next=step)
    return found


def _listed(path: Path, bases: Sequence[Path]) -> list[Path]:
    """The images that a text file lists, one per line.

    Relative ones are below the first of the folders that has the first of them.
    """
    lines = [line.strip() for line in read_text(path, MOST_LIST_BYTES).splitlines()]
    entries = [line for line in lines if line]
    if not entries:
        raise DataError("lists no image", where=str(path), next="write one image per line")
    # One place for all of them: the one where the first image is.
    tried = [_tried(entry, bases) for entry in entries]
    at = next((at for at, image in enumerate(tried[0]) if is_there(image)), 0)
    images = [paths[at] if at < len(paths) else paths[0] for paths in tried]
    missing = [image for image in images if not is_there(image)]
    if missing:
        what = f"{len(missing)} of {len(images)} images that {path.name} lists are missing"
        step = "complete the folder, or correct the list"
        raise DataError(what, where=str(missing[0])[:200], next=step)
    return images


def _bases(path: Path) -> list[Path]:
    """What relative paths in a file may be relative to: its folder, and the current one."""
    return list(dict.fromkeys([path.parent, Path.cwd(), path.parent.parent]))


def _names_near(folders: Iterable[Path]) -> dict[int, str]:
    for folder in folders:
        for name in _NAMES_FILES:
            path = folder / name
            if path.is_file():
                is_yaml = path.suffix in YAML
                names = _yaml_names(path, _yaml(path)) if is_yaml else _text_names(path)
                if names:
                    return names
    return {}


def _nameless(place: Path, step: str) -> DataError:
    return DataError("has no class names", where=str(place), next=step)


def _first(paths: Iterable[Path]) -> Path | None:
    return next((path for path in paths if is_there(path)), None)


def _unique(images: Iterable[Path]) -> list[Path]:
    return list(dict.fromkeys(images))
