"""What people do to vamp's text in documents, and what vamp's own output may not contain."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from zoo_vastai.vamp.block import Latency, VampBlock, render
from zoo_vastai.vamp.parse import parse_document, parse_output

BLOCK_B = VampBlock(
    format="B",
    instances=2,
    devices=(0,),
    batch=1,
    samples=1024,
    forward_s=9.82699,
    throughput_qps=104.203,
    ai_utilisation_percent=96.0753,
    die_memory_mb=898.875,
    queueing_latency=Latency(avg=321691, min=29421, max=364802),
    model_latency=Latency(avg=9219, min=9219, max=9219),
)
BLOCK_A = VampBlock(
    format="A",
    instances=8,
    devices=(0, 1),
    batch=2,
    throughput_qps=20.9133,
    ai_utilisation_percent=84.7898,
    temperature_c=48.9539,
    card_power_w=31.4568,
    die_memory_mb=2962.27,
    queueing_latency=Latency(
        avg=938804, min=242944, max=1778707, percentiles={"p50": 925637, "p99": 1375009}
    ),
    model_latency=Latency(
        avg=790979, min=241057, max=1396289, percentiles={"p50": 785185, "p99": 1072986}
    ),
)
BANNER = """[max_batch_size_]: 5
[input_count]: 1
input[0]: [3,256,256], dtype:u1
[output_count]: 1
output[0]: [1,3,256,256], dtype:f2

*** number of instances in each device:2 ****
Inference start time: [2024-01-04 14:05:14]
Inference end time: [2024-01-04 14:05:15]
number of samples in each process: 1024
number of process:1

