"""What a saved text of vamp says, as one document: figures, invariants, hardware, odd lines."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from zoo_core.errors import DataError
from zoo_vastai.sdk.vasmi import parse_smi
from zoo_vastai.vamp.invariants import check, doubts
from zoo_vastai.vamp.parse import parse_document

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo_vastai.vamp.block import VampBlock
    from zoo_vastai.vamp.parse import Line

SCHEMA = "zoo.vastai.vamp/1"


def decoded(data: bytes) -> str:
    """Text in UTF-8, or in the Chinese encoding that old logs have."""
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return data.decode("utf-8", "replace")


def read_report(text: str, where: str) -> dict[str, Any]:
    """The document of schema zoo.vastai.vamp/1 for a text with one block or several.

    "ok" is true where no invariant is broken and no block is cut off. Raises DataError for a text
    without any whole block.
    """
    read = parse_document(text)
    if not read.blocks:
        cut = read.incomplete[0] if read.incomplete else None
        what = f"line {cut.number}: {cut.trouble}" if cut else "no block of vamp's figures"
        step = "a block begins with '- number of instances in each device:'"
        raise DataError(what, where=where, next=step)
    processes = int(read.banner.get("processes", 1))
    blocks = [_block(block, processes) for block in read.blocks]
    broken = any(item["ok"] is False for block in blocks for item in block["invariants"])
    return {
        "schema": SCHEMA,
        "file": where,
        "ok": not broken and not read.incomplete,
        "blocks": blocks,
        "banner": dict(read.banner),
        "hardware": _hardware(text),
        "incomplete": _lines(read.incomplete),
        "unknown": _lines(read.unknown),
    }


def _block(block: VampBlock, processes: int) -> dict[str, Any]:
    return {
        **block.to_data(),
        "invariants": [item.to_data() for item in check(block, processes)],
        "doubts": list(doubts(block)),
    }


def _hardware(text: str) -> dict[str, Any] | None:
    report = parse_smi(text)
    if not report.cards:
        return None
    return {"smi_version": report.version, "cards": [asdict(card) for card in report.cards]}


def _lines(lines: Sequence[Line]) -> list[dict[str, Any]]:
    return [{"line": line.number, "text": line.text, "trouble": line.trouble} for line in lines]
