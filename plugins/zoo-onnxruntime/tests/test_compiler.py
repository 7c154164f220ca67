from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx.reference import ReferenceEvaluator
from zoo_onnxruntime.compiler import OnnxRuntimeCompiler
from zoo_onnxruntime.trial import CANDIDATES

from zoo_core.api import CompileRequest, Stage, Target, TensorSpec
from zoo_core.errors import DataError, StageError, UsageError
from zoo_core.pipeline.plan import make_plan
from zoo_core.testing import model_card, run_stages
from zoo_core.testing.examples import preprocess, protocol
from zoo_core.toolkit.similarity import drawn_feeds, snr_db

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

HEADS = ("head0", "head1")


def request(
    precision: str = "int8", calibrator: str | None = "minmax", card: Any = None, **options: str
) -> CompileRequest:
    return CompileRequest(
        card=model_card(backends={"onnxruntime": card or {}}),
        target=Target(backend="onnxruntime", precision=precision, device="cpu", options=options),
        graph="export/graph.json",
        format="onnx",
        form="heads",
        calibration="calibration/images.json" if precision == "int8" else None,
        calibrator=calibrator,
        preprocess=preprocess((32, 32)),
        protocol=protocol(),
        size=(32, 32),
    )


def stages(*arguments: Any, **options: Any) -> Sequence[Stage]:
    return OnnxRuntimeCompiler().stages(request(*arguments, **options))


def built(before: list[Stage], tmp_path: Path, made: Sequence[Stage]) -> tuple[Path, Any]:
    folder = run_stages([*before, *made], tmp_path / "zoo")["compile"]
    return folder, json.loads((folder / "precision.json").read_text(encoding="utf-8"))


def keys(before: list[Stage], made: Sequence[Stage]) -> dict[str, str]:
    return {item.stage.name: item.key for item in make_plan([*before, *made])}


def test_variants_share_what_they_have_in_common(before: list[Stage]) -> None:
    plain = keys(before, stages())
    assert list(plain) == ["export", "calibration", "rewrite", "calibrate", "compile"]
    bare = keys(before, stages(sensitive="none"))
    assert bare["calibrate"] == plain["calibrate"]
    assert bare["compile"] != plain["compile"]
    named = keys(before, stages(card={"float_nodes": ["stem"]}))
    assert named["calibrate"] == plain["calibrate"]
    assert named["compile"] not in {bare["compile"], plain["compile"]}
    assert keys(before, stages("fp32"))["rewrite"] == plain["rewrite"]
    assert keys(before, stages(threads="1")) == plain
    assert keys(before, stages(percentile="99"))["compile"] == plain["compile"]
    assert keys(before, stages(rewrites="none"))["rewrite"] != plain["rewrite"]


def test_calibrators_and_percentiles_differ_in_key(before: list[Stage]) -> None:
    made = [stages(calibrator=name) for name in (None, "minmax", "percentile", "entropy")]
    made.append(stages(calibrator="percentile", percentile="99.9"))
    assert len({keys(before, each)["calibrate"] for each in made}) == 5
    same = keys(before, stages(calibrator="kl"))["calibrate"]
    assert same == keys(before, stages(calibrator="entropy"))["calibrate"]


def test_the_order_of_calibrator_choices() -> None:
    chosen = [
        stages(calibrator=None),
        stages(calibrator=None, card={"calibrator": "kl"}),
        OnnxRuntimeCompiler().stages(
            replace(request(calibrator=None, card={"calibrator": "kl"}), calibrator="max")
        ),
    ]
    assert [each[1].params["calibrator"] for each in chosen] == ["auto", "entropy", "minmax"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"target": Target(backend="onnxruntime", precision="int9", device="cpu")}, "'int8'"),
        ({"target": Target(backend="onnxruntime", precision="int8", device="gpu")}, "cpu"),
        ({"calibrator": "entropie"}, "'entropy'"),
        ({"calibration": None}, "calibration images"),
    ],
)
def test_requests_that_do_not_fit_are_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        OnnxRuntimeCompiler().stages(replace(request(), **changes))