"""


@pytest.mark.parametrize("indent", ["", "  ", "    "])
@pytest.mark.parametrize("block", [BLOCK_A, BLOCK_B], ids=["A", "B"])
def test_indentation_means_nothing(block: VampBlock, indent: str) -> None:
    text = render(block, indent)

    assert parse_output(text).blocks == (block,)
    assert parse_document(text).blocks == (block,)
    shifted = "".join(f"        {line}\n" for line in text.splitlines())
    assert parse_document(shifted).blocks == (block,)


def test_what_stands_before_the_block_is_told() -> None:
    read = parse_output(BANNER + render(BLOCK_B))

    assert read.blocks == (replace(BLOCK_B, line=13),)
    assert not read.unknown
    assert read.banner == {
        "max_batch": 5,
        "inputs": ["[3,256,256], dtype:u1"],
        "outputs": ["[1,3,256,256], dtype:f2"],
        "started": "2024-01-04 14:05:14",
        "ended": "2024-01-04 14:05:15",
        "samples_each_process": 1024,
        "processes": 1,
    }


NOISE = {
    "swapped letters": ("batch size:", "batch szie:"),
    "a digit for a letter, no blank": ("throughput (qps):", "throughput(qp5):"),
    "no blank after the colon": ("avg latency: ", "avg latency:"),
    "no blank before the unit": ("ai utilize (%):", "ai utilize(%):"),
    "a right spelling": ("forwad time (s):", "forward time (s):"),
    "no unit": ("die memory used (MB):", "die memory used:"),
    "a wide colon": ("samples:", "samples："),
    "blanks in the list": ("devices: [0]", "devices: [ 0 ]"),
}


@pytest.mark.parametrize("noise", NOISE)
def test_a_document_may_be_misspelt(noise: str) -> None:
    right, wrong = NOISE[noise]
    text = render(BLOCK_B)
    assert right in text

    read = parse_document(text.replace(right, wrong))

    assert read.blocks == (BLOCK_B,)
    assert not read.unknown


@pytest.mark.parametrize("noise", ["swapped letters", "a digit for a letter, no blank", "no unit"])
def test_live_output_may_not(noise: str) -> None:
    right, wrong = NOISE[noise]

    read = parse_output(render(BLOCK_B).replace(right, wrong))

    assert read.blocks == ()
    assert len(read.incomplete) == 1
    assert [line.text.startswith(wrong.split(" ")[0]) for line in read.unknown] == [True]


def test_a_commented_listing_is_read() -> None:
    lines = render(BLOCK_A, "  ").splitlines()
    text = "".join(f"# {line}\n" for line in lines)

    assert parse_document(text).blocks == (BLOCK_A,)


def test_several_blocks_keep_their_headings_and_places() -> None:
    int8 = replace(BLOCK_B, throughput_qps=307.241)
    text = (
        "Speed, throughput: high\n```\n# fp16\n"
        + render(BLOCK_B)
        + "\n# int8\n"
        + render(int8)
        + "\n# hardware\nSmi version:3.2.1\n```\n\n```\n"
        + render(BLOCK_A)
        + "```\nbatch size: 7\n"
    )

    read = parse_document(text)

    assert [block.heading for block in read.blocks] == ["fp16", "int8", None]
    assert [text.splitlines()[block.line - 1][:8] for block in read.blocks] == ["- number"] * 3
    plain = [replace(block, heading=None, line=1) for block in read.blocks]
    assert plain == [BLOCK_B, int8, BLOCK_A]
    assert not read.unknown


@pytest.mark.parametrize("read", [parse_output, parse_document])
@pytest.mark.parametrize("line", range(1, 16))
def test_a_block_that_lacks_a_line_is_no_block(line: int, read: object) -> None:
    lines = render(BLOCK_B).splitlines()
    del lines[line]

    found = read("\n".join(lines))  # type: ignore[operator]

    assert found.blocks == ()
    assert len(found.incomplete) == 1
    assert "the block lacks" in found.incomplete[0].trouble


def test_another_unit_is_never_taken_for_the_usual_one() -> None:
    text = render(BLOCK_B).replace("model latency (us)", "model latency (ms)")

    read = parse_document(text)

    assert read.blocks == ()
    assert [line.text for line in read.unknown if "model" in line.text] == ["model latency (ms):"]


@pytest.mark.parametrize("value", ["nan", "inf", "-5", "1_000", "many", "", "12 34"])
def test_a_figure_that_is_no_number_is_not_read(value: str) -> None:
    text = render(BLOCK_B).replace("104.203", value)

    read = parse_output(text)

    assert read.blocks == ()
    assert "throughput_qps" in read.incomplete[0].trouble


def test_unknown_lines_of_live_output_are_kept_and_told() -> None:
    warning = "[12:42:56] module.cc:524: ssram not enough, use ddr"
    lines = [warning, *render(BLOCK_B).splitlines()]
    lines.insert(5, "watts per minute: 12")

    read = parse_output("\n".join(lines))

    assert [without_place(block) for block in read.blocks] == [BLOCK_B]
    assert [(line.number, line.text) for line in read.unknown] == [
        (1, warning),
        (6, "watts per minute: 12"),
    ]


def test_a_figure_said_twice_is_told_and_the_first_stays() -> None:
    text = render(BLOCK_B).replace("samples: 1024", "samples: 1024\nsamples: 7")

    read = parse_output(text)

    assert read.blocks == (BLOCK_B,)
    assert [line.trouble for line in read.unknown] == ["said twice or out of place"]


def test_a_block_of_the_samples_own_profiler_is_not_vamps() -> None:
    text = (
        "- number of instances: 1\n  devices: [0]\n  queue size: 1\n  batch size: 2\n"
        "  throughput (qps): 470.64\n  latency (us):\n    avg latency: 12697\n"
    )

    assert parse_document(text).blocks == ()


def test_the_oldest_vamp_told_no_latency() -> None:
    old = replace(BLOCK_A, queueing_latency=None, model_latency=None)

    read = parse_document(render(old))

    assert read.blocks == (old,)
    assert read.blocks[0].figures()["queueing_depth_images"] is None


def test_the_queues_latency_has_no_other_name() -> None:
    data = BLOCK_B.to_data()

    assert data["queueing_latency_us"] == {"avg": 321691.0, "min": 29421.0, "max": 364802.0}
    assert data["queueing_depth_images"] == pytest.approx(33.52, abs=0.005)
    assert not [name for name in data if "latency" in name and name[:5] not in ("queue", "model")]


def without_place(block: VampBlock) -> VampBlock:
    return replace(block, line=1, heading=None)


def test_a_long_line_is_none_of_vamps_and_costs_no_time() -> None:
    start = time.process_time()
    text = BANNER + "devices" + " " * 5000 + "x\n" + render(BLOCK_B)

    assert len(parse_document(text).blocks) == 1
    assert time.process_time() - start < 2
