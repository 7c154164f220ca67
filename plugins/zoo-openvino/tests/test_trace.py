from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from zoo_openvino.runtime import OpenVinoRuntime
from zoo_openvino.trace import _of_a_run

from zoo_core.api import Target
from zoo_core.api.trace import Traceable
from zoo_core.benchmark.trace import kinds, operators

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from zoo_core.api import Session


def test_a_real_network_is_traced(artefact: Path, images: NDArray[np.float32]) -> None:
    runtime = OpenVinoRuntime()
    assert isinstance(runtime, Traceable)
    batches: list[Any] = []

    def feeds(session: Session) -> dict[str, Any]:
        batches.append(session.inputs[0].shape)
        return {session.inputs[0].name: images[:2]}

    target = Target(backend="openvino", precision="fp32", device="cpu", batch=2)
    found = runtime.trace(artefact, target, feeds, 3)
    assert batches == [(2, 3, 32, 32)]
    assert "Convolution" in {item.kind for item in kinds(found)}
    assert {item.calls for item in operators(found) if item.kind == "Convolution"} == {3}
    assert found.whole_us is not None
    assert 0 < sum(event.duration_us for event in found.events) <= found.whole_us
    ends = [event.start_us + event.duration_us for event in found.events]
    starts = [event.start_us for event in found.events]
    assert all(end <= start + 1e-3 for end, start in zip(ends, starts[1:], strict=False))


@dataclass(frozen=True)
class Counter:
    node_name: str
    microseconds: int
    node_type: str = "Convolution"
    exec_type: str = "brgconv_avx512_I8"

    @property
    def real_time(self) -> timedelta:
        return timedelta(microseconds=self.microseconds)


def test_the_first_run_is_taken_out_of_the_means() -> None:
    """1000, 40, 40, 40: the mean of four is 280. What is part of another operator has no time."""
    first = [Counter("a", 1000), Counter("b", 0), Counter("c", 10)]
    last = [Counter("a", 280), Counter("b", 0), Counter("c", 10)]
    found = _of_a_run(first, last, 3)
    assert [(event.name, event.start_us, event.duration_us) for event in found] == [
        ("a", 0.0, pytest.approx(40.0)),
        ("c", pytest.approx(40.0), pytest.approx(10.0)),
    ]
    assert found[0].facts == {"kernel": "brgconv_avx512_I8"}