def test_fp32_is_the_rewritten_graph(before: list[Stage], tmp_path: Path) -> None:
    folder, told = built(before, tmp_path, stages("fp32"))
    operators = {node.op_type for node in onnx.load(folder / "model.onnx").graph.node}
    assert not operators & {"Softplus", "Tanh", "DequantizeLinear"}
    assert (told["int8_nodes"], told["float_nodes"]) == (0, 8)
    assert told["float_operators"]["Exp"] == 5
    assert told["warnings"] == []


def test_rewrites_can_be_left_out(before: list[Stage], tmp_path: Path) -> None:
    folder, _ = built(before, tmp_path, stages("fp32", rewrites="none"))
    operators = [node.op_type for node in onnx.load(folder / "model.onnx").graph.node]
    assert operators.count("Softplus") == 5


def test_fp16_takes_half_the_bytes_and_says_what_it_computes_in(nets: Any, tmp_path: Path) -> None:
    net = nets.new()
    net.conv(net.mish(net.conv("input", "wide", 200)), "head0", 200)
    before = nets.before(net.model("head0"), tmp_path, count=1)
    full, _ = built(before, tmp_path, stages("fp32"))
    half, told = built(before, tmp_path, stages("fp16"))
    sizes = [(folder / "model.onnx").stat().st_size for folder in (full, half)]
    assert sizes[1] < 0.51 * sizes[0]
    assert told["weights"] == "float16"
    assert "computes in float32" in told["warnings"][0]
    assert told["output_snr_db"]["head0"] > 60
    assert {row["precision"] for row in told["nodes"]} == {"float32"}


def test_int8_reports_what_it_did(before: list[Stage], tmp_path: Path) -> None:
    folder, told = built(before, tmp_path, stages())
    assert (told["int8_nodes"], told["float_nodes"]) == (6, 2)
    assert told["float_node_names"] == list(HEADS)
    reasons = {row["name"]: row["reason"] for row in told["nodes"]}
    assert reasons["head1"] == "output 'head1' follows it"
    assert told["calibration"]["calibrator"] == "minmax"
    assert told["calibration"]["images"] == 6
    assert told["calibration"]["halves"]["tensors"] > told["int8_nodes"]
    assert all(ratio > 25 for ratio in told["output_snr_db"].values())
    artefact = json.loads((folder / "artefact.json").read_text(encoding="utf-8"))
    assert artefact["precision"] == "int8"
    assert [row["name"] for row in artefact["outputs"]] == list(HEADS)
    onnx.checker.check_model(onnx.load(folder / "model.onnx"), full_check=True)


def test_the_rule_and_the_names_can_be_overridden(before: list[Stage], tmp_path: Path) -> None:
    _, told = built(before, tmp_path, stages(sensitive="none"))
    assert told["float_nodes"] == 0
    _, told = built(before, tmp_path, stages(card={"float_nodes": ["na*"], "sensitive": "none"}))
    assert told["float_node_names"] == ["narrow"]
    with pytest.raises(UsageError, match=r"'steem'.*'stem'"):
        built(before, tmp_path, stages(float_nodes="steem"))


@pytest.mark.parametrize("calibrator", ["minmax", "percentile", "entropy", "auto"])
def test_calibration_is_reproducible(before: list[Stage], tmp_path: Path, calibrator: str) -> None:
    made = stages(calibrator=calibrator)
    texts = []
    for turn in ("first", "second"):
        folder = run_stages([*before, *made], tmp_path / turn)["calibrate"]
        texts.append((folder / "ranges.json").read_text(encoding="utf-8"))
    assert texts[0] == texts[1]
    data = json.loads(texts[0])
    assert list(data["ranges"]) == list(data["seen"])
    for name, (low, high) in data["ranges"].items():
        assert data["seen"][name][0] <= low <= high <= data["seen"][name][1]


