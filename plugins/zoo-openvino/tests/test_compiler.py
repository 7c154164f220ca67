from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from zoo_openvino import OPTIONS
from zoo_openvino.compiler import OpenVinoCompiler
from zoo_openvino.engine import read
from zoo_openvino.options import QUANTIZER_KEYS
from zoo_openvino.runtime import OpenVinoRuntime

from zoo_core.api import CompileRequest, Graph, Stage, Target, TensorSpec
from zoo_core.errors import RegistryError, StageError, UnavailableError, UsageError
from zoo_core.pipeline.plan import make_plan
from zoo_core.plugins.manager import Plugins
from zoo_core.system.machine import cpu_features
from zoo_core.testing import model_card, run_stages
from zoo_core.testing.examples import files_stage, preprocess, protocol
from zoo_core.toolkit.artefact import read_graph

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

MATRIX = {"stem", "down", "narrow", "wide", "left", "right", "head0", "head1"}


def request(
    precision: str = "int8",
    card: Any = None,
    calibrator: str | None = "minmax",
    backend: str = "openvino",
    **options: str,
) -> CompileRequest:
    return CompileRequest(
        card=card or model_card(),
        target=Target(backend=backend, precision=precision, device="cpu", options=options),
        graph="export/graph.json",
        format="onnx",
        form="heads",
        calibration="calibration/images.json" if precision == "int8" else None,
        calibrator=calibrator,
        preprocess=preprocess((32, 32)),
        protocol=protocol(),
        size=(32, 32),
        others=Plugins.installed().compiler,
    )


def keys(before: Sequence[Stage], stages: Sequence[Stage]) -> dict[str, str]:
    return {item.stage.name: item.key for item in make_plan([*before, *stages])}


def build(before: Sequence[Stage], asked: CompileRequest, folder: Path) -> Path:
    stages = OpenVinoCompiler().stages(asked)
    return run_stages([*before, *stages], folder / "run")["compile"]


def precision_of(folder: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((folder / "precision.json").read_text(encoding="utf-8"))
    return data


def test_int8_is_made_once_for_two_engines(before: list[Stage]) -> None:
    """The very stages of the other backend, whatever is said to this one alone."""
    other = Plugins.installed().compiler("onnxruntime")
    theirs = keys(before, other.stages(request(backend="onnxruntime", float_nodes="stem")))
    asked = request(float_nodes="stem", streams="2", threads="1", cache="none", remainder="fp32")
    ours = keys(
        before, OpenVinoCompiler().stages(replace(asked, target=replace(asked.target, batch=4)))
    )
    assert ours["rewrite"] == theirs["rewrite"]
    assert ours["calibrate"] == theirs["calibrate"]
    assert ours["quantize"] == theirs["compile"]
    assert ours["compile"] not in theirs.values()


def test_what_is_for_the_session_alone_is_not_in_the_key(before: list[Stage]) -> None:
    for precision in ("fp32", "int8"):
        plain = keys(before, OpenVinoCompiler().stages(request(precision)))["compile"]
        asked = request(precision, streams="2", threads="1", cache="none")
        batch = replace(asked, target=replace(asked.target, batch=8))
        assert keys(before, OpenVinoCompiler().stages(batch))["compile"] == plain
    other = keys(before, OpenVinoCompiler().stages(request(remainder="fp32")))["compile"]
    assert other != plain


def test_every_option_of_the_one_who_quantises_can_be_said_here() -> None:
    theirs = set(Plugins.installed().backend("onnxruntime").options)
    assert theirs - {"threads"} == QUANTIZER_KEYS
    assert set(OPTIONS) >= QUANTIZER_KEYS
    other = Plugins.installed().compiler("onnxruntime")
    assert OpenVinoCompiler().calibrators == other.calibrators


def test_options_of_a_card_reach_the_one_who_quantises(before: list[Stage]) -> None:
    card = model_card(backends={"openvino": {"float_nodes": ["stem", "down"], "sensitive": "none"}})
    said = keys(
        before, OpenVinoCompiler().stages(request(float_nodes="stem,down", sensitive="none"))
    )
    assert keys(before, OpenVinoCompiler().stages(request(card=card))) == said
    with pytest.raises(RegistryError, match="did you mean 'streams'"):
        OpenVinoCompiler().stages(request(card=model_card(backends={"openvino": {"stream": 2}})))
    with pytest.raises(UsageError, match="sensitive is 'x'"):
        OpenVinoCompiler().stages(request(sensitive="x"))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"streams": "0"}, "streams is '0', not a number of streams from 1"),
        ({"threads": "two"}, "threads is 'two', not a number of threads from 1"),
        ({"remainder": "fp64"}, "remainder is 'fp64', not auto, bf16 or fp32"),
        ({"cache": " "}, "cache is ' ', not auto, none or a folder"),
        ({"steams": "2"}, "did you mean 'streams'"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, str], said: str) -> None:
    for precision in ("fp32", "int8"):
        with pytest.raises(UsageError, match=said):
            OpenVinoCompiler().stages(request(precision, **options))


