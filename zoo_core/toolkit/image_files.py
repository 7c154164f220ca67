"""The image files of data sets: those that an annotation file lists, and those of folders."""

from __future__ import annotations

import os
import re
from collections import Counter
from dataclasses import dataclass
from glob import has_magic
from pathlib import Path
from typing import TYPE_CHECKING
from unicodedata import normalize
from urllib.parse import unquote

from zoo_core.errors import DataError, some
from zoo_core.system.file_names import OWN_FILES
from zoo_core.system.files import read_text
from zoo_core.vision import image_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

IMAGE_SUFFIXES = frozenset(
    f".{name}"
    for name in (
        *("jpg", "jpeg", "jpe", "jfif", "mpo", "png", "bmp", "webp", "gif", "jp2"),
        *("tif", "tiff", "ppm", "pgm", "pbm", "pnm"),
    )
)
"""Name endings that count as images, in lower case."""

_BESIDE = frozenset(
    f".{name}"
    for name in (
        *("txt", "xml", "json", "csv", "tsv", "yaml", "yml", "md", "log", "cache"),
        *("npy", "npz", "names", "data", "zip", "db", "ini"),
    )
)
"""Endings of files that lie beside images and that nobody takes for one."""

_VIDEO = frozenset({".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv"})
_RAW = frozenset({".dng", ".nef", ".cr2", ".cr3", ".arw", ".orf", ".rw2", ".raf", ".pef"})
"""Raw files of cameras: some begin as a TIFF does, which holds a thumbnail."""

_LIST_SUFFIX = ".txt"
_UPLOAD = re.compile(r"^[0-9a-f]{8}-(?=.)")
"""What Label Studio puts before the name of a file that was uploaded."""


def is_image(path: Path) -> bool:
    """Whether a file's name ends as an image's does; hidden files do not count."""
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")


@dataclass(frozen=True, slots=True)
class ImageFiles:
    """Image files in order, their names relative to one folder, and what must be said of them."""

    paths: list[Path]
    names: list[str]
    warnings: tuple[str, ...] = ()


def find_images(folder: Path, listed: Sequence[str], where: str) -> ImageFiles:
    """The file below `folder` of each name that an annotation file `where` lists.

    `listed` are relative names without ".." (`ListedImage.name`). A name is where it says, or, if
    it holds `%20` and the like or Label Studio's prefix, where the plain name says, or there in
    other case or another form of its accents. If no name of the file is where it says, the ends of
    the names are tried, then file names that are unique below the folder. No other folder is read.

    Raises `DataError` where images are missing, not unique, or would be one file for two names.
    """
    finder = _Finder(folder, any(_is_file(folder / name) for name in listed))
    rows = [finder.find(name) for name in listed]
    missing = [name for name, row in zip(listed, rows, strict=True) if row is None]
    if missing:
        raise _missing(folder, listed, missing, where)
    found = [row for row in rows if row is not None]
    owners: dict[str, str] = {}
    for (name, _), own in zip(found, listed, strict=True):
        if owners.setdefault(name, own) != own:
            raise DataError(
                f"'{owners[name]}' and '{own}' are both {name} in {folder}",
                where=where,
                next="give --images the folder that holds their folders",
            )
    names = [name for name, _ in found]
    warnings = []
    for rule in dict.fromkeys(rule for _, rule in found if rule):
        pairs = [(own, row[0]) for own, row in zip(listed, found, strict=True) if row[1] == rule]
        own, name = pairs[0]
        warnings.append(
            f"{len(pairs)} of {len(listed)} images were found {rule}: file_name '{own}' is {name} "
            f"in {folder}"
        )
    return ImageFiles([folder / name for name in names], names, tuple(warnings))


