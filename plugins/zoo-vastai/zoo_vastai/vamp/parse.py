"""What vamp prints, read into blocks: strictly as printed, or leniently as a document shows it."""

from __future__ import annotations

import math
import re
import unicodedata
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from zoo_vastai.vamp.block import Latency, VampBlock

if TYPE_CHECKING:
    from collections.abc import Mapping

START = "instances"

_LONGEST = 300
"""Letters of a line of vamp's at most; in longer ones the patterns would search for seconds."""

_UNITS = {
    "number of instances in each device": (START, ""),
    "devices": ("devices", ""),
    "batch size": ("batch", ""),
    "samples": ("samples", ""),
    "forwad time": ("forward_s", "s"),
    "forward time": ("forward_s", "s"),
    "throughput": ("throughput_qps", "qps"),
    "ai utilize": ("ai_utilisation_percent", "%"),
    "temperature": ("temperature_c", "°C"),
    "card power": ("card_power_w", "W"),
    "die memory used": ("die_memory_mb", "MB"),
    "e2e latency": ("queueing_latency", "us"),
    "model latency": ("model_latency", "us"),
}
"""vamp's name -> our field and the unit that vamp prints; `forwad` is its own spelling."""

GROUPS = ("queueing_latency", "model_latency")
COUNTS = ("max_batch", "samples_each_process", "processes")
"""What a banner says that is a whole number."""

WHOLE = (START, "batch", "samples")

_MISPRINTS = {"qp5": "qps"}
_LINE = re.compile(r"^(?P<key>[^:()]+?)\s*(?:\((?P<unit>[^)]*)\))?\s*:(?P<value>.*)$")
_LATENCY = re.compile(r"^(avg|min|max|p\d+(?:\.\d+)?) latency$")
_COMMENT = re.compile(r"^\s*#+\s?")

_BANNER = tuple(
    re.compile(pattern)
    for pattern in (
        r"^\[max_batch_size_\]:\s*(?P<max_batch>\d{1,9})$",
        r"^\[(?:input|output)_count\]:\s*\d+$",
        r"^(?:model input shape \d+|input\[\d+\]):\s*(?P<inputs>\[.*\],\s*dtype:\s*\S+)$",
        r"^output\[\d+\]:\s*(?P<outputs>\[.*\],\s*dtype:\s*\S+)$",
        r"^load model and init graph(?: done|\.*)$",
        r"^\*+ number of instances in each device:\s*\d+ \*+$",
        r"^Inference start time:\s*\[(?P<started>.*)\]$",
        r"^Inference end time:\s*\[(?P<ended>.*)\]$",
        r"^number of samples in each process:\s*(?P<samples_each_process>\d{1,9})$",
        r"^number of process:\s*(?P<processes>\d{1,9})$",
    )
)