def test_unknown_words_are_refused() -> None:
    with pytest.raises(UsageError, match="did you mean 'int8'"):
        OpenVinoCompiler().stages(request("int"))
    with pytest.raises(UsageError, match="unknown calibrator 'minmaxx'"):
        OpenVinoCompiler().stages(request(calibrator="minmaxx"))
    asked = request("fp32")
    with pytest.raises(UsageError, match="unknown device 'tpu'"):
        OpenVinoCompiler().stages(replace(asked, target=replace(asked.target, device="tpu")))


def test_without_the_other_plugin_int8_says_what_is_missing(
    before: list[Stage], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_DISABLE_PLUGINS", "onnxruntime")
    with pytest.raises(UnavailableError, match=r"pip install \./plugins/zoo-onnxruntime"):
        OpenVinoCompiler().stages(request())
    assert keys(before, OpenVinoCompiler().stages(request("fp32")))["compile"]


def test_int8_is_rewritten_and_told_truly(
    before: list[Stage], tmp_path: Path, images: NDArray[np.float32]
) -> None:
    folder = build(before, request(remainder="fp32"), tmp_path)
    told = precision_of(folder)
    assert {node["name"] for node in told["nodes"]} == MATRIX
    assert set(told["float_node_names"]) == {"head0", "head1"}
    assert told["computed_in"] == {"float32": 2, "int8": 6}
    assert "follows it" in told["nodes"][-1]["reason"]
    assert told["tool"].startswith("openvino 2")
    assert told["quantised_by"].startswith("onnxruntime ")
    assert told["calibration"]["calibrator"] == "minmax"
    found = {each["name"]: (each["count"], each["kept"]) for each in told["rewrites"]}
    assert found == {"restore-mish": (4, True), "drop-inner-pairs": (6, True)}
    plain = precision_of(build(before, request(remainder="fp32", rewrites="none"), tmp_path))
    assert plain["rewrites"] == []
    for name, ratio in told["output_snr_db"].items():
        assert ratio >= plain["output_snr_db"][name] - 0.5
        assert ratio > 20


def test_the_ratios_are_those_of_the_artefact(before: list[Stage], tmp_path: Path) -> None:
    """Computed again by ONNX Runtime on the same image, from the graph as exported."""
    import onnxruntime as ort

    from zoo_core.api.calibration import tensors

    stages = OpenVinoCompiler().stages(request(remainder="fp32"))
    done = run_stages([*before, *stages], tmp_path / "run")
    image = next(tensors(done["calibration"] / "images.json", preprocess((32, 32))))
    session = ort.InferenceSession(
        done["export"] / "model.onnx", providers=["CPUExecutionProvider"]
    )
    target = Target(
        backend="openvino", precision="int8", device="cpu", options={"remainder": "fp32"}
    )
    with OpenVinoRuntime().open(done["compile"], target) as opened:
        found = opened.run({"input": image})
    for name, ratio in precision_of(done["compile"])["output_snr_db"].items():
        (expected,) = session.run([name], {"input": image})
        noise = float(np.sum((expected - found[name]) ** 2))
        assert ratio == pytest.approx(10 * np.log10(float(np.sum(expected**2)) / noise), abs=0.2)


def test_floats_are_what_they_say(before: list[Stage], tmp_path: Path) -> None:
    fp32 = precision_of(build(before, request("fp32"), tmp_path))
    assert fp32["computed_in"] == {"float32": 8}
    assert fp32["int8_nodes"] == 0
    assert all(ratio is None or ratio > 100 for ratio in fp32["output_snr_db"].values())
    half = build(before, request("fp16"), tmp_path)
    whole = build(before, request("fp32"), tmp_path)
    assert (half / "model.bin").stat().st_size < 0.6 * (whole / "model.bin").stat().st_size
    assert precision_of(half)["weights"] == "float16"
    bf16 = precision_of(build(before, request("bf16"), tmp_path))
    if cpu_features() & {"avx512_bf16", "amx_bf16"}:
        assert bf16["computed_in"] == {"bfloat16": 8}
        assert all(25 < ratio < 60 for ratio in bf16["output_snr_db"].values())
    else:
        assert bf16["warnings"] == ["bf16: this device computes in fp32"]


def test_a_graph_openvino_refuses_is_an_error_of_one_line(
    before: list[Stage], tmp_path: Path
) -> None:
    broken = tmp_path / "model.onnx"
    broken.write_bytes(Path(before[0].locations["model.onnx"]).read_bytes()[:900])
    files = {"model.onnx": broken, "graph.json": Path(before[0].locations["graph.json"])}
    with pytest.raises(StageError) as error:
        build([replace(files_stage(files), name="export")], request("fp32"), tmp_path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_a_fixed_batch_is_compiled_and_compared_as_one(
    before_of_four: list[Stage], tmp_path: Path, precision: str
) -> None:
    told = precision_of(build(before_of_four, request(precision, remainder="fp32"), tmp_path))
    assert told["int8_nodes"] == (6 if precision == "int8" else 0)
    assert all(ratio is None or ratio > 20 for ratio in told["output_snr_db"].values())


def test_where_nothing_became_int8_it_is_an_error(before: list[Stage], tmp_path: Path) -> None:
    with pytest.raises(StageError, match="no convolution became int8"):
        build(before, request(float_nodes="*"), tmp_path)


def test_a_graph_is_read_as_the_exporter_left_it(before: list[Stage]) -> None:
    graph = read_graph(Path(before[0].locations["graph.json"]))
    assert [spec.name for spec in graph.outputs] == ["head0", "head1"]


def exported(
    nodes: list[onnx.NodeProto], constants: list[onnx.TensorProto], shape: Any, folder: Path
) -> Stage:
    """The export of a graph from input [batch, 3, 32, 32] to head0."""
    value = helper.make_tensor_value_info
    inputs = [value("input", TensorProto.FLOAT, ["batch", 3, 32, 32])]
    outputs = [value("head0", TensorProto.FLOAT, list(shape))]
    made = helper.make_graph(nodes, "net", inputs, outputs, constants)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    files = {name: folder / "given" / name for name in ("model.onnx", "graph.json")}
    files["model.onnx"].parent.mkdir()
    onnx.save(model, files["model.onnx"])
    graph = Graph(
        format="onnx",
        path="model.onnx",
        inputs=(TensorSpec(name="input", shape=("batch", 3, 32, 32)),),
        outputs=(TensorSpec(name="head0", shape=tuple(shape)),),
        facts={},
    )
    files["graph.json"].write_text(json.dumps(graph.to_data()), encoding="utf-8")
    return replace(files_stage(files), name="export")


def averaged() -> list[onnx.NodeProto]:
    shape = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}
    more = {"ceil_mode": 1, "count_include_pad": 1}
    return [helper.make_node("AveragePool", ["conv"], ["head0"], "pool", **shape, **more)]


def clipped() -> list[onnx.NodeProto]:
    return [
        helper.make_node("QuantizeLinear", ["conv", "scale", "zero"], ["q"], "q"),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["head0"], "dq"),
    ]


