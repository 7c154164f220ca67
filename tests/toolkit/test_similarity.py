from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zoo_core.api import Graph, TensorSpec
from zoo_core.commands import against_float
from zoo_core.errors import UsageError
from zoo_core.testing.examples import preprocess
from zoo_core.toolkit.similarity import (
    GUIDE,
    by_output,
    drawn_feeds,
    poor,
    ratios_db,
    rounded,
    seeded_feeds,
    snr_db,
)

ONES = np.ones(4, np.float32)


@pytest.mark.parametrize(
    ("precision", "step"), [("fp32", "another --backend"), ("int8", "--precision fp32")]
)
def test_rows_that_a_graph_ranks_itself_are_no_proof(precision: str, step: str) -> None:
    outputs = (TensorSpec(name="boxes", shape=(1, 4)),)
    facts = {"ranks": True}
    graph = Graph(format="onnx", path="m.onnx", inputs=(), outputs=outputs, facts=facts)
    (told,) = poor(precision, graph, [3.0])
    assert told.startswith(f"{precision}: 1 of 1 outputs ('boxes' 3.0 dB) differ")
    assert "ranks values itself" in told
    assert told.endswith(f"compare the accuracy with {step}")


@pytest.mark.parametrize(
    ("reference", "measured", "expected"),
    [
        (ONES, ONES, math.inf),
        (ONES * 0, ONES * 0, math.inf),
        (ONES, ONES * 1.1, 20.0),
        (ONES, ONES * 2, 0.0),
        (ONES, ONES * np.nan, -math.inf),
        (ONES * np.inf, ONES, -math.inf),
        (ONES * 0, ONES, -math.inf),
        (ONES, ONES[:3], -math.inf),
    ],
)
def test_signal_over_difference(reference: Any, measured: Any, expected: float) -> None:
    assert snr_db(reference, measured) == pytest.approx(expected, abs=1e-4)


def graph_of(*names: str) -> Graph:
    specs = tuple(TensorSpec(name=name, shape=(4,)) for name in names)
    return Graph(format="onnx", path="", inputs=(), outputs=specs, facts={})


def test_what_is_poor_is_told_and_what_is_equal_is_not() -> None:
    names = ["equal", "good", "half", "nan", "dead"]
    measured = [ONES, ONES * 1.1, ONES * 1.9, ONES * np.nan, ONES]
    ratios = ratios_db([ONES, ONES, ONES, ONES, ONES * 0], measured)

    graph = graph_of(*names)
    low, lost = poor("int8", graph, ratios)

    assert low.startswith("int8: 1 of 5 outputs ('half' 0.9 dB) keep little of the float network's")
    steps = "compare with --precision fp32, then try another --backend, --calibrator or --option"
    assert low.endswith(f"{steps} float_nodes=NAMES ({GUIDE})")
    assert lost.startswith("int8: 2 of 5 outputs ('nan', 'dead') cannot be compared")
    assert rounded(ratios) == [None, 20.0, 0.9, None, None]
    assert by_output(graph, ratios) == dict(zip(names, rounded(ratios), strict=True))


@pytest.mark.parametrize(
    ("precision", "enough", "poorest"),
    [("int8", 15.1, 14.9), ("bf16", 15.1, 14.9), ("fp16", 30.1, 29.9), ("fp32", 60.1, 59.9)],
)
def test_the_limit_is_that_of_the_precision(precision: str, enough: float, poorest: float) -> None:
    graph = graph_of("a", "b", "c", "d", "e")
    (told,) = poor(precision, graph, [enough, *[poorest] * 4])
    assert (
        f"4 of 5 outputs ('b' {poorest} dB, 'c' {poorest} dB, 'd' {poorest} dB and 1 more)" in told
    )
    assert ("another backend" in told) == (precision == "fp32")
    assert poor(precision, graph, [enough] * 5) == []
    assert poor(precision, graph, [poorest] * 5, limit=10.0) == []


def test_the_page_that_warnings_name_is_there() -> None:
    root = Path(__file__).parents[2]
    assert (root / GUIDE).is_file()
    assert against_float.GUIDE == GUIDE


def test_seeded_feeds_take_the_batch_where_it_is_free() -> None:
    free = TensorSpec(name="a", shape=("batch", 3, 4, 4))
    fixed = TensorSpec(name="b", shape=(5, 3))
    feeds = seeded_feeds([free, fixed], 2)
    assert feeds["a"].shape == (2, 3, 4, 4)
    assert feeds["b"].shape == (5, 3)
    assert feeds["a"].dtype == np.float32
    np.testing.assert_array_equal(feeds["a"], seeded_feeds([free], 2)["a"])


@pytest.mark.parametrize(
    "spec",
    [
        TensorSpec(name="a", shape=("batch", 3, "height", 4)),
        TensorSpec(name="a", shape=(1, 3), dtype="int64"),
    ],
)
def test_inputs_that_cannot_be_seeded(spec: TensorSpec) -> None:
    with pytest.raises(UsageError, match="input 'a' is"):
        seeded_feeds([spec], 1)


def test_a_picture_is_drawn_in_the_range_of_the_network_s_own_images() -> None:
    """YOLOX takes [0, 255]: on noise in [0, 1) rounding to bf16 alone seemed to ruin it."""
    spec = TensorSpec(name="a", shape=("batch", 3, 40, 56))
    steps = preprocess((40, 56))
    unscaled = [step for step in steps if step["op"] != "scale"]
    drawn = drawn_feeds([spec], unscaled)["a"]
    assert (drawn.shape, drawn.dtype) == ((1, 3, 40, 56), np.float32)
    assert drawn.min() < 30
    assert drawn.max() > 220
    np.testing.assert_array_equal(drawn, drawn_feeds([spec], unscaled)["a"])
    np.testing.assert_allclose(drawn_feeds([spec], steps)["a"], drawn / 255, rtol=1e-6)
    for feeds in (drawn_feeds([spec], []), drawn_feeds([spec], preprocess((32, 32)))):
        np.testing.assert_array_equal(feeds["a"], seeded_feeds([spec], 1)["a"])
