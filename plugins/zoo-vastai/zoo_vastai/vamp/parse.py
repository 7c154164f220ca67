"""vamp's text becomes blocks: strictly what it printed, or leniently what a document shows."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from zoo_vastai.vamp.block import Latency, VampBlock
from zoo_vastai.vamp.lines import COUNTS, GROUPS, START, Field, read_banner, read_field

if TYPE_CHECKING:
    from collections.abc import Mapping

_NEEDED = ("devices", "batch", "throughput_qps", "ai_utilisation_percent", "die_memory_mb")
_OF_B = ("samples", "forward_s")
_FENCE = re.compile(r'^\s*(```|~~~|"""|\'\'\')')
_HEADING = re.compile(r"^\s*#+\s*(\S.{0,40}?)\s*$")


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
        said = read_banner(text) if found is None else None
        if said is not None:
            self._say(said)
        elif found is not None and found.name == START:
            self.open = _Draft(number, self.heading, {START: found.value})
            self.drafts.append(self.open)
            self.heading = None
        elif found is not None and self.open is not None:
            if not self.open.take(found):
                self._strange(number, text, "said twice or out of place")
        else:
            self._other(number, text)

    def _say(self, said: Mapping[str, str]) -> None:
        for name, value in said.items():
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
