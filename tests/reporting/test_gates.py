from __future__ import annotations

import pytest

from zoo_core.benchmark.compare import VersusFigures
from zoo_core.benchmark.result import Figures, Memory
from zoo_core.errors import DataError, SpeedGateError, UsageError
from zoo_core.reporting.gates import SpeedGates, failure, judged, parse
from zoo_core.reporting.report import Assets, BenchReport, ReportHeader, SpeedReport


def report(steady: bool = True, p90: float | None = 10.0, speedup: float = 2.0) -> BenchReport:
    figures = Figures(
        scenario="single-stream",
        throughput=100.0,
        throughput_scenario="offline",
        throughput_interval=None,
        latency_ms={"p90": p90, "p99": None},
        withheld={"p99": 662, **({} if p90 else {"p90": 64})},
        early_stopping_ms={},
        samples=20,
        samples_per_query=1,
        seconds=1.0,
        coefficient_of_variation=0.0,
        steady=steady,
        steady_reason="window 1 of 5 is 9.0% above the median (limit 5%)",
        requirements={},
        warnings=(),
        device_name="d",
        threads=1,
        workers=1,
        batch=1,
        batches=2,
        warmup_samples=10,
        warmup={},
        first_inference_ms=1.0,
        load_ms=1.0,
        sessions=(),
        server=None,
        memory=Memory(before_bytes=None, peak_bytes=None, peak_since=""),
        environment={},
    )
    header = ReportHeader(
        model="m",
        backend="b",
        device="d",
        precision="fp32",
        assets=Assets(weights="random"),
        output="runs/x",
    )
    versus = VersusFigures(
        this="a",
        other="b",
        scenario="offline",
        blocks=12,
        runs=24,
        median_ms=1.0,
        other_median_ms=2.0,
        speedup=speedup,
        speedup_interval=(1.9, 2.1),
        p=0.01,
        verdict="faster",
    )
    return BenchReport(header=header, benchmark=SpeedReport(figures=figures), versus=versus)


@pytest.mark.parametrize(
    ("gates", "says"),
    [
        (SpeedGates(max_p90_ms=9.9), "p90 in ms is 10, the gate is 9.9"),
        (SpeedGates(min_throughput=101), "throughput in images/s is 100, the gate is 101"),
        (SpeedGates(min_speedup=2.5), "speedup is 2, the gate is 2.5"),
    ],
)
def test_a_steady_figure_that_misses(gates: SpeedGates, says: str) -> None:
    found = judged(report(), gates)
    refused = failure(found, strict=False)
    assert isinstance(refused, SpeedGateError)
    assert refused.exit_code == 4
    assert says in str(refused)
    assert f"gate missed: {says}" in [row.line() for row in found.gates]


def test_figures_that_reach_their_gates() -> None:
    gates = SpeedGates(max_p90_ms=10.0, min_throughput=100.0, min_speedup=2.0)
    found = judged(report(), gates)
    assert failure(found, strict=True) is None
    assert [row.verdict for row in found.gates] == ["passed"] * 3
    assert judged(report(steady=False), SpeedGates()).gates == ()


@pytest.mark.parametrize("limit", [1.0, 1000.0])
def test_what_is_not_steady_passes_no_gate_and_misses_none(limit: float) -> None:
    gates = SpeedGates(max_p90_ms=limit)
    found = judged(report(steady=False), gates)
    said = f"--max-p90-ms {limit:g} is not decided: the measurement is not steady (window 1 of 5"
    assert found.warnings[0].startswith(said)
    assert failure(found, strict=False) is None
    strict = failure(found, strict=True)
    assert strict is not None
    assert strict.exit_code == 4
    assert said in str(strict)


def test_a_percentile_that_is_withheld_judges_nothing() -> None:
    found = judged(report(p90=None), SpeedGates(max_p90_ms=1000.0))
    assert [row.verdict for row in found.gates] == ["not decided"]
    assert found.warnings == (
        "--max-p90-ms 1000 is not decided: p90 needs 64 samples, have 20; give --min-samples 64",
    )


def test_gates_on_what_has_no_speed_are_refused() -> None:
    gates = SpeedGates(max_p90_ms=1.0)
    with pytest.raises(DataError, match="thin network"):
        gates.refuse("sample", emulated=False)
    with pytest.raises(DataError, match="emulated device has no speed"):
        gates.refuse("random", emulated=True)
    gates.refuse("random", emulated=False)
    SpeedGates().refuse("sample", emulated=True)


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan")])
def test_senseless_gates(value: float) -> None:
    with pytest.raises(UsageError, match="must be greater than 0"):
        SpeedGates(min_throughput=value)


def test_accuracy_gates_are_fractions() -> None:
    assert parse(["AP=0.43", "AP50=1"]) == {"AP": 0.43, "AP50": 1.0}


@pytest.mark.parametrize("text", ["AP=nan", "AP=inf", "AP=", "AP", "AP=high"])
def test_what_is_not_a_number_is_an_invalid_gate(text: str) -> None:
    with pytest.raises(UsageError, match="invalid gate") as raised:
        parse([text])
    assert raised.value.next == "write NAME=FRACTION as in AP=0.43"
