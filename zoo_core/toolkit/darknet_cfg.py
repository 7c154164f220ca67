"""Darknet's `.cfg`: sections of options, with the line each of them stands on.

The grammar is that of AlexeyAB/darknet at 59596d78 (`option_list.c`, `parser.c`): blanks are
dropped wherever they stand, a line is split at its first '=', lines that start with '#' or ';' are
comments, and of an option given twice the first counts. A line that is none of these is left out;
`Cfg.warnings` tells. One thing differs: between two numbers of a list a blank stands for a comma,
where darknet joins the digits.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from zoo_core.errors import DataError, UsageError, did_you_mean, some
from zoo_core.system.files import kind_of, read_head

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

T = TypeVar("T")

_ALIASES = {
    "network": "net",
    "conv": "convolutional",
    "conn": "connected",
    "max": "maxpool",
    "local_avg": "local_avgpool",
    "avg": "avgpool",
    "lrn": "normalization",
    "soft": "softmax",
    "silence": "empty",
}
_KINDS = frozenset(
    {
        *("activation", "avgpool", "batchnorm", "connected", "contrastive", "conv_lstm"),
        *("convolutional", "cost", "crnn", "crop", "detection", "dropout", "empty"),
        *("Gaussian_yolo", "gru", "history", "implicit", "local", "local_avgpool", "lstm"),
        *("maxpool", "net", "normalization", "region", "reorg", "reorg3d", "rnn", "route"),
        *("sam", "scale_channels", "shortcut", "softmax", "upsample", "yolo"),
    }
)
_GAP = re.compile(r"(?<=[\d.])[ \t]+(?=[-+.\d])")
_HEADER = re.compile(r"\[([^\[\]]*)\]$")
_MOST_BYTES = 4 << 20
_SHOWN = 30
_STRAY = "no key=value, left out as darknet does"
_JOINED = "a blank between two numbers is read as a comma, where darknet joins the digits"
_NEXT = "give the .cfg that belongs to the .weights"


@dataclass(frozen=True, slots=True)
class Option:
    """An option's text and its 1-based line."""

    text: str
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One section: `kind` is darknet's long name without brackets, `index` that of the layer.

    The first section, [net], has index -1. Getters raise `UsageError` naming file, line and
    layer for text that is not what they return; an absent option takes `default`, or is an error
    where there is none.
    """

    kind: str
    index: int
    line: int
    file: str
    options: Mapping[str, Option]

    def integer(self, key: str, default: int | None = None) -> int:
        """A whole number; "2" and "2.0" alike."""
        return self._get(key, default, _integer, "a whole number")

    def number(self, key: str, default: float | None = None) -> float:
        """A finite real number."""
        return self._get(key, default, _number, "a number")

    def text(self, key: str, default: str | None = None) -> str:
        """A word."""
        return self._get(key, default, str, "a word")

    def integers(self, key: str, default: tuple[int, ...] | None = None) -> tuple[int, ...]:
        """Whole numbers between commas."""
        return self._get(key, default, lambda text: _items(text, _integer), "whole numbers")

    def numbers(self, key: str, default: tuple[float, ...] | None = None) -> tuple[float, ...]:
        """Real numbers between commas."""
        return self._get(key, default, lambda text: _items(text, _number), "numbers")

    def where(self, key: str | None = None) -> str:
        """`file:line` of an option, or of the section's header."""
        option = self.options.get(key) if key else None
        return f"{self.file}:{option.line if option else self.line}"

    def error(self, what: str, key: str | None = None, next_step: str = "") -> UsageError:
        """An error about this section that names file, line and layer."""
        layer = f"layer {self.index} [{self.kind}]" if self.index >= 0 else f"[{self.kind}]"
        return UsageError(f"{layer}: {what}", where=self.where(key), next=next_step)

    def _get(self, key: str, default: T | None, convert: Callable[[str], T], what: str) -> T:
        option = self.options.get(key)
        if option is None:
            if default is None:
                raise self.error(f"'{key}' is missing")
            return default
        try:
            return convert(option.text)
        except ValueError:
            raise self.error(f"'{key}={option.text}' is not {what}", key) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cfg:
    """A parsed cfg: [net], and the layers in order (`layers[i].index == i`).

    `warnings` says which lines were left out, and which were read in another way than darknet does.
    """

    file: str
    net: Section
    layers: tuple[Section, ...]
    warnings: tuple[str, ...] = ()

    @property
    def height(self) -> int:
        """The network input's height in pixels, as the cfg states it."""
        return self._extent("height")

    @property
    def width(self) -> int:
        """The network input's width in pixels, as the cfg states it."""
        return self._extent("width")

    @property
    def channels(self) -> int:
        """The network input's number of channels."""
        return self._extent("channels")

    def _extent(self, key: str) -> int:
        value = self.net.integer(key)
        if not 0 < value <= 1 << 16:
            raise self.net.error(f"'{key}={value}' is out of range", key)
        return value


