"""Verdicts by the interval, against bounds that are computed here another way."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from zoo_core.errors import AccuracyGateError, SpeedGateError, UsageError
from zoo_core.reporting.gates.expression import parse_figures, parse_gates, speed_gates
from zoo_core.reporting.gates.judge import Judged, Reference, judge
from zoo_core.reporting.gates.rows import GateRow, failure, lines, open_warnings


def of(**more: Any) -> Judged:
    """A run with AP 0.40, of 0.36 to 0.43."""
    facts: dict[str, Any] = {
        "metrics": {"AP": 0.40, "AP50": 0.60, "APs": None},
        "intervals": {"AP": [0.36, 0.43], "confidence": 0.95, "method": "m"},
        "images": 100,
    }
    return Judged(**facts | more)


def verdict(text: str, judged: Judged) -> GateRow:
    (row,) = judge(parse_gates([text]), judged)
    return row


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("AP>=0.36", "passed"),
        ("AP>=0.3601", "not decided"),
        ("AP>=0.40", "not decided"),
        ("AP>=0.43", "not decided"),
        ("AP>=0.4301", "missed"),
        ("AP50>=0.1", "not decided"),
        ("APs>=0.1", "missed"),
    ],
)
def test_a_floor_goes_by_the_interval(text: str, expected: str) -> None:
    row = verdict(text, of())
    assert row.verdict == expected
    assert failure([row], strict=False, where="x") is None or expected == "missed"
    assert (failure([row], strict=True, where="x") is None) == (expected == "passed")


def test_without_an_interval_nothing_is_decided() -> None:
    row = verdict("AP50>=0.1", of(images=4))
    assert row.sentence == "AP50>=0.1: AP50 is 0.6000: not decided, as 4 images give no interval"
    assert (row.value, row.low, row.high) == (0.60, None, None)
    assert open_warnings([row]) == (
        f"{row.sentence}; score more images, or go by the figure with --min-metric",
    )
    assert lines([row]) == []


def test_a_figure_goes_by_itself() -> None:
    rows = judge(parse_figures(["AP=0.40", "AP50=0.61", "APs=0"]), of())
    assert [row.verdict for row in rows] == ["passed", "missed", "missed"]
    assert rows[1].sentence == "AP50 is 0.6000, the gate is 0.6100"
    assert rows[2].sentence == "APs is undefined, the gate is 0.0000"
    error = failure(rows, strict=False, where="runs/x")
    assert isinstance(error, AccuracyGateError)
    assert str(error) == "runs/x: AP50 is 0.6000, the gate is 0.6100"


def test_an_unknown_metric_is_told() -> None:
    with pytest.raises(UsageError) as raised:
        verdict("AP5>=0.1", of())
    assert raised.value.what == "no metric 'AP5' was measured"
    assert "did you mean" in raised.value.next


def bounds(value: float, samples: Any) -> tuple[float, float]:
    """The interval by the formula of zoo_core/pipeline/resampling.py, sorted by hand."""
    rows = sorted(samples)
    at = (0.025 * (len(rows) - 1), 0.975 * (len(rows) - 1))
    low, high = (rows[int(k)] + (k % 1) * (rows[int(k) + 1] - rows[int(k)]) for k in at)
    mean = sum(rows) / len(rows)
    shift = -1.5 * (mean - value)  # what is left of the bias extends the interval
    return value - (high - mean) + min(0, shift), value + (mean - low) + max(0, shift)


@pytest.fixture
def pair() -> tuple[Judged, Reference]:
    """A loss of 0.01 +- 0.004 in AP, of runs that each vary by 0.05."""
    shared = np.random.default_rng(1).normal(0.42, 0.05, 400)
    own = shared - 0.01 + np.random.default_rng(2).normal(0, 0.002, 400)
    first = Reference(title="float", metrics={"AP": 0.41}, samples={"AP": shared})
    return of(samples={"AP": own}, reference=first), first


def test_a_drop_goes_by_the_paired_interval(pair: tuple[Judged, Reference]) -> None:
    judged, first = pair
    low, high = bounds(0.01, (first.samples["AP"] - judged.samples["AP"]).tolist())
    assert 0.004 < low < 0.01 < high < 0.016

    row = verdict(f"drop<={high + 1e-6:.6f}", judged)
    assert (row.verdict, row.metric, row.reference) == ("passed", "AP", "float")
    assert (row.value, row.low, row.high) == pytest.approx((0.01, low, high))
    assert verdict(f"drop<={high - 1e-6:.6f}", judged).verdict == "not decided"
    assert verdict(f"drop<={low + 1e-6:.6f}", judged).verdict == "not decided"
    assert verdict(f"drop<={low - 1e-6:.6f}", judged).verdict == "missed"


def test_a_share_goes_by_the_paired_interval(pair: tuple[Judged, Reference]) -> None:
    judged, first = pair
    above = judged.samples["AP"] - 0.99 * first.samples["AP"]
    low, high = bounds(0.40 - 0.99 * 0.41, above.tolist())
    row = verdict("yolo-99", judged)

    assert row.limit == pytest.approx(0.4059)
    assert (row.low, row.high) == pytest.approx((0.4059 + low, 0.4059 + high))
    assert row.verdict == ("missed" if high < 0 else "passed" if low >= 0 else "not decided")
    better = of(metrics={"AP": 0.42}, samples=judged.samples, reference=first)
    assert verdict("yolo-999", better).verdict == "passed"
    assert "0.999 of 0.4100 is 0.4096" in verdict("yolo-999", better).sentence


@pytest.mark.parametrize(
    ("published", "expected"), [(0.35, "passed"), (0.41, "not decided"), (0.45, "missed")]
)
def test_a_share_of_a_published_figure_goes_by_the_run_s_interval(
    published: float, expected: str
) -> None:
    row = Reference(title="row", metrics={"AP": published}, is_published=True)
    found = verdict("yolo-99", of(reference=row))
    assert (found.verdict, found.low, found.high) == (expected, 0.36, 0.43)


def test_what_is_not_comparable_misses(pair: tuple[Judged, Reference]) -> None:
    judged, first = pair
    unlike = of(samples=judged.samples, reference=first, why="not comparable: the tasks differ")
    assert verdict("drop<=1", unlike).verdict == "missed"
    assert verdict("drop<=1", unlike).sentence == "drop<=1: not comparable: the tasks differ"
    assert verdict("drop:AP50<=1", judged).sentence.endswith("AP50 is not defined in each run")


@pytest.mark.parametrize("samples", [{}, {"AP": np.zeros(3)}, {"AP": np.full(400, np.nan)}])
def test_a_reference_without_halves_decides_nothing(
    pair: tuple[Judged, Reference], samples: dict[str, Any]
) -> None:
    first = Reference(title="float", metrics={"AP": 0.41}, samples=samples)
    row = verdict("drop<=0.9", of(samples=pair[0].samples, reference=first))
    assert (row.verdict, row.value) == ("not decided", pytest.approx(0.01))


def speed(steady: bool = True, p90: float | None = 10.0) -> Any:
    return SimpleNamespace(
        throughput=100.0,
        latency_ms={"median": 9.0, "p90": p90, "p99": None},
        withheld={"p99": 662, **({} if p90 else {"p90": 64})},
        samples=20,
        steady=steady,
        steady_reason="window 1 of 5 is 9.0% above the median (limit 5%)",
    )


@pytest.mark.parametrize(
    ("limits", "says"),
    [
        ({"max_p90_ms": 9.9}, "p90 in ms is 10, the gate is 9.9"),
        ({"min_throughput": 101.0}, "throughput in images/s is 100, the gate is 101"),
        ({"min_speedup": 2.5}, "speedup is 2, the gate is 2.5"),
    ],
)
def test_a_steady_speed_that_misses(limits: dict[str, float], says: str) -> None:
    judged = of(speed=speed(), versus=SimpleNamespace(speedup=2.0))
    rows = judge(speed_gates(**limits), judged)
    refused = failure(rows, strict=False, where="runs/x")
    assert isinstance(refused, SpeedGateError)
    assert refused.exit_code == 4
    assert says in str(refused)
    assert lines(rows) == [f"gate missed: {says}"]
    assert rows[0].gate == f"--{next(iter(limits)).replace('_', '-')}"


def test_speeds_that_reach_their_gates() -> None:
    judged = of(speed=speed(), versus=SimpleNamespace(speedup=2.0))
    rows = judge(speed_gates(max_p90_ms=10.0, min_throughput=100.0, min_speedup=2.0), judged)
    more = judge(parse_gates(["p90<=10", "median<=9", "throughput>=100", "speedup>=2"]), judged)
    assert failure([*rows, *more], strict=True, where="") is None
    assert {row.verdict for row in (*rows, *more)} == {"passed"}


@pytest.mark.parametrize("limit", [1.0, 1000.0])
def test_what_is_not_steady_passes_no_gate_and_misses_none(limit: float) -> None:
    rows = judge(speed_gates(max_p90_ms=limit), of(speed=speed(steady=False)))
    said = f"--max-p90-ms {limit:g} is not decided: the measurement is not steady (window 1 of 5"
    assert open_warnings(rows)[0].startswith(said)
    assert failure(rows, strict=False, where="") is None
    strict = failure(rows, strict=True, where="")
    assert strict is not None
    assert strict.exit_code == 4
    assert said in str(strict)


def test_a_percentile_that_is_withheld_judges_nothing() -> None:
    (row,) = judge(speed_gates(max_p90_ms=1000.0), of(speed=speed(p90=None)))
    assert row.verdict == "not decided"
    assert row.warning() == (
        "--max-p90-ms 1000 is not decided: p90 needs 64 samples, have 20; give --min-samples 64"
    )
    (row,) = judge(parse_gates(["p90<=1000"]), of())
    assert row.sentence == "p90<=1000 is not decided: no speed was measured"
