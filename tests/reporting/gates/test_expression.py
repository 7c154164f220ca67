from __future__ import annotations

import pytest

from zoo_core.errors import DataError, UsageError
from zoo_core.reporting.gates.expression import (
    Gate,
    Kind,
    parse_figures,
    parse_gates,
    refuse_speed,
    speed_gates,
)

FORMS = "write 'AP>=0.42', 'drop<=0.01', 'drop:AP50<=0.01', 'yolo-99', 'p90<=20'"


@pytest.mark.parametrize(
    ("text", "gate"),
    [
        ("AP>=0.42", Gate(text="AP>=0.42", kind=Kind.FLOOR, limit=0.42, metric="AP")),
        (" AP >= 4.2e-1 ", Gate(text="AP >= 4.2e-1", kind=Kind.FLOOR, limit=0.42, metric="AP")),
        ("mIoU>=1", Gate(text="mIoU>=1", kind=Kind.FLOOR, limit=1.0, metric="mIoU")),
        ("drop<=0", Gate(text="drop<=0", kind=Kind.DROP, limit=0.0)),
        ("drop <= 0.01", Gate(text="drop <= 0.01", kind=Kind.DROP, limit=0.01)),
        ("drop:AP50<=.01", Gate(text="drop:AP50<=.01", kind=Kind.DROP, limit=0.01, metric="AP50")),
        ("yolo-99", Gate(text="yolo-99", kind=Kind.SHARE, limit=0.99)),
        ("yolo-999", Gate(text="yolo-999", kind=Kind.SHARE, limit=0.999)),
        ("yolo-99:AP50", Gate(text="yolo-99:AP50", kind=Kind.SHARE, limit=0.99, metric="AP50")),
        ("p90<=20", Gate(text="p90<=20", kind=Kind.SPEED, limit=20.0, metric="p90")),
        ("speedup>=1.5", Gate(text="speedup>=1.5", kind=Kind.SPEED, limit=1.5, metric="speedup")),
        (
            "throughput>=1e3",
            Gate(text="throughput>=1e3", kind=Kind.SPEED, limit=1e3, metric="throughput"),
        ),
    ],
)
def test_gates(text: str, gate: Gate) -> None:
    assert parse_gates([text]) == (gate,)


@pytest.mark.parametrize(
    ("text", "step"),
    [
        *(
            (text, FORMS)
            for text in ("", " ", "AP", "AP>=", ">=0.4", "AP>0.4", "AP=0.4", "AP==0.4")
        ),
        *((text, FORMS) for text in ("AP<=0.4", "0.4<=AP", "AP>=0.4>=0.2", "AP>=0.4,AP50>=0.6")),
        *((text, FORMS) for text in ("AP>=x", "AP>=nan", "AP>=inf", "AP>=1e999", "AP>=-0.1")),
        *((text, FORMS) for text in ("AP>=42%", "AP>=0,42", "AP>=0_1", "AP>=0x1", "AP>=٠.٤")),
        *((text, FORMS) for text in ("AP:50>=0.4", "AP>=1e", "AP>=+-1", "AP=>0.4", "AP≥0.4")),
        *((text, FORMS) for text in ("drop", "drop<=", "drop<=x", "drop<=nan", "drop<0.01")),
        *((text, FORMS) for text in ("drop>=0.01", "drop:<=0.01", "drop: <=0.1", "drop<=-0.1")),
        *((text, FORMS) for text in ("drop<=0.01@run", "drops:AP<=0.1", "drop<=0.1 AP")),
        *((text, FORMS) for text in ("yolo-98", "yolo99", "yolo-9", "yolo-9999", "yolo-99:")),
        *((text, FORMS) for text in ("yolo-99>=0.4<=", "YOLO-99", "yolo-99<=0.1", "-99")),
        *((text, FORMS) for text in ("p90>=20", "p90<=0", "p90<=-1", "throughput<=3", "p90<=nan")),
        *((text, FORMS) for text in ("speedup<=2", "p50<=3", "p90:ms<=3", "p90<=inf", "AP\n>0.1")),
        ("AP>=42", "metrics are fractions: 30 percent is 0.30"),
        ("drop<=2", "metrics are fractions: 30 percent is 0.30"),
        ("drop:AP50<=1.5", "metrics are fractions: 30 percent is 0.30"),
    ],
)
def test_what_is_no_gate(text: str, step: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse_gates([text])
    assert raised.value.what == f"invalid gate '{text}'"
    assert (raised.value.where, raised.value.next) == ("--gate", step)


@pytest.mark.parametrize("value", ["AP>=0.4", [3], [None]])
def test_python_gives_a_list_of_strings(value: list[str]) -> None:
    with pytest.raises(UsageError, match="must be a"):
        parse_gates(value)


def test_figures_are_named_by_their_option() -> None:
    first, second = parse_figures(["AP=0.43", "AP50=1"])
    assert (first.kind, first.metric, first.limit) == (Kind.FIGURE, "AP", 0.43)
    assert (second.name, second.limit) == ("--min-metric AP50=1", 1.0)
    assert [gate.limit for gate in parse_figures(["AP=0.1", "AP=0.2"])] == [0.2]


@pytest.mark.parametrize("text", ["AP=nan", "AP=inf", "AP=", "AP", "AP=high"])
def test_what_is_not_a_number_is_an_invalid_figure(text: str) -> None:
    with pytest.raises(UsageError, match="invalid gate") as raised:
        parse_figures([text])
    assert raised.value.next == "write NAME=FRACTION as in AP=0.43"


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan")])
def test_senseless_speeds(value: float) -> None:
    with pytest.raises(UsageError, match="must be greater than 0"):
        speed_gates(min_throughput=value)


class Resolved:
    """What gates look at of a resolved run."""

    def __init__(self, weights: str, emulated: bool = False) -> None:
        self.weights = type("Weights", (), {"kind": weights})
        self.emulated = emulated


def test_gates_on_what_has_no_speed_are_refused() -> None:
    gates, anything = speed_gates(max_p90_ms=1.0), parse_gates(["AP>=0.1"])
    with pytest.raises(DataError, match="thin network"):
        refuse_speed(gates, Resolved("sample"), timed=True)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="emulated device has no speed"):
        refuse_speed(gates, Resolved("random", emulated=True), timed=True)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="'p90<=3' limits a speed, and none is measured"):
        refuse_speed(parse_gates(["p90<=3"]), Resolved("random"), timed=False)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="--min-speedup needs --vs"):
        refuse_speed(speed_gates(min_speedup=2.0), Resolved("random"), timed=True)  # type: ignore[arg-type]
    refuse_speed(gates, Resolved("random"), timed=True)  # type: ignore[arg-type]
    refuse_speed(anything, Resolved("sample", emulated=True), timed=False)  # type: ignore[arg-type]
