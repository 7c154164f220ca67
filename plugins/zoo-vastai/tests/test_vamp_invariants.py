"""What must hold of vamp's figures is found broken where it is, and only there."""

from __future__ import annotations

from dataclasses import replace

import pytest
from zoo_vastai.vamp.block import Latency, VampBlock
from zoo_vastai.vamp.invariants import check, doubts

GOOD = VampBlock(
    format="B",
    instances=1,
    devices=(0,),
    batch=1,
    samples=1024,
    forward_s=8.24034,
    throughput_qps=124.267,
    ai_utilisation_percent=96.3077,
    die_memory_mb=883.234,
    queueing_latency=Latency(avg=135770, min=16622, max=148289),
    model_latency=Latency(avg=7749, min=7749, max=7749),
)


def broken(block: VampBlock) -> list[str]:
    return [item.name for item in check(block) if item.ok is False]


def test_a_published_block_keeps_them_all() -> None:
    assert [item.ok for item in check(GOOD)] == [True] * 4
    assert doubts(GOOD) == ()


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"forward_s": 8.25}, ["throughput"]),
        ({"forward_s": 0.0}, ["throughput"]),
        ({"throughput_qps": 124.271}, ["throughput"]),
        ({"ai_utilisation_percent": 96.5}, ["ai_utilisation"]),
        ({"ai_utilisation_percent": 96.1}, ["ai_utilisation"]),
        ({"model_latency": Latency(avg=7749, min=7748, max=7749)}, ["model_latency_constant"]),
        ({"queueing_latency": Latency(avg=7800, min=7749, max=9000)}, ["queueing_depth"]),
        ({"instances": 2}, ["queueing_depth"]),
    ],
)
def test_each_is_broken_by_its_own_figure(changes: dict[str, object], names: list[str]) -> None:
    assert broken(replace(GOOD, **changes)) == names  # type: ignore[arg-type]


def test_what_is_found_and_expected_is_told() -> None:
    item = next(item for item in check(replace(GOOD, forward_s=10.24)) if item.ok is False)

    assert item.to_data() == {
        "name": "throughput",
        "ok": False,
        "note": "throughput = samples / forward time",
        "found": 124.267,
        "expected": 100.0,
        "tolerance": 0.0011,
    }


@pytest.mark.parametrize(
    ("changes", "processes", "word"),
    [
        ({"format": "A"}, 1, "format A"),
        ({}, 2, "2 processes"),
        ({"devices": (0, 1)}, 1, "2 devices"),
        ({"batch": 16}, 1, "batch of 16"),
    ],
)
def test_settings_nobody_published_are_not_judged(
    changes: dict[str, object], processes: int, word: str
) -> None:
    items = check(replace(GOOD, **changes), processes)  # type: ignore[arg-type]

    assert [item.ok for item in items] == [None] * 4
    assert all(word in item.note for item in items)


def test_the_depth_of_a_short_run_is_not_judged() -> None:
    short = replace(GOOD, samples=64, forward_s=64 / 124.267)

    assert {item.name: item.ok for item in check(short)} == {
        "throughput": True,
        "ai_utilisation": True,
        "model_latency_constant": True,
        "queueing_depth": None,
    }


def test_order_is_doubted_but_breaks_nothing() -> None:
    queueing = Latency(avg=135770, min=150000, max=148289)
    odd = replace(GOOD, queueing_latency=queueing)

    assert broken(odd) == []
    assert doubts(odd) == ("queueing latency: min 150000 is above max 148289",)
    slow = replace(GOOD, model_latency=Latency(avg=200000, min=200000, max=200000))
    assert "below that of the model" in doubts(slow)[0]
