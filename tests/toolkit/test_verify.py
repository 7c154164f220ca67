from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest

from zoo_core.api import StageContext
from zoo_core.errors import DataError, StageError, UnavailableError
from zoo_core.testing.examples import tiny_model
from zoo_core.toolkit.artefact import read_graph, write_graph
from zoo_core.toolkit.verify import Meaning, run_onnx, verify_graph

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from zoo_core.api import Graph

SIZE = (32, 48)


@pytest.fixture
def context(tmp_path: Path) -> StageContext:
    from zoo_core.api import Graph, TensorSpec

    model = tiny_model(SIZE)
    onnx.save(model, tmp_path / "model.onnx")
    specs = {
        value.name: TensorSpec(
            name=value.name,
            shape=tuple(d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim),
        )
        for value in (*model.graph.input, *model.graph.output)
    }
    graph = Graph(
        format="onnx",
        path="model.onnx",
        inputs=tuple(specs[value.name] for value in model.graph.input),
        outputs=tuple(specs[value.name] for value in model.graph.output),
        facts={},
    )
    write_graph(tmp_path, graph)
    inputs = {"graph": tmp_path / "graph.json", "model": tmp_path / "model.onnx"}
    ignore: Any = None
    return StageContext(
        inputs=inputs,
        params={},
        locations={},
        out=tmp_path,
        log=tmp_path / "log",
        resume_dir=tmp_path,
        progress=lambda *_: None,
        plugins=ignore,
        sessions=ignore,
    )


