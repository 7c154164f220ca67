from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from zoo_onnxruntime.affine import FULL, REDUCED, activation, bias_integers, weights
from zoo_onnxruntime.clips import drop_idle_clips
from zoo_onnxruntime.half import store_half
from zoo_onnxruntime.quantize import quantize
from zoo_onnxruntime.rewrites.mish import rewrite_mish
from zoo_onnxruntime.sensitive import float_convolutions, nothing_quantised, output_convolutions

from zoo_core.errors import StageError, UsageError
from zoo_core.toolkit.artefact import NodePrecision

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


def fetch(model: onnx.ModelProto, names: list[str], images: NDArray[np.float32]) -> list[Any]:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    del copy.graph.output[:]
    for name in names:
        copy.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    session = ort.InferenceSession(copy.SerializeToString(), providers=["CPUExecutionProvider"])
    return list(session.run(names, {"input": images}))


def spans(model: onnx.ModelProto, images: NDArray[np.float32]) -> dict[str, tuple[float, float]]:
    """What minmax finds, the plain way."""
    nodes = [node for node in model.graph.node if node.op_type == "Conv"]
    names = list(dict.fromkeys(n for node in nodes for n in (node.input[0], node.output[0])))
    names.remove("input")
    found = {
        n: (float(v.min()), float(v.max()))
        for n, v in zip(names, fetch(model, names, images), strict=True)
    }
    return found | {"input": (float(images.min()), float(images.max()))}


def ratio_db(reference: NDArray[Any], measured: NDArray[Any]) -> float:
    a, b = reference.astype(np.float64), measured.astype(np.float64)
    noise = float(((a - b) ** 2).sum())
    return float(10 * np.log10((a**2).sum() / noise)) if noise else float("inf")


def quantized(
    model: onnx.ModelProto, images: NDArray[np.float32], floats: Any = (), **options: Any
) -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    assert quantize(copy, spans(model, images), floats, **options) == {}
    onnx.checker.check_model(copy, full_check=True)
    return copy


def ratios(model: onnx.ModelProto, other: onnx.ModelProto, images: Any) -> list[float]:
    names = [value.name for value in model.graph.output]
    pairs = zip(fetch(model, names, images), fetch(other, names, images), strict=True)
    return [ratio_db(a, b) for a, b in pairs]


@pytest.mark.parametrize(
    ("low", "high", "scale", "zero"),
    [
        (-1.0, 1.55, 0.01, 100),
        (0.0, 2.55, 0.01, 0),
        (1.0, 2.55, 0.01, 0),
        (-2.55, -1.0, 0.01, 255),
        (0.0, 0.0, 1e-12, 0),
    ],
)
def test_activations_span_their_range_and_hold_zero(
    low: float, high: float, scale: float, zero: int
) -> None:
    found = activation(low, high)
    assert found.scale == pytest.approx(scale, rel=1e-6)
    assert found.zero_point == zero
    least, most = found.span
    assert least <= min(low, 0) + scale / 2
    assert most >= max(high, 0) - scale / 2


@pytest.mark.parametrize("largest", [FULL, REDUCED])
def test_weights_are_rounded_per_channel(largest: int) -> None:
    values = np.random.default_rng(0).normal(0, 1, (6, 4, 3, 3)).astype(np.float32)
    values *= np.geomspace(1e-3, 10, 6, dtype=np.float32).reshape(-1, 1, 1, 1)
    found = weights(values, None, 0.05, largest)
    assert found.values.dtype == np.int8
    peaks = np.abs(found.values.reshape(6, -1)).max(axis=1)
    assert (peaks == largest).all()
    column = found.scales.reshape(-1, 1, 1, 1)
    assert (np.abs(found.values * column - values) <= column / 2 * (1 + 1e-5)).all()


def test_a_dead_channel_keeps_its_bias() -> None:
    values = np.zeros((2, 3, 1, 1), np.float32)
    values[0] = 0.5
    values[1] = 1e-12
    bias = np.array([0.25, -7.0], np.float32)
    found = weights(values, bias, 0.02, FULL)
    scales = found.scales * np.float32(0.02)
    kept = bias_integers(bias, scales) * scales.astype(np.float64)
    assert kept == pytest.approx(bias, rel=1e-4)
    assert (found.values[1] == 0).all()


def test_the_int8_graph_is_near_the_float_one(nets: Any, images: NDArray[np.float32]) -> None:
    model = nets.mish(opset=19)  # the first whose int8 operators the reference evaluator knows
    other = quantized(model, images)
    names = [value.name for value in model.graph.output]
    assert [value.name for value in other.graph.output] == names
    assert min(ratios(model, other, images)) > 28
    reference = ReferenceEvaluator(other).run(None, {"input": images})
    for expected, found in zip(reference, fetch(other, names, images), strict=True):
        assert ratio_db(expected, found) > 35  # one step of rounding, here and there


