"""One annotation file of Pascal VOC, parsed without entities."""

from __future__ import annotations

import math
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from zoo_core.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping

_CORNERS = ("xmin", "ymin", "xmax", "ymax")
_FLAGS: Mapping[str, bool] = {
    "": False,
    "0": False,
    "false": False,
    "unspecified": False,
    "1": True,
    "true": True,
}
_SIDE = re.compile("0*[1-9][0-9]{0,8}")
_ENCODING = re.compile(rb"<\?xml[^>]{0,99}?encoding=[\"']([A-Za-z0-9._-]{1,40})[\"']")
_CODECS = {
    **dict.fromkeys(("gb2312", "gbk", "cp936", "gb18030"), "gb18030"),
    **{name: name for name in ("big5", "shift_jis", "cp932", "euc-jp", "euc-kr", "cp949")},
}
_FAR = 1e9
_MEND = "correct that file"


@dataclass(frozen=True, slots=True)
class VocObject:
    """An object as it is written: `corners` are xmin, ymin, xmax and ymax."""

    name: str
    corners: tuple[float, float, float, float]
    difficult: bool


@dataclass(frozen=True, slots=True)
class VocFile:
    """`filename` is the image's own name; `size` is (height, width), None where it is not stated.

    `database` is the name of the set that the file is of.
    """

    filename: str
    size: tuple[int, int] | None
    database: str
    objects: tuple[VocObject, ...]


def read_voc(data: bytes, where: str) -> VocFile:
    """The annotation of one image; raises `DataError` with file and object."""
    root = _parse(data, where)
    if root.tag != "annotation":
        what = f"is not a Pascal VOC annotation: its root is <{root.tag[:40]}>, not <annotation>"
        raise DataError(what, where=where, next="leave other XML files out of the folder")
    return VocFile(
        filename=_text(root, "filename").replace("\\", "/").rpartition("/")[2],
        size=_size(root, where),
        database=_text(root, "source/database"),
        objects=tuple(
            _object(row, f"{where}: object {number}")
            for number, row in enumerate(root.findall("object"), start=1)
        ),
    )


def _parse(data: bytes, where: str) -> Element:
    """A document type may define entities that unfold without end; annotations have none."""

    def refuse(*_: object) -> None:
        what = "has a document type (<!DOCTYPE>), which annotations do not need"
        raise DataError(what, where=where, next="remove it")

    builder = TreeBuilder()
    data, encoding = _known_to_expat(data)
    parser = expat.ParserCreate(encoding)
    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise DataError(f"is not XML: {error}", where=where, next=_MEND) from error
    return builder.close()


def _known_to_expat(data: bytes) -> tuple[bytes, str | None]:
    """UTF-8, with its name, of a file that declares one of the encodings that expat lacks."""
    told = _ENCODING.match(data)
    codec = _CODECS.get(told[1].decode().lower()) if told else None
    with suppress(ValueError):
        return (data.decode(codec).encode(), "utf-8") if codec else (data, None)
    return data, None


def _text(element: Element, path: str) -> str:
    return " ".join((element.findtext(path) or "").split())


def _size(root: Element, where: str) -> tuple[int, int] | None:
    sides = [_text(root, f"size/{side}") for side in ("height", "width")]
    if all(side in ("", "0") for side in sides):
        return None
    if not all(
        side.isascii() and side.isdecimal() and len(side) < 9 and int(side) for side in sides
    ):
        what = f"has a size of width '{sides[1][:20]}' and height '{sides[0][:20]}'"
        raise DataError(what, where=where, next="correct <size>, or remove it")
    return int(sides[0]), int(sides[1])


def _object(row: Element, where: str) -> VocObject:
    name = _text(row, "name")
    if not name:
        raise DataError("has no <name>", where=where, next=_MEND)
    box = row.find("bndbox")
    if box is None:
        what = f"'{name[:40]}' has no <bndbox>"
        raise DataError(what, where=where, next="write its box, or remove the object")
    left, top, right, bottom = (_number(_text(box, corner), corner, where) for corner in _CORNERS)
    if right < left or bottom < top:
        what = f"'{name[:40]}' has xmax or ymax below xmin or ymin"
        raise DataError(what, where=where, next=_MEND)
    difficult = _FLAGS.get(_text(row, "difficult").lower())
    if difficult is None:
        raise DataError("<difficult> is neither 0 nor 1", where=where, next=_MEND)
    return VocObject(name, (left, top, right, bottom), difficult)


def _number(text: str, corner: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not -_FAR < value < _FAR:
        raise DataError(f"<{corner}> is '{text[:20]}', not a number", where=where, next=_MEND)
    return value
