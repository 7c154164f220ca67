from __future__ import annotations

import json

import pytest

from zoo_core.api.trace import Event, Trace
from zoo_core.benchmark.trace import OperatorTable

EVENTS = tuple(
    Event(name=name, kind=kind, start_us=10.0 * at, duration_us=time, thread=at % 2)
    for at, (name, kind, time) in enumerate(
        [("conv1", "Conv", 3000.0), ("add", "Add", 500.0), ("conv2", "Conv", 1000.0)] * 2
    )
)
TRACE = Trace(events=EVENTS, runs=2, whole_us=10_000.0)
TABLE = OperatorTable.of(TRACE.durations(), TRACE.runs, TRACE.whole_us, "trace.json")


def test_operators_are_summed_and_sorted() -> None:
    rows = TABLE.operators
    assert [row.name for row in rows] == ["conv1", "conv2", "add"]
    assert [row.total_ms for row in rows] == [6.0, 2.0, 1.0]
    assert [row.calls for row in rows] == [2, 2, 2]
    assert sum(row.share for row in rows) == pytest.approx(1.0, abs=1e-5)


def test_types_are_summed() -> None:
    conv, add = TABLE.types
    assert (conv.name, conv.total_ms, conv.calls) == ("Conv", 8.0, 4)
    assert add.share == pytest.approx(1 / 9, abs=1e-5)


def test_the_file_is_chromes_format() -> None:
    data = json.loads(json.dumps(TRACE.chrome()))
    assert len(data["traceEvents"]) == len(EVENTS)
    first = data["traceEvents"][0]
    assert (first["ph"], first["ts"], first["dur"], first["name"]) == ("X", 0.0, 3000.0, "conv1")
    assert all({"pid", "tid", "cat", "args"} <= set(row) for row in data["traceEvents"])


def test_the_tables() -> None:
    data = TABLE.to_data()
    assert (data["operators_ms"], data["whole_ms"], data["runs"]) == (9.0, 10.0, 2)
    text = TABLE.lines(most=1)
    assert text[0].startswith("operators: 4.500 of 5.000 ms a run, 2 runs")
    assert "Conv 88.9%, Add 11.1%" in text[1]
    assert text[-1] == "  and 2 more in bench.json"


def test_nothing_was_traced() -> None:
    empty = OperatorTable.of((), 1)
    assert empty.operators == ()
    assert empty.lines()[0].startswith("operators: 0.000 ms a run")


def test_a_table_is_read_back() -> None:
    assert OperatorTable.from_data(json.loads(json.dumps(TABLE.to_data()))) == TABLE