def test_every_convolution_stands_between_pairs(nets: Any, images: NDArray[np.float32]) -> None:
    model = nets.mish()
    other = quantized(model, images)
    made = {name: node for node in other.graph.node for name in node.output}
    read: dict[str, list[str]] = {}
    for node in other.graph.node:
        for name in node.input:
            read.setdefault(name, []).append(node.op_type)
    kinds = {tensor.name: tensor.data_type for tensor in other.graph.initializer}
    convolutions = [node for node in other.graph.node if node.op_type == "Conv"]
    assert len(convolutions) == 8
    for node in convolutions:
        before = [made[name] for name in node.input]
        assert [n.op_type for n in before] == ["DequantizeLinear"] * 3
        assert made[before[0].input[0]].op_type == "QuantizeLinear"
        assert kinds[before[0].input[2]] == TensorProto.UINT8
        assert kinds[before[1].input[0]] == TensorProto.INT8
        assert kinds[before[2].input[0]] == TensorProto.INT32
        assert read[node.output[0]] == ["QuantizeLinear"]
    assert not {tensor.name for tensor in model.graph.initializer} & {
        tensor.name for tensor in other.graph.initializer if tensor.name.endswith(".weight")
    }


def test_a_tensor_is_quantised_once_and_others_read_it_in_float(
    nets: Any, images: NDArray[np.float32]
) -> None:
    other = quantized(nets.mish(), images)
    pairs = [n.input[0] for n in other.graph.node if n.op_type == "QuantizeLinear"]
    assert len(pairs) == len(set(pairs))
    (pool,) = [node for node in other.graph.node if node.op_type == "MaxPool"]
    assert pool.input[0] == "both"
    (leaky,) = [node for node in other.graph.node if node.op_type == "LeakyRelu"]
    assert leaky.input[0] == "right/dequantized"


def test_a_result_may_be_an_output_and_go_on(nets: Any, images: NDArray[np.float32]) -> None:
    net = nets.new()
    net.conv("input", "first", 8)
    net.conv("first", "second", 8)
    net.node("Relu", ["first"], "third")
    model = net.model("first", "second", "third")
    other = quantized(model, images)
    assert min(ratios(model, other, images)) > 30
    steps = np.unique(np.round(fetch(other, ["first"], images)[0], 5))
    assert len(steps) <= 256


def test_a_free_batch_stays_free(nets: Any, images: NDArray[np.float32]) -> None:
    other = quantized(nets.mish(), images)
    names = ["head0", "head1"]
    together = fetch(other, names, images)
    alone = [fetch(other, names, images[i : i + 1]) for i in range(len(images))]
    for index, found in enumerate(together):
        assert np.allclose(found, np.concatenate([a[index] for a in alone]), atol=1e-5)


def test_depthwise_weights_of_any_spread_keep_their_precision(
    nets: Any, images: NDArray[np.float32]
) -> None:
    model = nets.depthwise(spread=300.0)
    floats = {"stem", "point", "head0"}
    per_channel = quantized(model, images, floats)
    assert ratios(model, per_channel, images)[0] > 30
    per_tensor = onnx.ModelProto()
    per_tensor.CopyFrom(model)
    for tensor in per_tensor.graph.initializer:
        if tensor.name == "depth.weight":
            values = numpy_helper.to_array(tensor)
            step = np.abs(values).max() / 127
            rounded = (np.rint(values / step) * step).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(rounded, tensor.name))
    channels = fetch(model, ["depth.relu"], images)[0]
    exact = fetch(per_channel, ["depth.relu/dequantized"], images)[0][:, :8]
    coarse = fetch(per_tensor, ["depth.relu"], images)[0][:, :8]
    assert ratio_db(channels[:, :8], exact) > ratio_db(channels[:, :8], coarse) + 3


def test_seven_bits_lose_some_precision(nets: Any, images: NDArray[np.float32]) -> None:
    model = nets.mish()
    full = ratios(model, quantized(model, images), images)
    reduced = ratios(model, quantized(model, images, reduce_range=True), images)
    assert min(reduced) > 20
    assert sum(reduced) < sum(full)


def test_a_tensor_without_a_range_is_an_error(nets: Any, images: NDArray[np.float32]) -> None:
    model = nets.mish()
    ranges = spans(model, images)
    del ranges["wide"]
    with pytest.raises(StageError, match="'wide' was not calibrated"):
        quantize(model, ranges, ())


def test_weights_that_are_computed_stay_float(nets: Any, images: NDArray[np.float32]) -> None:
    net = nets.new()
    net.conv("input", "first", 8)
    net.conv("first", "head0", 8)
    net.nodes.insert(1, helper.make_node("Neg", ["head0.weight"], ["negated"], "neg"))
    net.nodes[-1].input[1] = "negated"
    model = net.model("head0")
    ranges = spans(model, images)
    assert quantize(model, ranges, ()) == {"head0": "its weights are computed, not constant"}
    assert [n.op_type for n in model.graph.node].count("DequantizeLinear") == 4