def test_auto_takes_the_calibrator_that_keeps_most(before: list[Stage], tmp_path: Path) -> None:
    folder = run_stages([*before, *stages(calibrator=None)], tmp_path / "zoo")["calibrate"]
    data = json.loads((folder / "ranges.json").read_text(encoding="utf-8"))
    tried = data["tried_snr_db"]
    assert len(tried) == len(CANDIDATES)
    assert tried[data["calibrator"]] == max(tried.values())
    assert len(set(tried.values())) > 1
    name, _, share = data["calibrator"].partition(" ")
    options = {"percentile": share} if share else {}
    alone = run_stages([*before, *stages(calibrator=name, **options)], tmp_path / "zoo")
    again = json.loads((alone["calibrate"] / "ranges.json").read_text(encoding="utf-8"))
    assert again["ranges"] == data["ranges"]


def test_no_calibration_image_is_a_data_error(nets: Any, tmp_path: Path) -> None:
    before = nets.before(nets.mish(), tmp_path, count=0)
    with pytest.raises(DataError, match="no calibration image"):
        built(before, tmp_path, stages())


def test_int8_of_nothing_is_an_error(nets: Any, tmp_path: Path) -> None:
    net = nets.new()
    net.conv("input", "head0", 4)
    before = nets.before(net.model("head0"), tmp_path, count=1)
    with pytest.raises(StageError) as caught:
        built(before, tmp_path, stages())
    told = "(1: only an output follows it, sensitive=outputs)"
    assert caught.value.what == f"no convolution became int8, 1 stayed float {told}"
    assert caught.value.next.startswith("give --option sensitive=none, or use --precision fp32")
    _, told = built(before, tmp_path, stages(sensitive="none"))
    assert told["int8_nodes"] == 1


def test_an_int8_graph_that_lost_the_signal_is_warned_of(nets: Any, tmp_path: Path) -> None:
    net = nets.new()
    first = net.conv("input", "first", 8, kernel=1)
    bias = np.array([1e6] + [0.0] * 7, np.float32)
    net.constants[-1].CopyFrom(onnx.numpy_helper.from_array(bias, "first.bias"))
    for name, value in (("from", 1), ("to", 8), ("axis", 1)):
        net.constants.append(onnx.numpy_helper.from_array(np.array([value], np.int64), name))
    small = net.node("Slice", [first, "from", "to", "axis"], "small")
    net.channels[small] = 7
    net.conv(small, "head0", 4, kernel=1)
    before = nets.before(net.model("head0"), tmp_path, count=2)
    _, told = built(before, tmp_path, stages())
    (warning,) = [text for text in told["warnings"] if "outputs (" in text]
    ratio = told["output_snr_db"]["head0"]
    assert warning.startswith(f"int8: 1 of 1 outputs ('head0' {ratio} dB) keep little of the float")


def test_an_opset_11_graph_can_be_quantised(nets: Any, tmp_path: Path) -> None:
    before = nets.before(nets.mish(opset=11), tmp_path, count=3)
    folder, told = built(before, tmp_path, stages())
    assert told["int8_nodes"] == 6
    session = ort.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    found = session.run(None, {"input": np.zeros((3, 3, 32, 32), np.float32)})
    assert [len(each) for each in found] == [3, 3]


def with_dropped_relu() -> onnx.ModelProto:
    """Relu before a QuantizeLinear to int4 with zero point 0, which ONNX Runtime's optimiser drops.

    The meaning is that of the graph without optimisation; onnx.reference gives the same.
    """
    make, tensor = onnx.helper.make_node, onnx.numpy_helper.from_array
    source = np.random.default_rng(4)
    constants = [
        tensor(source.normal(0, 0.3, (8, 3, 3, 3)).astype(np.float32), "w"),
        tensor(np.float32(0.3), "scale"),
        onnx.helper.make_tensor("zero", onnx.TensorProto.INT4, [], [0]),
    ]
    nodes = [
        make("Conv", ["input", "w"], ["conv"], "conv", pads=[1, 1, 1, 1]),
        make("Relu", ["conv"], ["relu"], "relu"),
        make("QuantizeLinear", ["relu", "scale", "zero"], ["q"], "q"),
        make("DequantizeLinear", ["q", "scale", "zero"], ["head0"], "dq"),
    ]
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        nodes,
        "net",
        [value("input", onnx.TensorProto.FLOAT, ["batch", 3, 32, 32])],
        [value("head0", onnx.TensorProto.FLOAT, ["batch", 8, 32, 32])],
        constants,
    )
    imports = [onnx.helper.make_opsetid("", 21)]
    return onnx.helper.make_model(graph, opset_imports=imports, ir_version=10)


