from __future__ import annotations

from typing import Any

import pytest
from zoo_onnxruntime.trace import read_profile

from zoo_core.api import Target
from zoo_core.errors import StageError

TARGET = Target(backend="onnxruntime", precision="fp32", device="cpu", options={"threads": "1"})


def row(name: str, kind: str, start: int, time: int) -> dict[str, Any]:
    facts = {"op_name": kind, "input_type_shape": [], "thread_scheduling_stats": "long"}
    return {
        "cat": "Node",
        "ph": "X",
        "name": name,
        "ts": start,
        "dur": time,
        "tid": 7,
        "args": facts,
    }


def whole(start: int, time: int) -> dict[str, Any]:
    return {"cat": "Session", "ph": "X", "name": "model_run", "ts": start, "dur": time}


def test_the_first_run_is_left_out() -> None:
    rows = [
        whole(100, 900), row("a_kernel_time", "Conv", 110, 800),
        whole(1000, 60), row("a_kernel_time", "Conv", 1010, 40),
        row("a_fence_before", "Conv", 1011, 1), row("b_kernel_time", "Add", 1050, 5),
        whole(2000, 50), row("a_kernel_time", "Conv", 2010, 30),
        {"cat": "Session", "ph": "X", "name": "session_initialization", "ts": 0, "dur": 90},
    ]  # fmt: skip
    found = read_profile(rows, 2, "model.onnx")
    assert [(event.name, event.kind, event.start_us) for event in found.events] == [
        ("a", "Conv", 10.0), ("b", "Add", 50.0), ("a", "Conv", 1010.0),
    ]  # fmt: skip
    assert found.whole_us == 110.0
    assert list(found.durations()) == [
        ("a", "Conv", 40.0), ("b", "Add", 5.0), ("a", "Conv", 30.0),
    ]  # fmt: skip
    assert found.events[0].facts == {"input_type_shape": []}


def test_a_profile_without_the_runs_is_an_error() -> None:
    with pytest.raises(StageError, match="holds 1 of 2 runs"):
        read_profile([whole(0, 1)], 2, "model.onnx")