def test_output_convolutions_are_found_through_other_nodes(nets: Any) -> None:
    assert output_convolutions(nets.mish().graph) == {
        "head0": "output 'head0' follows it",
        "head1": "output 'head1' follows it",
    }
    net = nets.new()
    net.conv("input", "inner", 8)
    left, right = net.conv("inner", "left", 8), net.conv("inner", "right", 8)
    net.node("Sigmoid", [net.node("Add", [left, right], "sum")], "end")
    assert list(output_convolutions(net.model("end").graph)) == ["left", "right"]


def test_float_nodes_are_names_or_globs(nets: Any) -> None:
    graph = nets.mish().graph
    found = float_convolutions(graph, "none", ["na*", "wide"])
    assert found == {
        "narrow": "float_nodes names it ('na*')",
        "wide": "float_nodes names it ('wide')",
    }
    assert list(float_convolutions(graph, "outputs", ["stem"])) == ["head0", "head1", "stem"]
    with pytest.raises(UsageError, match=r"no convolution is named 'narow'.*'narrow'"):
        float_convolutions(graph, "none", ["narow"])
    with pytest.raises(UsageError, match=r"known: stem, down, narrow, wide, left and 3 more$"):
        float_convolutions(graph, "none", ["/backbone/*"])


def test_named_convolutions_are_left_as_they_were(nets: Any, images: NDArray[np.float32]) -> None:
    other = quantized(nets.mish(), images, {"head0", "head1", "wide"})
    left = {
        n.name for n in other.graph.node if n.op_type == "Conv" and n.input[1].endswith(".weight")
    }
    assert left == {"head0", "head1", "wide"}


def test_the_ceiling_of_mish_falls_where_no_byte_reaches_it(
    nets: Any, images: NDArray[np.float32], tmp_path: Path
) -> None:
    model, count = rewrite_mish(nets.mish(), tmp_path)
    assert count
    ranges = spans(model, images)
    ranges["wide"] = (ranges["wide"][0], 90.0)
    quantize(model, ranges, ())
    onnx.checker.check_model(model, full_check=True)
    clips = [node for node in model.graph.node if node.op_type == "Clip"]
    assert [clip.input[0] for clip in clips] == ["wide/dequantized"]


@pytest.mark.parametrize(
    ("bounds", "span", "gone"),
    [
        (["", "six"], (0.0, 5.9), 1),
        (["", "six"], (0.0, 6.1), 0),
        (["zero", "six"], (0.0, 6.0), 1),
        (["zero", "six"], (-0.1, 6.0), 0),
        (["zero"], (0.0, 99.0), 1),
        ([], (-9.0, 99.0), 1),
        (["", "computed"], (0.0, 1.0), 0),
    ],
)
def test_only_clips_that_do_nothing_go(
    nets: Any, bounds: list[str], span: tuple[float, float], gone: int
) -> None:
    net = nets.new()
    net.constant("zero", 0.0)
    net.constant("six", 6.0)
    net.node("Neg", ["zero"], "computed")
    net.node("Relu", ["input"], "known")
    net.node("Clip", ["known", *bounds], "clipped")
    net.node("Exp", ["clipped"], "end")
    model = net.model("end")
    assert drop_idle_clips(model.graph, {"known": span}) == gone
    (end,) = [node for node in model.graph.node if node.op_type == "Exp"]
    assert end.input[0] == ("known" if gone else "clipped")


def test_half_weights_compute_in_float(nets: Any, images: NDArray[np.float32]) -> None:
    model = nets.mish()
    other = onnx.ModelProto()
    other.CopyFrom(model)
    assert store_half(other)[1] == {}
    onnx.checker.check_model(other, full_check=True)
    assert min(ratios(model, other, images)) > 55
    large = {t.data_type for t in other.graph.initializer if np.prod(t.dims) >= 256}
    assert large == {TensorProto.FLOAT16}
    assert {t.data_type for t in other.graph.initializer if np.prod(t.dims) < 256} == {
        TensorProto.FLOAT
    }


def test_weights_beyond_half_stay_float(nets: Any) -> None:
    model = nets.mish()
    tensor = model.graph.initializer[0]
    values = np.array(numpy_helper.to_array(tensor))
    values.flat[0] = 70_000
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    _, left = store_half(model)
    assert list(left) == ["stem.weight"]
    kinds = {t.name: t.data_type for t in model.graph.initializer}
    assert kinds["stem.weight"] == TensorProto.FLOAT


def test_why_nothing_was_quantised_is_counted_with_what_changes_it(nets: Any) -> None:
    graph = nets.mish().graph
    reasons = float_convolutions(graph, "outputs", ["stem"])
    computed = {"narrow": "its weights are computed, not constant"}
    nodes = [
        NodePrecision(name, "Conv", "float32", reason)
        for name, reason in {**reasons, **computed}.items()
    ]
    error = nothing_quantised(nodes, "model.onnx")
    assert str(error) == (
        "model.onnx: no convolution became int8, 4 stayed float (2: only an output follows it, "
        "sensitive=outputs; 1: named in float_nodes; 1: its weights are computed, not constant); "
        "give --option sensitive=none and take names out of float_nodes, or use --precision fp32"
    )
    assert nothing_quantised(nodes[3:], "").next == "use --precision fp32"
    assert "the network has none" in nothing_quantised([], "").what
