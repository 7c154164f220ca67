"""What int8 offers to keep accuracy: activations known, ranges by error, equal channels, biases."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper
from zoo_onnxruntime.activations import activations, mish, silu
from zoo_onnxruntime.bias import correct_biases
from zoo_onnxruntime.calibrators import Seen, choose, choose_all, least_error
from zoo_onnxruntime.channels import channel_means, channel_peaks
from zoo_onnxruntime.compiler import OnnxRuntimeCompiler
from zoo_onnxruntime.equalise import equalise, pairs
from zoo_onnxruntime.histogram import Histogram
from zoo_onnxruntime.observe import quantisable
from zoo_onnxruntime.options import read_options
from zoo_onnxruntime.quantize import quantize
from zoo_onnxruntime.rewrites.mish import rewrite_mish

from zoo_core.api import CompileRequest, Stage, Target, Tunable
from zoo_core.errors import UsageError
from zoo_core.testing import model_card, run_stages
from zoo_core.testing.examples import preprocess, protocol
from zoo_core.toolkit.similarity import snr_db

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

SPREAD = 300.0


def stages(**options: str) -> Sequence[Stage]:
    request = CompileRequest(
        card=model_card(),
        target=Target(backend="onnxruntime", precision="int8", device="cpu", options=options),
        graph="export/graph.json",
        format="onnx",
        form="heads",
        calibration="calibration/images.json",
        calibrator="minmax",
        preprocess=preprocess((32, 32)),
        protocol=protocol(),
        size=(32, 32),
    )
    return OnnxRuntimeCompiler().stages(request)


def unlike(nets: Any, activation: str, readers: str = "depthwise") -> onnx.ModelProto:
    """A convolution whose channels differ by `SPREAD`, an activation, and what reads it."""
    net = nets.new()
    net.conv("input", "stem", 16, kernel=1)
    scale = np.geomspace(1 / SPREAD, 1, 16, dtype=np.float32)
    for tensor in net.constants[-2:]:
        values = numpy_helper.to_array(tensor)
        scaled = 30 * values * scale.reshape(-1, *[1] * (values.ndim - 1))
        tensor.CopyFrom(numpy_helper.from_array(scaled.astype(np.float32), tensor.name))
    if activation == "SiLU":
        gate = net.node("Sigmoid", ["stem"], "stem.gate")
        last = net.node("Mul", ["stem", gate], "stem.act")
    elif activation:
        last = net.node(activation, ["stem"], "stem.act")
    else:
        last = "stem"
    group = 16 if readers == "depthwise" else 1
    net.conv(last, "next", 16, kernel=3, group=group)
    weight = net.constants[-2]
    values = numpy_helper.to_array(weight)
    column = scale.reshape(-1, 1, 1, 1) if group > 1 else scale.reshape(1, -1, 1, 1)
    weight.CopyFrom(numpy_helper.from_array((values / column).astype(np.float32), weight.name))
    net.conv("next", "point", 8, kernel=1)
    net.conv("point", "head0", 4, kernel=1)
    return net.model("head0")


def fetch(model: onnx.ModelProto, names: list[str], images: NDArray[np.float32]) -> list[Any]:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    del copy.graph.output[:]
    for name in names:
        copy.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    session = ort.InferenceSession(copy.SerializeToString(), providers=["CPUExecutionProvider"])
    return list(session.run(names, {"input": images}))


def copied(model: onnx.ModelProto) -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return copy


def spans(model: onnx.ModelProto, images: NDArray[np.float32]) -> dict[str, tuple[float, float]]:
    nodes = [node for node in model.graph.node if node.op_type == "Conv"]
    names = list(dict.fromkeys(n for node in nodes for n in (node.input[0], node.output[0])))
    names.remove("input")
    made = zip(names, fetch(model, names, images), strict=True)
    return {"input": (0.0, 1.0), **{n: (float(v.min()), float(v.max())) for n, v in made}}


def db(model: onnx.ModelProto, other: onnx.ModelProto, images: Any) -> float:
    return snr_db(fetch(model, ["head0"], images)[0], fetch(other, ["head0"], images)[0])


def test_the_activation_that_alone_reads_a_convolution_is_known(nets: Any) -> None:
    for name in ("Relu", "LeakyRelu", "SiLU"):
        found = activations(unlike(nets, name).graph)["stem"]
        assert (found.name, found.result) == (name, "stem.act")
        assert found.homogeneous == (name != "SiLU")
        assert found.clamps == (name == "Relu")
    assert "stem" not in activations(unlike(nets, "").graph)
    rewritten, _ = rewrite_mish(nets.mish(), None)
    assert activations(rewritten.graph)["stem"].name == "Mish"
    assert "down" in activations(rewritten.graph)


def test_what_others_read_too_has_no_activation(nets: Any) -> None:
    net = nets.new()
    net.node("Relu", [net.conv("input", "stem", 8)], "relu")
    net.node("Add", ["stem", "relu"], "sum")
    assert activations(net.model("sum").graph) == {}
    net = nets.new()
    net.node("Relu", [net.conv("input", "stem", 8)], "relu")
    assert activations(net.model("relu", "stem").graph) == {}


@pytest.mark.parametrize(("low", "high", "known"), [(0, 6, True), (-1, 1, True), (1, 6, False)])
def test_a_clip_that_holds_zero_clamps(nets: Any, low: float, high: float, known: bool) -> None:
    net = nets.new()
    stem = net.conv("input", "stem", 8)
    net.node("Clip", [stem, net.constant("low", low), net.constant("high", high)], "clip")
    found = activations(net.model("clip").graph)
    assert set(found) == ({"stem"} if known else set())
    if known:
        assert (found["stem"].low, found["stem"].high) == (low, high)
        assert found["stem"].within(-9.0, 3.0) == (max(low, -9), min(high, 3))


def test_silu_and_mish_are_flat_where_their_range_ends(nets: Any) -> None:
    x = np.array([-800.0, -8.0])
    assert np.abs(silu(x)).max() < 0.003
    assert np.abs(mish(x)).max() < 0.003
    follows = activations(unlike(nets, "SiLU").graph)
    seen = {"stem": Seen(-50.0, 4.0)}
    assert choose_all(seen, "minmax", None, follows)["stem"] == (-8.0, 4.0)
    assert choose_all(seen, "minmax", None, {})["stem"] == (-50.0, 4.0)


def squared_error(values: NDArray[Any], low: float, high: float, function: Any) -> float:
    """Of raw values, by the definition of affine rounding."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = (high - low) / 255
    zero = round(-low / scale)
    rounded = (np.clip(np.round(values / scale) + zero, 0, 255) - zero) * scale
    return float(np.mean((function(rounded) - function(values)) ** 2))