class _Finder:
    """Finds listed names below a folder, each by the first rule that fits."""

    def __init__(self, folder: Path, exact: bool) -> None:
        """`exact` is whether some names are where they say: then no other place is looked at."""
        self._folder, self._exact = folder, exact
        self._tree: dict[str, list[str]] | None = None

    def find(self, name: str) -> tuple[str, str] | None:
        """The file's name relative to the folder, and the rule that found it ("": as it says)."""
        readings = list(_readings(name))
        for rule, reading in readings:
            if _is_file(self._folder / reading):
                return reading, rule
        plain = [reading for _, reading in readings]
        if self._exact:
            return self._respelled(plain)
        return None if any(map(self._is_beside, plain)) else self._elsewhere(name, plain)

    def _elsewhere(self, name: str, readings: Sequence[str]) -> tuple[str, str] | None:
        """The file that the end of a path names, else the only one of that name."""
        for reading in readings:
            parts = reading.split("/")
            for start in range(1, len(parts)):
                end = "/".join(parts[start:])
                if _is_file(self._folder / end):
                    return end, "by the end of their path"
        for reading in readings:
            same = self._named_as(reading)
            if len(same) > 1:
                raise DataError(
                    f"holds {len(same)} files of the name that '{name}' could be: {some(same)}",
                    where=str(self._folder),
                    next="give --images the folder that the file_names begin in",
                )
            if same:
                return same[0], "by their file name"
        return None

    def _respelled(self, readings: Sequence[str]) -> tuple[str, str] | None:
        """The file of an absolute path in the folder, or of one equal but for case and accents."""
        own = self._folder.as_posix().strip("/") + "/"
        for reading in readings:
            end = reading.removeprefix("file:/").removeprefix(own)
            if end != reading and _is_file(self._folder / end):
                return end, "by their whole path"
        for reading in readings:
            same = [path for path in self._named_as(reading) if _key(path) == _key(reading)]
            if len(same) == 1:
                return same[0], "in another spelling (case, or form of accents)"
        return None

    def _is_beside(self, name: str) -> bool:
        """Whether the name is that of a file in a folder beside this one."""
        whole = self._folder.parent / name
        if not _is_file(whole):
            return False
        place = whole.parent.resolve()  # the file itself may be a link to anywhere
        return self._folder.resolve() not in (place, *place.parents)

    def _named_as(self, name: str) -> list[str]:
        """The files of this name below the folder whose path agrees with the most of `name`."""
        if self._tree is None:
            self._tree = {}
            for path in walk(self._folder).files:
                self._tree.setdefault(_key(path.rpartition("/")[2]), []).append(path)
        same = self._tree.get(_key(name.rpartition("/")[2]), [])
        wanted = _key(name).split("/")[::-1]
        agreed = [_common(wanted, _key(path).split("/")[::-1]) for path in same]
        return [path for path, count in zip(same, agreed, strict=True) if count == max(agreed)]


def _is_file(path: Path) -> bool:
    """Whether it is a file; a name that no file can have is none."""
    return os.path.isfile(path)  # noqa: PTH113 - Path.is_file raises OSError for some names


def _is_dir(path: Path) -> bool:
    return os.path.isdir(path)  # noqa: PTH112


def _readings(name: str) -> Iterator[tuple[str, str]]:
    """What a listed name may stand for, with the rule that says so."""
    yield "", name
    plain = unquote(name.partition("?d=")[2] or name).strip("/")
    if plain != name and ".." not in plain.split("/") and "\0" not in plain:
        yield "by reading % as a web address does", plain
    base, slash, last = plain.rpartition("/")
    if _UPLOAD.match(last) and ".." not in base.split("/"):
        yield "without the prefix of Label Studio", base + slash + _UPLOAD.sub("", last)


def _key(name: str) -> str:
    """What is equal for two spellings of a name: case, and the composition of accents."""
    return normalize("NFC", name).casefold()


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    pairs = zip(one, other, strict=False)
    return next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def _missing(folder: Path, listed: Sequence[str], missing: Sequence[str], where: str) -> DataError:
    if len(missing) < len(listed):
        return DataError(
            f"{len(missing)} of {len(listed)} images that {Path(where).name} lists are missing",
            where=str(folder / missing[0]),
            next="complete the folder, or give the annotation file of these images",
        )
    step = "give the annotation file of these images"
    if _is_file(folder.parent / listed[0]):
        step = f"give --images {folder.parent}: its {listed[0]} is there"
    return DataError(
        f"is the annotation of another data set: none of its {len(listed)} images "
        f"({listed[0]}, ...) is in {folder}",
        where=where,
        next=step,
    )


@dataclass(frozen=True, slots=True)
class Tree:
    """What lies below a folder, as names relative to it with "/": image files in order, the rest.

    `others` are further files, `skipped` folders that were not entered: zoo's own results, and
    links. Nothing hidden counts.
    """

    files: list[str]
    others: list[str]
    skipped: list[str]


def walk(folder: Path) -> Tree:
    """The images in a folder and its sub-folders; raises `DataError` for one that is unreadable."""
    files: list[str] = []
    others: list[str] = []
    skipped: list[str] = []
    waiting = [""]
    while waiting:
        base = waiting.pop()
        try:
            entries = list(os.scandir(folder / base))
        except OSError as error:
            place = str(folder / base)
            raise DataError(f"cannot be read: {error.strerror}", where=place) from error
        if base and any(entry.name == OWN_FILES for entry in entries):
            skipped.append(base)
            continue
        for entry in entries:
            if entry.name.startswith("."):
                continue
            name = f"{base}/{entry.name}" if base else entry.name
            if entry.is_dir(follow_symlinks=False):
                waiting.append(name)
            elif entry.is_dir():
                skipped.append(name)
            else:
                is_one = entry.is_file() and is_image(Path(name))
                (files if is_one else others).append(name)
    return Tree(sorted(files), sorted(others), sorted(skipped))