def read_cfg(path: Path) -> Cfg:
    """Parse a file; raises `DataError` where it is missing or no text, else as `parse_cfg`."""
    content = read_head(path, _MOST_BYTES + 1)
    kind = kind_of(content)
    if kind is None and (b"\0" in content or len(content) > _MOST_BYTES):
        kind = "not a text of darknet's size"
    if kind is not None:
        what = f"is {kind}, where a darknet .cfg is expected"
        raise DataError(what, where=str(path), next=_NEXT)
    return parse_cfg(content.decode("utf-8", errors="replace"), path.name)


def parse_cfg(text: str, where: str) -> Cfg:
    """Sections of a cfg; `where` names the file in errors, which are all `UsageError`."""
    sections: list[Section] = []
    options: dict[str, Option] = {}
    odd: dict[str, list[str]] = {}
    for number, raw in enumerate(text.splitlines(), start=1):
        line, gaps = _meaningful(raw)
        if not line:
            continue
        place = f"{where}:{number}"
        if line.startswith("["):
            options = {}
            index = len(sections) - 1
            kind = _kind(line, index, place)
            section = Section(kind=kind, index=index, line=number, file=where, options=options)
            sections.append(section)
        elif not sections:
            raise UsageError("an option before the first section", where=place)
        else:
            key, _, value = line.partition("=")
            if not (key and value):
                odd.setdefault(_STRAY, []).append(f"{number} '{raw.strip()[:_SHOWN]}'")
                continue
            if gaps:
                odd.setdefault(_JOINED, []).append(f"{number} '{key[:_SHOWN]}'")
            options.setdefault(key, Option(value, number))
    if len(sections) < 2:
        raise UsageError("is not a darknet cfg: it has no [net] and layers", where=where)
    warnings = tuple(at_lines(where, what, lines) for what, lines in odd.items())
    return Cfg(file=where, net=sections[0], layers=tuple(sections[1:]), warnings=warnings)


def at_lines(file: str, what: str, lines: Sequence[int | str]) -> str:
    """A sentence about lines of a file: their number, and the first three."""
    return f"{file}: {what}: line{'' if len(lines) == 1 else 's'} {some(lines)}"


def _meaningful(raw: str) -> tuple[str, int]:
    """A line without blanks and comment, and how many blanks between numbers became commas."""
    plain = re.split("[#;]", raw.lstrip("\ufeff"), maxsplit=1)[0]
    closed, gaps = _GAP.subn(",", plain) if "=" in plain and "," in plain else (plain, 0)
    return "".join(closed.split()), gaps


def _kind(line: str, index: int, place: str) -> str:
    match = _HEADER.match(line)
    if match is None:
        raise UsageError(f"'{line}' is not a section header", where=place, next="write [name]")
    name = match[1]
    kind = _ALIASES.get(name, name)
    layer = f"layer {index}" if index >= 0 else "the first section"
    if kind not in _KINDS:
        hint = did_you_mean(name, _KINDS)
        raise UsageError(f"{layer}: unknown type [{name}]", where=place, next=hint)
    if (kind == "net") != (index < 0):
        raise UsageError(f"{layer} is [{name}]; [net] comes first, and once", where=place)
    return kind


def _integer(text: str) -> int:
    value = float(text)
    if not value.is_integer():
        raise ValueError(text)
    return int(value)


def _number(text: str) -> float:
    value = float(text)
    if value - value != 0:
        raise ValueError(text)
    return value


def _items(text: str, convert: Callable[[str], T]) -> tuple[T, ...]:
    return tuple(convert(item) for item in text.split(",") if item)