@pytest.mark.parametrize("name", ["identity", "SiLU", "leaky"])
def test_mse_is_nearly_the_best_of_all_ranges(name: str) -> None:
    function = {
        "identity": lambda x: x,
        "SiLU": silu,
        "leaky": lambda x: np.where(x < 0, 0.1 * x, x),
    }[name]
    generator = np.random.default_rng(3)
    values = generator.normal(0, 1, 20_000)
    values[:40] *= 20
    seen = Seen(histogram=Histogram())
    assert seen.add(values.astype(np.float32))
    low, high = least_error(seen, function)
    found = squared_error(values, low, high, function)
    ends = np.linspace(0.02, 1.0, 50)
    best = min(
        squared_error(values, seen.low * a, seen.high * b, function) for a in ends for b in ends
    )
    assert found <= 1.1 * best
    others = [choose(seen, "minmax", None), choose(seen, "percentile", 99.0)]
    assert all(found < squared_error(values, *each, function) for each in others)


def test_mse_of_a_constant_is_its_range() -> None:
    seen = Seen(histogram=Histogram())
    assert seen.add(np.zeros(10, np.float32))
    assert least_error(seen, None) == (0.0, 0.0)


def test_a_relu_is_done_by_the_range_of_its_result(nets: Any, images: Any) -> None:
    model = nets.depthwise()
    made = copied(model)
    assert quantize(made, spans(model, images), ()) == {}
    onnx.checker.check_model(made, full_check=True)
    assert "Relu" not in {node.op_type for node in made.graph.node}
    exact = fetch(model, ["stem.relu"], images)[0]
    found = fetch(made, ["stem.relu/dequantized"], images)[0]
    assert found.min() >= 0
    step = exact.max() / 255
    assert np.abs(found - exact).max() < 3 * step  # the weights' rounding beside half a step
    assert db(model, made, images) > 30


def test_a_relu_that_is_an_output_or_follows_float_stays(nets: Any, images: Any) -> None:
    model = nets.depthwise()
    made = copied(model)
    quantize(made, spans(model, images), ("depth",))
    assert [n.output[0] for n in made.graph.node if n.op_type == "Relu"] == ["depth.relu"]
    net = nets.new()
    net.node("Relu", [net.conv("input", "stem", 8)], "relu")
    net.conv("relu", "head0", 4)
    model = net.model("head0", "relu")
    made = copied(model)
    quantize(made, spans(model, images), ())
    assert fetch(made, ["relu"], images)[0].min() >= 0