def gather_images(places: Sequence[Path]) -> ImageFiles:
    """The images that files, folders, lists of paths (.txt) and patterns (`*`) name, in order.

    Folders are searched with their sub-folders. Names are relative to the folder, or to the one
    that all images share. Raises `DataError` for a place that is missing or holds no image.
    """
    found: list[Path] = []
    warnings: list[str] = []
    places = [_direct(place.expanduser().absolute()) for place in places]
    for place in places:
        paths, others = _images_of(place)
        found += paths
        warnings += others
    paths = list(dict.fromkeys(found))
    folder = places[0]
    if len(places) > 1 or not _is_dir(folder):
        folder = common_folder(paths)
    names = [path.relative_to(folder).as_posix() for path in paths]
    return ImageFiles(paths, names, tuple(warnings))


def _direct(place: Path) -> Path:
    """The same place without "..", so that what is named twice is found once."""
    if ".." not in place.parts:
        return place
    return place.resolve() if place.name == ".." else place.parent.resolve() / place.name


def common_folder(paths: Sequence[Path]) -> Path:
    """The innermost folder that holds all of the files."""
    return Path(os.path.commonpath([path.parent for path in paths]))


def _images_of(place: Path) -> tuple[list[Path], list[str]]:
    """The images of one place, and what was left out."""
    if _is_dir(place):
        tree = walk(place)
        if not tree.files:
            raise _no_image("holds no image", place, tree.others)
        return [place / name for name in tree.files], list(_left_out(place, tree))
    if _is_file(place):
        listed = place.suffix.lower() == _LIST_SUFFIX
        return (_listed_paths(place), []) if listed else ([_one_image(place)], [])
    if has_magic(str(place)):
        # A folder that is there is no pattern, whatever its name holds.
        root = next(filter(_is_dir, place.parents))
        matches = [p for p in sorted(root.glob(str(place.relative_to(root)))) if not _is_dir(p)]
        images = [path for path in matches if is_image(path) and _is_file(path)]
        others = [path.name for path in matches if path not in set(images)]
        if not matches:
            raise DataError("matches no file", where=str(place), next=f"looked in {root}")
        if not images:
            raise _no_image("matches no image", place, others)
        return images, list(_left_out(place, Tree([], others, [])))
    step = "check the path"
    if not _is_dir(place.parent):
        step += f": there is no folder {place.parent}"
    raise DataError("no such image or folder", where=str(place), next=step)


def _one_image(path: Path) -> Path:
    """A file that is named: its name may end in any way if it begins as an image does."""
    suffix = path.suffix.lower()
    if suffix in _VIDEO:
        step = f"write its pictures to files: ffmpeg -i {path.name} frames/%06d.png"
        raise DataError("is a video, which zoo does not read", where=str(path), next=step)
    if is_image(path) or (suffix not in _RAW and _is_image_inside(path)):
        return path
    raise _no_image("is not an image by its name", path, [])


def _is_image_inside(path: Path) -> bool:
    try:
        return bool(image_size(path))
    except DataError:
        return False


def _listed_paths(listing: Path) -> list[Path]:
    """The paths of a text file, one a line, relative to the file's folder or to the current one."""
    lines = [line.strip() for line in read_text(listing).splitlines()]
    names = [line for line in lines if line and not line.startswith("#")]
    paths = []
    for name in names:
        plain = name.strip("\"'").replace("\\", "/")  # as Windows copies a path
        tried = [base / text for text in (name, plain) for base in (listing.parent, Path.cwd())]
        found = next(filter(_is_file, tried), None)
        if found is None:
            raise DataError(
                f"lists a file that is not there: {name[:200]}",
                where=str(listing),
                next="a list holds one path a line, relative to it or to the current folder",
            )
        paths.append(_direct(found))
    if not paths:
        step = "a list holds the path of an image on each line"
        raise DataError("lists no image", where=str(listing), next=step)
    return paths


def unread_files(place: Path, others: Iterable[str]) -> Iterator[str]:
    """The warning, if any, about files of a folder that are not images that zoo reads."""
    unread = [name for name in others if Path(name).suffix.lower() not in _BESIDE]
    if unread:
        yield f"files left out of {place}: {_endings(unread)}"


def _left_out(place: Path, tree: Tree) -> Iterator[str]:
    yield from unread_files(place, tree.others)
    if tree.skipped:
        what = "folders (links, and results of zoo) left out of"
        yield f"{what} {place}: {len(tree.skipped)} ({some(tree.skipped)})"


def _endings(names: Iterable[str]) -> str:
    """How many names end in what, as "3 .dng, 1 .heic"."""
    counts = Counter(Path(name).suffix.lower() or "without an ending" for name in names)
    broken = {suffix: " that are not files (broken links?)" for suffix in IMAGE_SUFFIXES}
    rows = counts.most_common(5)
    return ", ".join(f"{count} {ending}{broken.get(ending, '')}" for ending, count in rows)


def _no_image(what: str, place: Path, others: Sequence[str]) -> DataError:
    known = ", ".join(sorted(suffix.removeprefix(".") for suffix in IMAGE_SUFFIXES))
    but = f"; it has {_endings(others)}" if others else ""
    return DataError(what + but, where=str(place), next=f"known endings: {known}")