def test_what_the_engine_computes_wrongly_is_warned_of(nets: Any, tmp_path: Path) -> None:
    before = nets.before(with_dropped_relu(), tmp_path, count=0)
    folder, told = built(before, tmp_path, stages("fp32"))
    feeds = drawn_feeds(
        [TensorSpec(name="input", shape=("batch", 3, 32, 32))], preprocess((32, 32))
    )
    (right,) = ReferenceEvaluator(str(tmp_path / "export" / "model.onnx")).run(None, feeds)
    session = ort.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    assert snr_db(right, session.run(None, feeds)[0]) == pytest.approx(
        told["output_snr_db"]["head0"], abs=0.1
    )
    (warning,) = told["warnings"]
    assert "this engine computes something else" in warning
    assert told["compared_with"] == f"ONNX Runtime {ort.__version__} without optimisation"


def fixed(model: onnx.ModelProto, batch: int) -> onnx.ModelProto:
    """The model for batches of this size only."""
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = batch
    return model


@pytest.mark.parametrize(("calibrator", "count"), [("minmax", 6), ("auto", 8)])
def test_a_fixed_batch_is_calibrated_in_batches(
    nets: Any, tmp_path: Path, calibrator: str, count: int
) -> None:
    """In batches of four: what is seen is what a free batch shows of the images one by one."""
    folders = [tmp_path / "fixed", tmp_path / "free"]
    seen = []
    for folder, model in zip(folders, (fixed(nets.mish(), 4), nets.mish()), strict=True):
        folder.mkdir()
        before = nets.before(model, folder, count=count)
        done = run_stages([*before, *stages("int8", calibrator)], folder / "zoo")
        seen.append(json.loads((done["calibrate"] / "ranges.json").read_text(encoding="utf-8")))
        told = json.loads((done["compile"] / "precision.json").read_text(encoding="utf-8"))
        assert told["int8_nodes"] == 6
        assert all(ratio > 20 for ratio in told["output_snr_db"].values())
    assert seen[0]["images"] == seen[1]["images"] == count
    assert seen[0]["calibrator"] == seen[1]["calibrator"]
    tried = [each.get("tried_snr_db", {}) for each in seen]
    assert tried[0] == pytest.approx(tried[1], abs=0.2)
    assert seen[0]["seen"].keys() == seen[1]["seen"].keys()
    for name, ends in seen[0]["seen"].items():
        np.testing.assert_allclose(ends, seen[1]["seen"][name], rtol=1e-4, atol=1e-5)


def test_int8_lifts_an_old_operator_set_even_without_rewrites(nets: Any, tmp_path: Path) -> None:
    before = nets.before(nets.mish(opset=11), tmp_path, count=2)
    folder, told = built(before, tmp_path, stages(rewrites="none"))

    assert told["int8_nodes"] == 6
    model = onnx.load(folder / "model.onnx")
    assert [(o.domain, o.version) for o in model.opset_import] == [("", 17)]
    assert "Softplus" in {node.op_type for node in model.graph.node}


def test_fp32_without_rewrites_keeps_the_operator_set(nets: Any, tmp_path: Path) -> None:
    before = nets.before(nets.mish(opset=11), tmp_path, count=2)
    folder, _ = built(before, tmp_path, stages("fp32", rewrites="none"))

    assert onnx.load(folder / "model.onnx").opset_import[0].version == 11


def test_what_cannot_be_lifted_is_told(
    nets: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise onnx.version_converter.ConvertError("no adapter")

    monkeypatch.setattr(onnx.version_converter, "convert_version", refuse)
    before = nets.before(nets.mish(opset=11), tmp_path, count=2)
    with pytest.raises(StageError, match="needs opset 13, the graph has 11, and onnx cannot"):
        built(before, tmp_path, stages())
