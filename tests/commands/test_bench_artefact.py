from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from zoo_core.api import Target, TensorSpec
from zoo_core.commands.bench.artefact import device_facts, noise


def session(input_kind: str, *inputs: TensorSpec) -> Any:
    return SimpleNamespace(input_kind=input_kind, inputs=inputs)


@pytest.mark.parametrize(
    ("spec", "count", "shape"),
    [
        (TensorSpec(name="x", shape=("batch", 3, 32, 64)), 4, (4, 3, 32, 64)),
        (TensorSpec(name="x", shape=("batch", 3, "height", "width")), 2, (2, 3, 48, 96)),
        (TensorSpec(name="x", shape=(1, 3, "height", "width"), dtype="uint8"), 1, (1, 3, 48, 96)),
        (TensorSpec(name="x", shape=("batch", 2), dtype="float16"), 3, (3, 2)),
        (TensorSpec(name="x", shape=("batch", "length"), dtype="int64"), 3, (3, 1)),
    ],
)
def test_inputs_fit_what_the_session_takes(
    spec: TensorSpec, count: int, shape: tuple[int, ...]
) -> None:
    result = noise(session("tensor", spec), (48, 96), count)["x"]
    assert result.shape == shape
    assert str(result.dtype) == spec.dtype
    again = noise(session("tensor", spec), (48, 96), count)["x"]
    assert np.array_equal(result, again)
    most = 1 if result.dtype.kind == "f" else 255
    assert 0 <= result.min() <= result.max() <= most


def resolved(device: str, facts: Any) -> Any:
    target = Target(backend="b", precision="fp32", device=device)
    return SimpleNamespace(target=target, backend=SimpleNamespace(facts=facts))


def test_facts_of_one_device_and_of_several() -> None:
    def facts(device: str) -> dict[str, object]:
        return {"oclk_mhz": 880 + int(device)}

    assert device_facts(resolved("1", facts)) == {"oclk_mhz": 881}
    assert device_facts(resolved("0,1", facts)) == {"0": {"oclk_mhz": 880}, "1": {"oclk_mhz": 881}}
    assert device_facts(resolved("0", None)) == {}
