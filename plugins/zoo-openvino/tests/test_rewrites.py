from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import openvino as ov
import pytest
from openvino import opset8 as op
from zoo_openvino import trial
from zoo_openvino.engine import Setting, compile_model, infer
from zoo_openvino.rewrites import drop_inner_pairs, restore_mish
from zoo_openvino.trial import Bench, rewrite

from zoo_core.api import Graph, TensorSpec
from zoo_core.toolkit.verify import Meaning

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

SHAPE = (1, 4, 16, 16)


def model(build: Callable[[Any], Any], shape: tuple[int, ...] = SHAPE) -> Any:
    source = op.parameter(list(shape), np.float32, name="x")
    source.output(0).set_names({"x"})
    result = build(source)
    result.output(0).set_names({"y"})
    return ov.Model([result], [source], "net")


def spelled_out(x: Any, ceiling: Any = None, two: float = 2.0) -> Any:
    """x n / (n + 2), n = e (e + 2), as the onnxruntime compiler writes it."""
    constant = op.constant(np.float32(two))
    e = op.exp(ceiling(x) if ceiling else x)
    n = op.multiply(e, op.add(e, constant))
    return op.multiply(x, op.divide(n, op.add(n, op.constant(np.float32(2)))))


def kinds(found: Any) -> list[str]:
    return [node.get_type_name() for node in found.get_ordered_ops()]


def computed(found: Any, x: NDArray[np.float32]) -> NDArray[Any]:
    (y,) = infer(compile_model(found, Setting()), ["y"], {"x": x})
    return y


@pytest.mark.parametrize(
    "ceiling",
    [
        None,
        lambda x: op.minimum(x, op.constant(np.float32(40))),
        lambda x: op.clamp(x, float(np.finfo(np.float32).min), 20.0),
    ],
)
def test_mish_is_found_again_and_is_the_same_function(ceiling: Any) -> None:
    x = np.linspace(-60, 30, 4 * 16 * 16, dtype=np.float32).reshape(SHAPE)
    found = model(lambda source: spelled_out(source, ceiling))
    assert restore_mish(found) == 1
    assert kinds(found) == ["Parameter", "Mish", "Result"]
    wide = x.astype(np.float64)
    expected = wide * np.tanh(np.log1p(np.exp(wide)))
    assert np.abs(computed(found, x) - expected).max() < 4e-6


@pytest.mark.parametrize(
    "build",
    [
        lambda x: spelled_out(x, two=3.0),
        lambda x: spelled_out(x, lambda v: op.minimum(v, op.constant(np.float32(5)))),
        lambda x: spelled_out(x, lambda v: op.clamp(v, -1.0, 40.0)),
        lambda x: spelled_out(x, lambda v: op.multiply(v, op.constant(np.float32(2)))),
        lambda x: op.multiply(x, op.exp(x)),
        op.exp,
    ],
)
def test_what_is_no_mish_stays(build: Any) -> None:
    found = model(build)
    before = kinds(found)
    assert restore_mish(found) == 0
    assert kinds(found) == before


def quantised(value: Any, levels: int = 256) -> Any:
    """A value between a quantise / dequantise pair, as the ONNX front end reads one."""
    scale, zero = np.float32(0.05), np.uint8(100)
    low, high = np.float32(-5), np.float32(7.75)
    narrow = op.fake_quantize(
        value, op.constant(low), op.constant(high), op.constant(np.float32(0)),
        op.constant(np.float32(levels - 1)), levels,
    )  # fmt: skip
    integers = op.convert(op.convert(narrow, "u8"), "f32")
    centred = op.subtract(integers, op.convert(op.constant(zero), "f32"))
    return op.multiply(centred, op.constant(scale))


def convolved(value: Any) -> Any:
    weight = np.random.default_rng(0).normal(0, 0.3, (4, 4, 3, 3)).astype(np.float32)
    made = op.convolution(value, op.constant(weight), [1, 1], [1, 1], [1, 1], [1, 1])
    return op.add(made, op.constant(np.full((1, 4, 1, 1), 0.1, np.float32)))


def silu(value: Any) -> Any:
    return op.multiply(value, op.sigmoid(value))


def residual(value: Any) -> Any:
    return op.add(value, op.mish(value))