def resized() -> list[onnx.NodeProto]:
    how = {"mode": "linear", "antialias": 1}
    return [helper.make_node("Resize", ["conv", "", "scales"], ["head0"], "resize", **how)]


@pytest.mark.parametrize(("nodes", "side"), [(averaged, 17), (clipped, 32), (resized, 16)])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_what_openvino_reads_otherwise_is_told(
    tmp_path: Path, nodes: Any, side: int, precision: str
) -> None:
    """ceil_mode with padding that counts, int16 pairs that clip, antialias."""
    weights = np.random.default_rng(3).normal(0, 0.4, (8, 3, 3, 3)).astype(np.float32)
    constants = [
        numpy_helper.from_array(weights, "w"),
        numpy_helper.from_array(np.float32(1e-5), "scale"),
        numpy_helper.from_array(np.int16(0), "zero"),
        numpy_helper.from_array(np.array([1, 1, 0.5, 0.5], np.float32), "scales"),
    ]
    conv = helper.make_node("Conv", ["input", "w"], ["conv"], "conv", pads=[1, 1, 1, 1])
    before = [exported([conv, *nodes()], constants, ("batch", 8, side, side), tmp_path)]
    told = precision_of(build(before, request(precision), tmp_path))
    assert told["output_snr_db"]["head0"] < 45
    texts = [text for text in told["warnings"] if "engine computes something else" in text]
    assert len(texts) == 1
    assert texts[0].startswith("fp32: " if precision == "fp32" else "in float32: ")
    wide = [text for text in told["warnings"] if "more than 8 bits" in text]
    assert [text.partition(", ")[0] for text in wide] == (
        [f"{precision}: the file quantises 1 tensor to more than 8 bits"] * (nodes is clipped)
    )
    if precision == "bf16":
        assert told["float32_snr_db"]["head0"] < 45


