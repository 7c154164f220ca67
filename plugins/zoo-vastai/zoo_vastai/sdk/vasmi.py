"""What vasmi, the vendor's system management program, says of a card."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from zoo_core.errors import ZooError
from zoo_vastai.names import EMULATOR, FILES
from zoo_vastai.sdk import findings
from zoo_vastai.sdk.host import Host
from zoo_vastai.sdk.tools import Tools, tools

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

TIMEOUT = 5.0
"""Seconds that one call of vasmi may take."""

_VERSION = re.compile(r"(?i)\bsmi\s+version\s*:\s*(\S+)")
_ENTRY = re.compile(
    r"Appointed\s+Entry\s*:\s*(\d{1,9})\s+Device_Id\s*:\s*(\d{1,9})\s+Die_Id\s*:\s*(\d{1,9})"
    r"(?:\s+Die_Index\s*:\s*0x([0-9A-Fa-f]{1,16})\b)?"
)
_CLOCK = re.compile(r"\b(\w*CLK)\s*:\s*(\d{1,9}(?:\.\d+)?)\s*MHz")
_CORE = re.compile(r"aic(?![a-z])")
_FIELD = re.compile(r"^\s*\d+\s{2,}(\S.*?)\s{2,}(\S.*?)\s*$")


@dataclass(frozen=True, slots=True, kw_only=True)
class CardReport:
    """One die's entry: fields of the mode block under the vendor's names, clocks in MHz."""

    entry: int
    device_id: int
    die_id: int
    die_index: int | None
    fields: Mapping[str, str] = field(default_factory=dict)
    clocks_mhz: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SmiReport:
    """All that a text of vasmi holds; the version is None where it is not told."""

    version: str | None
    cards: tuple[CardReport, ...]


def parse_smi(text: str) -> SmiReport:
    """Mode blocks and clocks in a text, entries of the same die put together.

    Clocks before any entry belong to a die that is not named: entry, device and die 0.
    """
    version = _VERSION.search(text)
    found: dict[tuple[int, int, int], CardReport] = {}
    for key, index, body in _entries(text):
        known = found.get(key)
        found[key] = CardReport(
            entry=key[0],
            device_id=key[1],
            die_id=key[2],
            die_index=index if index is not None else known.die_index if known else None,
            fields={**(known.fields if known else {}), **_fields(body)},
            clocks_mhz={**(known.clocks_mhz if known else {}), **_clocks(body)},
        )
    return SmiReport(version=version[1] if version else None, cards=tuple(found.values()))


def parse_list(text: str) -> tuple[Any, int] | None:
    """The JSON of `vasmi list --display-format=json` and how many inference cores ("aic") it has.

    Text before the JSON is left out; None where there is no JSON.
    """
    starts = [place for place in (text.find("{"), text.find("[")) if place >= 0]
    if not starts:
        return None
    try:
        data, _ = json.JSONDecoder().raw_decode(text[min(starts) :])
    except (ValueError, RecursionError):
        return None
    return data, len(_CORE.findall(json.dumps(data)))


def device_facts(device: str, host: Host | None = None) -> dict[str, object]:
    """Facts for a figure taken on `device`; of several dies ("0,1"), those of each by its id.

    Never raises; "reason" tells what could not be had. Of the emulator all is emulated, and says
    so; of stored files nothing is known.
    """
    if device == FILES:
        return {}
    host = host or Host()
    common: dict[str, object] = {"emulated": device == EMULATOR}
    if device != EMULATOR:
        common["driver"] = findings.driver_version(host)
        common["sdk"] = findings.sdk_version(host)
    try:
        found = tools(device, {}, needs=("vasmi",), host=host)
    except ZooError as error:
        return {**common, "reason": error.what}
    ids = ("0",) if found.emulated else tuple(part.strip() for part in device.split(","))
    if len(ids) == 1:
        return {**common, **_die_facts(found, ids[0], host)}
    return {**common, "dies": {die: _die_facts(found, die, host) for die in ids}}


def _die_facts(found: Tools, die: str, host: Host) -> dict[str, object]:
    """Card type, serial, mode, clocks and cores of one die.

    Only `list` and `getfreq` are documented; `getcardmode` is the counterpart of `setcardmode` and
    only reads, so an unknown command costs nothing but the mode.
    """
    commands = (("getcardmode", "-d", die), ("getfreq", "-d", die, "-i", "0"))
    texts, troubles = [], []
    for words in (*commands, ("list", "--display-format=json")):
        outcome = host.run((*found.vasmi, *words), TIMEOUT, found.env)
        texts.append(outcome.text if outcome.code == 0 else "")
        if outcome.code != 0:
            why = outcome.trouble or f"exit code {outcome.code}, {outcome.last_line}"
            troubles.append(f"{' '.join(('vasmi', *words))}: {why}")
            if outcome.code is None:
                break
    listed = parse_list(texts[-1]) if len(texts) == 3 else None
    facts = _report_facts(parse_smi("\n".join(texts[:2])))
    if listed is not None:
        facts["inference_cores"] = listed[1]
    if troubles:
        facts["reason"] = "; ".join(troubles)
    return facts


def _report_facts(report: SmiReport) -> dict[str, object]:
    facts: dict[str, object] = {"smi_version": report.version}
    if not report.cards:
        return facts
    fields: dict[str, str] = {}
    clocks: dict[str, float] = {}
    for card in report.cards:
        fields.update(card.fields)
        clocks.update(card.clocks_mhz)
    first = report.cards[0]
    return {
        **facts,
        "card_type": fields.get("CardType"),
        "serial": fields.get("S/N"),
        "mode": fields.get("BboxMode"),
        "device_id": first.device_id,
        "die_id": first.die_id,
        "clocks_mhz": clocks,
    }


def _entries(text: str) -> Iterator[tuple[tuple[int, int, int], int | None, str]]:
    marks = list(_ENTRY.finditer(text))
    before = text[: marks[0].start()] if marks else text
    if _CLOCK.search(before):
        yield (0, 0, 0), None, before
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    for mark, end in zip(marks, ends, strict=False):
        index = int(mark[4], 16) if mark[4] else None
        yield (int(mark[1]), int(mark[2]), int(mark[3])), index, text[mark.end() : end]


def _fields(body: str) -> dict[str, str]:
    return {match[1]: match[2] for line in body.splitlines() if (match := _FIELD.match(line))}


def _clocks(body: str) -> dict[str, float]:
    return {match[1]: float(match[2]) for match in _CLOCK.finditer(body)}
