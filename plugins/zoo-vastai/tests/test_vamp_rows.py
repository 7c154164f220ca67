"""vamp's published figures, from rows and from the vendor's history, through text and back."""

from __future__ import annotations

import csv
import os
import re
import subprocess
from collections import Counter
from pathlib import Path
from tempfile import TemporaryFile

import pytest
from zoo_vastai.vamp.block import Latency, VampBlock, render
from zoo_vastai.vamp.invariants import check, doubts
from zoo_vastai.vamp.parse import parse_document, parse_output

FILE = Path(__file__).parent / "data" / "vamp_blocks.csv"

_PLAIN = {
    "qps": "throughput_qps",
    "ai": "ai_utilisation_percent",
    "mem": "die_memory_mb",
    "fwd_s": "forward_s",
    "temp": "temperature_c",
    "power": "card_power_w",
}
_GROUPS = {"e2e": "queueing_latency_us", "model": "model_latency_us"}
_NAMES = ("avg", "min", "max", "p50", "p90", "p95", "p99")


def rows() -> list[dict[str, str]]:
    with FILE.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def expected(row: dict[str, str]) -> dict[str, object]:
    """What `VampBlock.figures` must say of a row, without the derived depth."""
    figures: dict[str, object] = {
        "format": row["format"],
        "instances": int(row["instances"]),
        "devices": [int(part) for part in row["devices"].strip("[]").split(",")],
        "batch": int(row["batch"]),
        "samples": int(row["samples"]) if row["samples"] else None,
    }
    for column, name in _PLAIN.items():
        figures[name] = float(row[column]) if row[column] else None
    for column, name in _GROUPS.items():
        cells = {key: row[f"{column}_{key}_us"] for key in _NAMES}
        figures[name] = {key: float(cell) for key, cell in cells.items() if cell}
    return figures


def block_of(row: dict[str, str]) -> VampBlock:
    figures = expected(row)
    groups = {}
    for name in _GROUPS.values():
        values = dict(figures.pop(name))  # type: ignore[call-overload]
        three = {key: values.pop(key) for key in ("avg", "min", "max")}
        groups[name.removesuffix("_us")] = Latency(**three, percentiles=values)
    figures["devices"] = tuple(figures["devices"])  # type: ignore[arg-type]
    return VampBlock(**figures, **groups)  # type: ignore[arg-type]


def without_depth(block: VampBlock) -> dict[str, object]:
    figures = block.figures()
    figures.pop("queueing_depth_images")
    return figures


ROWS = rows()


def row_id(row: dict[str, str]) -> str:
    return f"{Path(row['doc']).stem}-{row['qps']}"


def test_there_are_57_rows_of_two_formats() -> None:
    assert Counter(row["format"] for row in ROWS) == {"A": 31, "B": 26}


@pytest.mark.parametrize("row", ROWS, ids=row_id)
def test_a_row_goes_through_text_and_back(row: dict[str, str]) -> None:
    text = render(block_of(row))

    for read in (parse_output(text), parse_document(text)):
        assert [without_depth(block) for block in read.blocks] == [expected(row)]
        assert not read.unknown
        assert not read.incomplete


def test_a_format_b_row_is_printed_in_vamps_own_words() -> None:
    row = next(row for row in ROWS if row["qps"] == "124.267")

    assert render(block_of(row)).splitlines() == [
        "- number of instances in each device: 1",
        "devices: [0]",
        "batch size: 1",
        "samples: 1024",
        "forwad time (s): 8.24034",
        "throughput (qps): 124.267",
        "ai utilize (%): 96.3077",
        "die memory used (MB): 883.234",
        "e2e latency (us):",
        "    avg latency: 135770",
        "    min latency: 16622",
        "    max latency: 148289",
        "model latency (us):",
        "    avg latency: 7749",
        "    min latency: 7749",
        "    max latency: 7749",
    ]


def test_a_format_a_row_is_printed_in_its_order() -> None:
    row = next(row for row in ROWS if row["qps"] == "156.071")
    names = [line.partition(":")[0].strip() for line in render(block_of(row)).splitlines()]

    assert names[3:8] == [
        "ai utilize (%)",
        "temperature (°C)",
        "card power (W)",
        "die memory used (MB)",
        "throughput (qps)",
    ]
    assert names[12:16] == ["p50 latency", "p90 latency", "p95 latency", "p99 latency"]


@pytest.mark.parametrize("row", ROWS, ids=row_id)
def test_no_invariant_is_broken_by_what_was_published(row: dict[str, str]) -> None:
    wanted = True if row["format"] == "B" else None

    assert [item.ok for item in check(block_of(row))] == [wanted] * 4


@pytest.mark.parametrize("row", ROWS, ids=row_id)
def test_the_depth_is_that_of_littles_law(row: dict[str, str]) -> None:
    depth = block_of(row).queueing_depth

    assert depth == pytest.approx(float(row["inflight_littles_law"]), abs=0.006)


def test_two_published_rows_lost_a_digit() -> None:
    doubted = {row["qps"]: doubts(block_of(row)) for row in ROWS}

    assert {qps: found for qps, found in doubted.items() if found} == {
        "28.7273": ("model latency: p95 104379 is above p99 10447",),
        "100.878": ("model latency: p95 36647 is above p99 3670",),
    }


START = re.compile(r"^[\s#]*-?\s*number of instances in each device", re.MULTILINE)


def texts_of_history(repository: str) -> list[str]:
    """Every text in the repository's history that has a block, whatever commit holds it."""
    git = ["git", "-C", repository, "cat-file"]
    listing = subprocess.run(
        [*git, "--batch-all-objects", "--batch-check=%(objecttype) %(objectname) %(objectsize)"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    entries = [line.split() for line in listing.splitlines()]
    wanted = [name for kind, name, size in entries if kind == "blob" and int(size) < 2_000_000]
    found = []
    with TemporaryFile() as names:
        names.write("".join(f"{name}\n" for name in wanted).encode())
        names.seek(0)
        with subprocess.Popen([*git, "--batch"], stdin=names, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            for head in iter(process.stdout.readline, b""):
                data = process.stdout.read(int(head.split()[2]) + 1)
                if b"number of instances in each device" in data:
                    found.append(data.decode("utf-8", "replace"))
    return found


def test_every_block_of_the_vendors_history_is_read() -> None:
    repository = os.environ.get("ZOO_TEST_VASTMODELZOO")
    if not repository:
        pytest.skip("ZOO_TEST_VASTMODELZOO is unset: no clone of VastModelZOO here")
    texts = texts_of_history(repository)
    read = [parse_document(text) for text in texts]
    blocks = [block for item in read for block in item.blocks]
    figures = {repr(sorted(without_depth(block).items())) for block in blocks}

    assert len(blocks) == sum(len(START.findall(text)) for text in texts) > 0
    assert not [line for item in read for line in (*item.incomplete, *item.unknown)]
    assert [row for row in ROWS if repr(sorted(expected(row).items())) not in figures] == []
    assert not [item for block in blocks for item in check(block) if item.ok is False]
