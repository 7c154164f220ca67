from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import pytest
from zoo_openvino.trace import _of_a_run


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