def leaky(value: Any) -> Any:
    return op.prelu(value, op.constant(np.float32(0.1)))


@pytest.mark.parametrize("activation", [op.mish, op.relu, leaky, silu, op.hswish])
def test_a_pair_before_an_activation_goes(activation: Any) -> None:
    found = model(lambda x: quantised(activation(quantised(convolved(x)))))
    assert drop_inner_pairs(found) == 1
    assert kinds(found).count("FakeQuantize") == 1
    x = np.random.default_rng(1).random(SHAPE, dtype=np.float32)
    plain = computed(model(lambda x: quantised(activation(convolved(x)))), x)
    assert np.abs(computed(found, x) - plain).max() < 1e-5


@pytest.mark.parametrize(
    "build",
    [
        lambda x: op.mish(quantised(x)),
        lambda x: op.max_pool(quantised(convolved(x)), [1, 1], [1, 1], [0, 0], [0, 0], [2, 2]),
        lambda x: residual(quantised(convolved(x))),
        lambda x: op.multiply(quantised(convolved(x)), op.sigmoid(x)),
    ],
)
def test_other_pairs_stay(build: Any) -> None:
    found = model(build)
    before = kinds(found)
    assert drop_inner_pairs(found) == 0
    assert kinds(found) == before


def bench(reference: NDArray[Any], x: NDArray[np.float32]) -> Bench:
    graph = Graph(
        format="onnx",
        path="",
        inputs=(TensorSpec(name="x", shape=SHAPE),),
        outputs=(TensorSpec(name="y", shape=SHAPE),),
        facts={},
    )
    return Bench(graph, {"x": x}, Meaning([reference], "a test"), Setting())


@pytest.mark.parametrize("told", [False, True])
def test_a_rewrite_that_loses_is_left_out(monkeypatch: pytest.MonkeyPatch, told: bool) -> None:
    def spoil(found: Any) -> int:
        last = found.get_results()[0].input_value(0)
        found.get_results()[0].input(0).replace_source_output(
            op.add(last, op.constant(np.float32(0.5))).output(0)
        )
        return 1

    x = np.random.default_rng(2).random(SHAPE, dtype=np.float32)
    start = model(lambda source: quantised(op.mish(quantised(convolved(source)))))
    reference = computed(model(lambda source: op.mish(convolved(source))), x)
    rewrites = (("drop-inner-pairs", drop_inner_pairs), ("spoil", spoil))
    monkeypatch.setattr(trial, "REWRITES", rewrites)
    names = [name for name, _ in rewrites]
    known = [20.0] if told else None
    result, tried = rewrite(start, bench(reference, x), names, known)
    assert [(each.name, each.kept) for each in tried] == [
        ("drop-inner-pairs", True),
        ("spoil", False),
    ]
    assert "FakeQuantize" in kinds(result.model)
    (kept, lost) = tried
    assert lost.before_db == kept.after_db
    assert (lost.after_db[0] or 0) < (lost.before_db[0] or 0) - 3
    expected = computed(model(lambda source: quantised(op.mish(convolved(source)))), x)
    assert np.abs(computed(result.model, x) - expected).max() < 1e-5


def test_what_holds_against_known_ratios_is_tried_only_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    x = np.random.default_rng(2).random(SHAPE, dtype=np.float32)
    start = model(lambda source: quantised(spelled_out(quantised(convolved(source)))))
    reference = computed(model(lambda source: op.mish(convolved(source))), x)
    judge, judged = Bench.judge, []
    monkeypatch.setattr(Bench, "judge", lambda *given: judged.append(given) or judge(*given))
    names = ["restore-mish", "drop-inner-pairs"]
    result, tried = rewrite(start, bench(reference, x), names, [10.0])
    assert len(judged) == 1
    assert [(each.name, each.count, each.kept) for each in tried] == [(n, 1, True) for n in names]
    assert kinds(start).count("FakeQuantize") == 2
    assert kinds(result.model).count("FakeQuantize") == 1
    assert all(each.after_db == result.ratios for each in tried)


def test_a_rewrite_that_finds_nothing_is_not_told() -> None:
    x = np.random.default_rng(2).random(SHAPE, dtype=np.float32)
    found = model(convolved)
    result, tried = rewrite(found, bench(computed(found, x), x), ["restore-mish"])
    assert (result.model, tried) == (found, [])