_NEEDED = ("devices", "batch", "throughput_qps", "ai_utilisation_percent", "die_memory_mb")
_OF_B = ("samples", "forward_s")
_FENCE = re.compile(r'^\s*(```|~~~|"""|\'\'\')')
_HEADING = re.compile(r"^\s*#+\s*(\S.{0,40}?)\s*$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A field of the block with its value; of a group's title the value is None."""

    name: str
    value: int | float | tuple[int, ...] | None


def read_field(line: str, live: bool) -> Field | None:
    """The field of a line, None where it is none.

    Of live output, names and units must be vamp's own. In a document (`live` false) a comment
    sign, misspelt names, missing blanks and a missing unit are let pass; another unit never is.
    """
    if len(line) > _LONGEST:
        return None
    text = line if live else _COMMENT.sub("", unicodedata.normalize("NFKC", line))
    match = _LINE.match(text.strip().removeprefix("- "))
    if match is None:
        return None
    key, unit, value = match["key"].strip(), match["unit"], match["value"].strip()
    if latency := _LATENCY.match(key):
        return _valued(latency[1], value) if unit is None else None
    known = key if key in _UNITS else None if live else _closest(key)
    if known is None:
        return None
    name, expected = _UNITS[known]
    if not _is_unit(unit, expected, live):
        return None
    if name in GROUPS:
        return Field(name=name, value=None) if not value else None
    return _devices(value) if name == "devices" else _valued(name, value)


def read_banner(line: str) -> dict[str, str] | None:
    """What a line before the block says; {} for one that says nothing worth keeping, else None."""
    if len(line) > _LONGEST:
        return None
    text = _COMMENT.sub("", line).strip()
    for pattern in _BANNER:
        if match := pattern.match(text):
            return {name: value for name, value in match.groupdict().items() if value is not None}
    return None


def _closest(key: str) -> str | None:
    close = get_close_matches(key.lower(), _UNITS, n=1, cutoff=0.85)
    return close[0] if close else None


def _is_unit(unit: str | None, expected: str, live: bool) -> bool:
    if unit is None:
        return not expected or not live
    printed = unit.strip()
    return printed == unicodedata.normalize("NFKC", expected) or (
        not live and _MISPRINTS.get(printed) == expected
    )


def _devices(value: str) -> Field | None:
    match = re.fullmatch(r"\[?\s*(\d{1,9}(?:\s*,\s*\d{1,9})*)\s*\]?", value)
    if match is None:
        return None
    return Field(name="devices", value=tuple(int(part) for part in match[1].split(",")))


def _valued(name: str, value: str) -> Field | None:
    try:
        number = float(value)
    except ValueError:
        return None
    if not math.isfinite(number) or "_" in value or (number < 0 and name != "temperature_c"):
        return None
    if name in WHOLE:
        fits = number.is_integer() and number < 1e15
        return Field(name=name, value=int(number)) if fits else None
    return Field(name=name, value=number)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line (the first is 1) that is not as it should be, and why."""

    number: int
    text: str
    trouble: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VampText:
    """What a text holds: blocks, what was said before them, and lines that fit nowhere.

    `banner` has inputs and outputs (lists of "[3,416,416], dtype:u1"), max_batch, processes,
    samples_each_process, started, ended, as far as they are said. `incomplete` are blocks that
    lack fields; `unknown` are lines of live output, or within a block, that were not understood.
    """

    blocks: tuple[VampBlock, ...]
    banner: Mapping[str, Any] = field(default_factory=dict)
    incomplete: tuple[Line, ...] = ()
    unknown: tuple[Line, ...] = ()


def parse_output(text: str) -> VampText:
    """What vamp itself printed: nothing is let pass, and what is not known is in `unknown`."""
    return _read(text, live=True)


def parse_document(text: str) -> VampText:
    """Blocks in a document or log, which people indent, comment out and misspell.

    Text around the blocks is left alone; a block's heading is the comment line (`# fp16`) next
    above it in the same listing.
    """
    return _read(text, live=False)


@dataclass(slots=True)
class _Draft:
    """A block as far as it was read."""

    line: int
    heading: str | None
    values: dict[str, Any]
    groups: dict[str, dict[str, float]] = field(default_factory=dict)
    group: str | None = None

    def take(self, found: Field) -> bool:
        """Put a field in; False where it does not belong or was said before."""
        if found.name in GROUPS:
            self.group = found.name
            return self.groups.setdefault(found.name, {}) == {}
        if found.name in ("avg", "min", "max") or re.match(r"p\d", found.name):
            return self.group is not None and _put(self.groups[self.group], found)
        self.group = None
        return _put(self.values, found)

    def missing(self) -> list[str]:
        """Names of what every block must have, and this one does not."""
        is_b = any(name in self.values for name in _OF_B)
        needed = (*_NEEDED, *_OF_B) if is_b else _NEEDED
        lacking = [name for name in needed if name not in self.values]
        for group in GROUPS if is_b or self.groups else ():
            names = self.groups.get(group, {})
            lacking += [f"{group} {name}" for name in ("avg", "min", "max") if name not in names]
        return lacking

    def finish(self) -> VampBlock:
        """The block; nothing may be missing."""
        values = self.values
        queueing, model = (_latency(self.groups.get(name)) for name in GROUPS)
        return VampBlock(
            format="B" if "samples" in values else "A",
            instances=values[START],
            devices=values["devices"],
            batch=values["batch"],
            throughput_qps=values["throughput_qps"],
            ai_utilisation_percent=values["ai_utilisation_percent"],
            die_memory_mb=values["die_memory_mb"],
            queueing_latency=queueing,
            model_latency=model,
            heading=self.heading,
            line=self.line,
            samples=values.get("samples"),
            forward_s=values.get("forward_s"),
            temperature_c=values.get("temperature_c"),
            card_power_w=values.get("card_power_w"),
        )


@dataclass(slots=True)
class _Reading:
    """A text as far as it was read."""

    live: bool
    drafts: list[_Draft] = field(default_factory=list)
    open: _Draft | None = None
    heading: str | None = None
    banner: dict[str, Any] = field(default_factory=dict)
    unknown: list[Line] = field(default_factory=list)

    def line(self, number: int, text: str) -> None:
        """Take the next line."""
        if not text.strip():
            return
        found = read_field(text, self.live)
        banner = read_banner(text) if found is None else None
        if banner is not None:
            self._say(banner)
        elif found is not None and found.name == START:
            self.open = _Draft(number, self.heading, {START: found.value})
            self.drafts.append(self.open)
            self.heading = None
        elif found is not None and self.open is not None:
            if not self.open.take(found):
                self._strange(number, text, "said twice or out of place")
        else:
            self._other(number, text)

    def _say(self, banner: Mapping[str, str]) -> None:
        for name, value in banner.items():
            if name in ("inputs", "outputs"):
                self.banner.setdefault(name, []).append(value)
            else:
                self.banner[name] = int(value) if name in COUNTS else value

    def _other(self, number: int, text: str) -> None:
        if self.live:
            self._strange(number, text, "not understood")
            return
        if _FENCE.match(text):
            self.open, self.heading = None, None
        elif self.open is not None and self.open.missing():
            self._strange(number, text, "not understood")
        else:
            self.open = None
        if heading := _HEADING.match(text):
            self.heading = heading[1]

    def _strange(self, number: int, text: str, trouble: str) -> None:
        if not self.live and self.open is not None and not self.open.missing():
            self.open = None
            return
        plain = "".join(letter if letter.isprintable() else " " for letter in text).strip()
        self.unknown.append(Line(number=number, text=plain[:200], trouble=trouble))


def _read(text: str, live: bool) -> VampText:
    reading = _Reading(live)
    for number, line in enumerate(text.splitlines(), 1):
        reading.line(number, line)
    blocks, incomplete = [], []
    for draft in reading.drafts:
        if missing := draft.missing():
            trouble = f"the block lacks {', '.join(missing)}"
            incomplete.append(Line(number=draft.line, text=draft.heading or "", trouble=trouble))
        else:
            blocks.append(draft.finish())
    return VampText(
        blocks=tuple(blocks),
        banner=reading.banner,
        incomplete=tuple(incomplete),
        unknown=tuple(reading.unknown),
    )


def _put(values: dict[str, Any], found: Field) -> bool:
    if found.name in values:
        return False
    values[found.name] = found.value
    return True


def _latency(values: Mapping[str, float] | None) -> Latency | None:
    if values is None:
        return None
    rest = {name: value for name, value in values.items() if name not in ("avg", "min", "max")}
    return Latency(avg=values["avg"], min=values["min"], max=values["max"], percentiles=rest)