def test_a_clip_beyond_the_range_is_left_out_and_one_within_cuts_it(nets: Any, images: Any) -> None:
    net = nets.new()
    stem = net.conv("input", "stem", 8)
    net.node("Clip", [stem, net.constant("low", 0.0), net.constant("high", 0.5)], "clip")
    net.conv("clip", "head0", 4)
    model = net.model("head0")
    made = copied(model)
    quantize(made, spans(model, images), ())
    assert "Clip" not in {node.op_type for node in made.graph.node}
    found = fetch(made, ["clip/dequantized"], images)[0]
    assert found.min() == 0
    assert found.max() == pytest.approx(0.5)


@pytest.mark.parametrize("activation", ["Relu", "LeakyRelu", ""])
@pytest.mark.parametrize("readers", ["depthwise", "dense"])
def test_equal_channels_change_no_digit_and_int8_gains(
    nets: Any, images: Any, activation: str, readers: str
) -> None:
    model = unlike(nets, activation, readers)
    changed = copied(model)
    found = {pair.first.name: pair for pair in pairs(changed.graph)}
    assert found["stem"].free
    ends = channel_peaks(copied(model), ["stem"], [images], 1)["stem"]
    row = equalise(changed.graph, found["stem"], ends)
    assert row is not None
    assert row["largest_factor"] > 4
    assert np.array_equal(*(fetch(m, ["head0"], images)[0] for m in (model, changed)))
    both = [found["stem"].tensor] if activation == "Relu" else ["stem", found["stem"].tensor]
    peaks = []
    for each in (model, changed):
        sizes = [np.abs(made).max(axis=(0, 2, 3)) for made in fetch(each, both, images)]
        peaks.append(np.log2(np.prod(sizes, axis=0)[sizes[-1] > 0]) / len(sizes))
    assert np.ptp(peaks[1]) < (2.5 if readers == "depthwise" else np.ptp(peaks[0]) - 1)
    ratios = []
    for each in (model, changed):
        made = copied(each)
        quantize(made, spans(each, images), ())
        ratios.append(db(model, made, images))
    assert ratios[1] > ratios[0] + 3


def test_silu_takes_a_factor_for_each_channel(nets: Any, images: Any) -> None:
    model = unlike(nets, "SiLU")
    changed = copied(model)
    pair = next(pair for pair in pairs(changed.graph) if pair.first.name == "stem")
    assert not pair.free
    ends = channel_peaks(copied(model), ["stem"], [images], 1)["stem"]
    row = equalise(changed.graph, pair, ends)
    assert row is not None
    assert row["activation"] == "SiLU"
    onnx.checker.check_model(changed, full_check=True)
    assert db(model, changed, images) > 90
    assert activations(changed.graph)["stem"].name == "scaled SiLU"
    made = copied(changed)
    ranges = {
        name: Seen(*span) for name, span in spans(changed, images).items() if name in names(changed)
    }
    quantize(made, choose_all(ranges, "minmax", None, activations(changed.graph)), ())
    plain = copied(model)
    quantize(plain, spans(model, images), ())
    assert db(model, made, images) > db(model, plain, images) + 3


def names(model: onnx.ModelProto) -> set[str]:
    return {
        n
        for node in model.graph.node
        if node.op_type == "Conv"
        for n in (*node.input, node.output[0])
    }


def test_like_channels_and_dead_ones_stay(nets: Any, images: Any) -> None:
    model = unlike(nets, "SiLU")
    pair = next(pair for pair in pairs(model.graph) if pair.first.name == "stem")
    assert equalise(model.graph, pair, np.ones((2, 16))) is None
    assert equalise(model.graph, pair, np.zeros((2, 16))) is None


def test_weights_that_two_convolutions_share_are_no_pair(nets: Any) -> None:
    net = nets.new()
    net.conv("input", "stem", 8, kernel=1)
    net.conv("stem", "left", 8, kernel=1)
    net.nodes.append(
        helper.make_node("Conv", ["left", "left.weight", "left.bias"], ["right"], "right")
    )
    assert [pair.first.name for pair in pairs(net.model("right").graph)] == []


