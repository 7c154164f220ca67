"""The verb that reads what vamp printed: vamp."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zoo_core.toolkit.files import shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_FIGURES = (
    ("throughput_qps", "throughput", "images/s"),
    ("ai_utilisation_percent", "AI utilisation", "%"),
    ("die_memory_mb", "memory of the die", "MB"),
    ("forward_s", "forward time", "s"),
    ("samples", "samples", ""),
    ("temperature_c", "temperature", "°C"),
    ("card_power_w", "power of the card", "W"),
)
_MARKS = {True: "ok", False: "BROKEN", None: "-"}


def vamp(
    file: Annotated[str, typer.Argument(help="A text with vamp's block or several; - is stdin.")],
    json_wanted: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> int:
    """Read saved output of vamp, show its figures and check what must hold of them.

    Exit code 1 where an invariant is broken or a block is cut off, 6 where there is no block.
    """
    from zoo_vastai.vamp.report import decoded, read_report

    report = read_report(decoded(_data(file)), "stdin" if file == "-" else file)
    if json_wanted:
        sys.stdout.write(json.dumps(report, indent=1, ensure_ascii=False) + "\n")
    else:
        for line in _lines(report):
            typer.echo(shown(line))
    return 0 if report["ok"] else 1


def _data(file: str) -> bytes:
    from zoo_core.toolkit.files import read_limited

    return sys.stdin.buffer.read() if file == "-" else read_limited(Path(file))


def _lines(report: Mapping[str, Any]) -> Iterator[str]:
    for block in report["blocks"]:
        yield from _block(block)
    for name, trouble in (("incomplete", "incomplete"), ("unknown", "not read")):
        for line in report[name]:
            yield f"line {line['line']}: {trouble}: {line['trouble']}: {line['text']}"
    for card in (report["hardware"] or {"cards": []})["cards"]:
        clocks = ", ".join(f"{name} {mhz:g}" for name, mhz in card["clocks_mhz"].items())
        words = [f"{name} {value}" for name, value in card["fields"].items()]
        yield f"card {card['device_id']}, die {card['die_id']}: {', '.join(words)}"
        if clocks:
            yield f"  clocks in MHz: {clocks}"


def _block(block: Mapping[str, Any]) -> Iterator[str]:
    heading = f" ({block['heading']})" if block["heading"] else ""
    devices = ",".join(map(str, block["devices"]))
    setting = f"instances {block['instances']}, batch {block['batch']}, die {devices}"
    yield f"line {block['line']}{heading}: format {block['format']}, {setting}"
    for key, name, unit in _FIGURES:
        if block[key] is not None:
            yield f"  {name:20} {block[key]:g} {unit}".rstrip()
    for key, name in (
        ("model_latency_us", "model latency"),
        ("queueing_latency_us", "queueing latency"),
    ):
        if block[key] is not None:
            yield f"  {name:20} {_latency(block[key])}"
    if block["queueing_depth_images"] is not None:
        depth = f"{block['queueing_depth_images']:g} images in the queue"
        yield f"  {'':20} {depth}: no image's latency"
    for item in block["invariants"]:
        numbers = "" if item["found"] is None else f": {item['found']:g}, {item['expected']:g}"
        yield f"  {_MARKS[item['ok']]:6} {item['name']}: {item['note']}{numbers}"
    for doubt in block["doubts"]:
        yield f"  doubt  {doubt}"


def _latency(group: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.0f}" for name, value in group.items()) + " us"
