"""One line of vamp's text: which field it is and what it says."""

from __future__ import annotations

import math
import re
import unicodedata
from dataclasses import dataclass
from difflib import get_close_matches

START = "instances"

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
    said = unit.strip()
    return said == unicodedata.normalize("NFKC", expected) or (
        not live and _MISPRINTS.get(said) == expected
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