def changed(
    context: StageContext, change: Callable[[NDArray[Any]], NDArray[Any]], *, last: int = 2
) -> Callable[[Graph, Mapping[str, NDArray[Any]]], list[NDArray[Any]]]:
    """The graph itself as reference, of its last samples, with its first output changed."""

    def run(graph: Graph, feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        outputs, _ = run_onnx(context.inputs["model"], graph, feeds)
        outputs[0] = change(outputs[0])
        return [array[-last:] for array in outputs]

    return run


def record(context: StageContext) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((context.out / "verify.json").read_text())
    return data


@pytest.mark.parametrize("last", [1, 2])
def test_equal_outputs(context: StageContext, last: int) -> None:
    run = changed(context, lambda array: array, last=last)
    verify_graph(context, "itself", run, finite=True, facts={"more": 1})
    found = record(context)
    assert (found["max_abs"], found["max_rel"], found["reference"]) == (0, 0, "itself")
    assert found["engine"].startswith("ONNX Runtime ")
    assert found["input"]["shape"] == [2, 3, *SIZE]
    assert found["more"] == 1
    graph = read_graph(context.inputs["graph"])
    assert list(found["outputs"]) == [spec.name for spec in graph.outputs]
    assert all(row["snr_db"] is None for row in found["outputs"].values())


def test_a_difference_is_recorded_and_raised(context: StageContext) -> None:
    def move(array: NDArray[Any]) -> NDArray[Any]:
        array[1, 0, 0, 0] += np.float32(0.01) * np.abs(array).max()
        return array

    with pytest.raises(StageError, match="of the graph differs by"):
        verify_graph(context, "moved", changed(context, move))
    found = record(context)
    assert found["max_rel"] == pytest.approx(0.01, rel=0.05)
    first, *rest = found["outputs"].values()
    assert first["max_abs"] == found["max_abs"]
    assert 20 < first["snr_db"] < 120
    assert all(row["max_abs"] == 0 for row in rest)


def test_nan_is_a_difference_and_a_fault(context: StageContext) -> None:
    def spoil(array: NDArray[Any]) -> NDArray[Any]:
        array[1, 0, 0, 0] = np.nan
        return array

    with pytest.raises(StageError, match="differs by nan"):
        verify_graph(context, "spoilt", changed(context, spoil))
    with pytest.raises(DataError, match="not finite"):
        verify_graph(context, "spoilt", changed(context, spoil), finite=True)


def test_shapes_and_files_that_do_not_fit(context: StageContext) -> None:
    with pytest.raises(StageError, match="the network's is"):
        verify_graph(context, "less", changed(context, lambda array: array[:, :1]))
    context.inputs["model"].write_bytes(b"no model")
    with pytest.raises(DataError, match="is not an ONNX file"):
        verify_graph(context, "itself", changed(context, lambda array: array))


def with_an_operator(context: StageContext, op: str, domain: str, opset: int) -> None:
    """Puts a node of an operator before the graph's first output, in a new version of the file."""
    model = onnx.load(context.inputs["model"])
    name = model.graph.output[0].name
    (maker,) = (node for node in model.graph.node if name in node.output)
    maker.output[list(maker.output).index(name)] = "before"
    model.graph.node.append(onnx.helper.make_node(op, ["before"], [name], domain=domain))
    if domain:
        model.opset_import.append(onnx.helper.make_opsetid(domain, opset))
    onnx.save(model, context.inputs["model"])


def test_an_operator_of_the_device_alone_leaves_the_export_unverified(
    context: StageContext,
) -> None:
    with_an_operator(context, "Sparkle", "maker.of.a.card", 1)

    verify_graph(context, "PyTorch 9", lambda graph, _: [np.ones(2)] * len(graph.outputs))

    found = record(context)
    assert (found["max_abs"], found["max_rel"], found["outputs"]) == (None, None, {})
    (warning,) = found["warnings"]
    assert warning.startswith("the export is not verified: ONNX Runtime lacks an operator")
    assert "maker.of.a.card:Sparkle" in warning
    assert "and so does onnx.reference" in warning


def test_a_file_that_is_broken_is_no_missing_operator(context: StageContext) -> None:
    with_an_operator(context, "Reshape", "", 0)
    with pytest.raises(DataError, match="ONNX Runtime cannot run it"):
        verify_graph(context, "it", lambda graph, _: [np.ones(2)] * len(graph.outputs))


def test_what_only_onnx_itself_knows_is_run_by_its_reference(
    context: StageContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A made-up engine that knows nothing: small graphs are verified nevertheless."""

    def nothing(*_: Any, **__: Any) -> None:
        raise RuntimeError("Could not find an implementation for Conv(11)")

    given = read_graph(context.inputs["graph"])
    feeds = {"input": np.random.default_rng(1).random((2, 3, *SIZE), dtype=np.float32)}
    expected, engine = run_onnx(context.inputs["model"], given, feeds)
    assert "without optimisation" in engine
    monkeypatch.setattr("onnxruntime.InferenceSession", nothing)
    found, engine = run_onnx(context.inputs["model"], given, feeds)
    assert engine == f"onnx.reference {onnx.__version__}"
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    large = {"input": np.zeros((20, 3, *SIZE), np.float32)}
    with pytest.raises(UnavailableError, match="input of 92160 values is too large"):
        run_onnx(context.inputs["model"], given, large)


def test_what_onnx_runtime_has_not_written_is_no_broken_file(context: StageContext) -> None:
    """Conv with dilations and auto_pad: valid, refused at the first run."""
    model = onnx.load(context.inputs["model"])
    (conv, *_) = (node for node in model.graph.node if node.op_type == "Conv")
    kernel = next(t for t in model.graph.initializer if t.name == conv.input[1])
    side = kernel.dims[-1]
    del conv.attribute[:]
    make = onnx.helper.make_attribute
    conv.attribute.extend([make("auto_pad", "SAME_UPPER"), make("dilations", [2, 2])])
    conv.attribute.append(make("kernel_shape", [side, side]))
    onnx.save(model, context.inputs["model"])
    given = read_graph(context.inputs["graph"])
    feeds = {"input": np.zeros((1, 3, *SIZE), np.float32)}
    assert (
        run_onnx(context.inputs["model"], given, feeds)[1] == f"onnx.reference {onnx.__version__}"
    )


def test_a_graph_that_does_not_run_here_leaves_a_build_without_comparison(
    context: StageContext,
) -> None:
    with_an_operator(context, "Reshape", "", 0)
    given = read_graph(context.inputs["graph"])
    feeds = {"input": np.zeros((1, 3, *SIZE), np.float32)}
    found = Meaning.of(context.inputs["graph"], feeds)
    assert found.outputs is None
    facts, (warning,) = found.compare("fp32", given, [])
    assert facts == {}
    assert warning.startswith("fp32: not compared with what the graph means: ONNX Runtime cannot")


@pytest.mark.parametrize(
    ("steep", "db", "told"),
    [(1e5, 40, False), (1e5, 25, True), (1.0, 40, True), (1.0, 70, False)],
)
def test_an_engine_is_not_blamed_for_what_the_last_bit_of_the_image_moves_as_much(
    tmp_path: Path, steep: float, db: float, told: bool
) -> None:
    """sin(100000 x) of numbers below 1: their last bits are worth about 45 dB."""
    from zoo_core.api import Graph, TensorSpec

    make = onnx.helper
    nodes = [make.make_node("Mul", ["x", "steep"], ["z"]), make.make_node("Sin", ["z"], ["y"])]
    ends = (make.make_tensor_value_info(name, 1, [1, 4096]) for name in "xy")
    factor = onnx.numpy_helper.from_array(np.array(steep, np.float32), "steep")
    body = make.make_graph(nodes, "sine", *([end] for end in ends), [factor])
    opsets = [make.make_opsetid("", 17)]
    onnx.save(make.make_model(body, opset_imports=opsets, ir_version=8), tmp_path / "m.onnx")
    x, y = (TensorSpec(name=name, shape=(1, 4096)) for name in "xy")
    given = Graph(format="onnx", path="m.onnx", inputs=(x,), outputs=(y,), facts={})
    write_graph(tmp_path, given)
    generator = np.random.default_rng(0)
    meaning = Meaning.of(
        tmp_path / "graph.json", {"x": generator.random((1, 4096), dtype=np.float32)}
    )
    assert meaning.outputs is not None
    (right,) = meaning.outputs
    noise = generator.normal(size=right.shape) * np.sqrt(np.mean(right**2)) * 10 ** (-db / 20)
    facts, warnings = meaning.compare("fp32", given, [(right + noise).astype(np.float32)])
    assert len(warnings) == told
    assert ("last_bit_db" in facts) == (db < 60)
    if steep > 1:
        assert 35 < facts["last_bit_db"] < 50