def test_channel_statistics_are_those_of_numpy(nets: Any, images: Any) -> None:
    model = nets.depthwise()
    (exact,) = fetch(model, ["depth"], images)
    one_by_one = [image[None] for image in images]
    means = channel_means(copied(model), ["depth"], one_by_one, 1)["depth"]
    assert means == pytest.approx(exact.mean(axis=(0, 2, 3)), abs=1e-5)
    peaks = channel_peaks(copied(model), ["depth"], one_by_one, 1)["depth"]
    assert peaks[0] == pytest.approx(exact.max(axis=(2, 3)).mean(axis=0), abs=1e-5)
    assert peaks[1] == pytest.approx(-exact.min(axis=(2, 3)).mean(axis=0), abs=1e-5)


def test_biases_take_back_the_mean_error_of_each_layer(nets: Any, images: Any) -> None:
    model = nets.depthwise()
    ranges = spans(model, images)
    low, high = ranges["stem.relu"]
    ranges["stem.relu"] = (low, high * 0.5)  # what is cut off moves the means

    def quantised(each: onnx.ModelProto) -> onnx.ModelProto:
        quantize(each, ranges, ("stem",))
        return each

    def error(each: onnx.ModelProto) -> NDArray[Any]:
        """Of the layer `depth`, whose input is float up to here."""
        pair = [fetch(m, ["depth"], images)[0] for m in (model, quantised(copied(each)))]
        return np.asarray((pair[1] - pair[0]).mean(axis=(0, 2, 3)))

    corrected, rows = correct_biases(
        lambda: copied(model), quantised, [image[None] for image in images], 1
    )
    assert [row["convolution"] for row in rows] == ["depth", "point", "head0"]
    before, after = np.abs(error(model)), np.abs(error(corrected))
    assert before.max() > 0.01
    assert after.max() < 0.1 * before.max()
    assert rows[0]["largest_shift"] == pytest.approx(before.max(), rel=0.05)


def test_the_options_reach_precision_json(nets: Any, tmp_path: Path) -> None:
    before = nets.before(unlike(nets, "SiLU"), tmp_path, count=4)
    found = {}
    for number, options in enumerate(({}, {"equalise": "all", "bias_correction": "true"})):
        folders = run_stages([*before, *stages(**options)], tmp_path / str(number))
        text = (folders["compile"] / "precision.json").read_text(encoding="utf-8")
        found[number] = json.loads(text)
    assert found[0]["bias_correction"] is None
    assert found[0]["equalised"] is None
    corrected, equal = found[1]["bias_correction"], found[1]["equalised"]
    assert corrected["images"] == 4
    assert corrected["convolutions"] == 3
    assert [row["convolution"] for row in equal["pairs"] if row["activation"]] == ["stem"]
    assert equal["snr_db"] > 90
    assert found[1]["output_snr_db"]["head0"] > found[0]["output_snr_db"]["head0"]


def test_free_equalisation_leaves_silu_alone(nets: Any, tmp_path: Path) -> None:
    before = nets.before(unlike(nets, "SiLU"), tmp_path, count=2)
    made = stages(equalise="free")
    assert [stage.name for stage in made] == ["rewrite", "equalise", "calibrate", "compile"]
    folder = run_stages([*before, *made], tmp_path / "zoo")["equalise"]
    rows = json.loads((folder / "equalise.json").read_text(encoding="utf-8"))["pairs"]
    assert all(row["activation"] is None for row in rows)


def test_values_of_the_options_are_checked() -> None:
    for options in ({"equalise": "yes"}, {"bias_correction": "maybe"}, {"calibrator": "mae"}):
        with pytest.raises(UsageError, match=next(iter(options))):
            stages(**options)


def test_every_step_of_tuning_is_an_option_that_can_be_read() -> None:
    compiler = OnnxRuntimeCompiler()
    assert isinstance(compiler, Tunable)
    card = model_card()
    int8 = Target(backend="onnxruntime", precision="int8", device="cpu")
    steps = compiler.tuning(card, int8, lambda _: compiler)
    kinds = list(dict.fromkeys(step.kind for step in steps))
    assert kinds == ["calibrator", "range", "bias", "equalisation"]
    assert len({step.name for step in steps}) == len(steps)
    for step in steps:
        target = Target(backend="onnxruntime", precision="int8", device="cpu", options=step.options)
        assert read_options(card, target) != read_options(card, int8)
    fp32 = Target(backend="onnxruntime", precision="fp32", device="cpu")
    assert list(compiler.tuning(card, fp32, lambda _: compiler)) == []


def test_quantisable_tensors_are_those_around_convolutions(nets: Any, tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    onnx.save(unlike(nets, "Relu"), path)
    assert quantisable(path)[:4] == ("input", "stem", "stem.act", "next")