@pytest.mark.parametrize("bias", ["Gemm", "MatMul", "activated", ""])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_product_with_a_bias_is_known_by_its_sum(
    tmp_path: Path, bias: str, precision: str
) -> None:
    """OpenVINO calls the one layer of both like the node that adds the bias, or the activation."""
    random = np.random.default_rng(5)
    names = ["flat", "w", "b"]
    products = {
        "Gemm": [helper.make_node("Gemm", names, ["y"], "product")],
        "": [helper.make_node("MatMul", names[:2], ["y"], "product")],
    }
    add = [
        helper.make_node("MatMul", names[:2], ["p"], "product"),
        helper.make_node("Add", ["p", "b"], ["y"], "sum"),
    ]
    end = "Relu" if bias == "activated" else "Identity"
    nodes = [
        helper.make_node("Flatten", ["input"], ["flat"], "flat"),
        *products.get(bias, add),
        helper.make_node(end, ["y"], ["head0"], "end"),
    ]
    constants = [
        numpy_helper.from_array(random.normal(size=(3072, 8)).astype(np.float32), "w"),
        numpy_helper.from_array(random.normal(size=8).astype(np.float32), "b"),
    ]
    before = [exported(nodes, constants, ("batch", 8), tmp_path)]
    told = precision_of(build(before, request(precision), tmp_path))
    narrow = precision == "bf16" and cpu_features() & {"avx512_bf16", "amx_bf16"}
    assert [(node["op"], node["precision"]) for node in told["nodes"]] == [
        ("MatMul", "bfloat16" if narrow else "float32")
    ]


def test_an_operator_that_openvino_does_not_know_is_named(tmp_path: Path) -> None:
    specs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in (("x", [1, 3, 8, 8]), ("y", [1, 3]))
    ]
    graph = helper.make_graph([helper.make_node("Det", ["x"], ["y"])], "g", specs[:1], specs[1:])
    path = tmp_path / "m.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)
    with pytest.raises(StageError, match="OpenVINO has no operator Det-17; use --backend onnxrun"):
        read(path)
