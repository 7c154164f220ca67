from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from zoo_onnxruntime.graph import is_portable
from zoo_onnxruntime.rewrites.chain import REWRITES, Applied, Rewrite, rewrite
from zoo_onnxruntime.rewrites.fold import fold
from zoo_onnxruntime.rewrites.mish import rewrite_mish
from zoo_onnxruntime.rewrites.opset import lift
from zoo_onnxruntime.rewrites.proof import BATCH, Reference, agreement, demand, outputs

from zoo_core.api import TensorSpec
from zoo_core.errors import DataError, StageError
from zoo_core.toolkit.onnx_file import opset
from zoo_core.toolkit.similarity import seeded_feeds

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

SPEC = TensorSpec(name="input", shape=("batch", 3, 32, 32))
FEEDS = seeded_feeds([SPEC], BATCH)


def evaluated(model: onnx.ModelProto, feeds: dict[str, Any]) -> list[NDArray[Any]]:
    return [np.asarray(array) for array in ReferenceEvaluator(model).run(None, feeds)]


def operators(model: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]


def applied(model: onnx.ModelProto, folder: Path) -> tuple[onnx.ModelProto, list[Applied]]:
    source, target = folder / "source.onnx", folder / "target.onnx"
    onnx.save(model, source)
    done = list(rewrite(source, target, FEEDS, REWRITES))
    assert sorted(p.name for p in folder.iterdir()) == ["source.onnx", "target.onnx"]
    return onnx.load(target), done


def line(nodes: list[Any], *constants: Any, opset_version: int = 18) -> onnx.ModelProto:
    """A graph from x [n] to y [n]."""
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "line",
        [value("x", TensorProto.FLOAT, ["n"])],
        [value("y", TensorProto.FLOAT, ["n"])],
        list(constants),
    )
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", opset_version)], ir_version=8
    )


def softplus_tanh(swapped: bool = False) -> onnx.ModelProto:
    return line(
        [
            helper.make_node("Softplus", ["x"], ["s"]),
            helper.make_node("Tanh", ["s"], ["t"]),
            helper.make_node("Mul", ["t", "x"] if swapped else ["x", "t"], ["y"]),
        ]
    )


def thresholded(limit: float) -> onnx.ModelProto:
    return line(
        [
            helper.make_node("Softplus", ["x"], ["s"]),
            helper.make_node("Greater", ["x", "limit"], ["g"]),
            helper.make_node("Where", ["g", "x", "s"], ["w"]),
            helper.make_node("Tanh", ["w"], ["t"]),
            helper.make_node("Mul", ["x", "t"], ["y"]),
        ],
        numpy_helper.from_array(np.array(limit, np.float32), "limit"),
    )


def rewritten(model: onnx.ModelProto, folder: Path) -> onnx.ModelProto | None:
    before = model.SerializeToString()
    found, count = rewrite_mish(model, folder)
    assert count or found.SerializeToString() == before
    return found if count else None


def exact_mish(x: NDArray[Any]) -> NDArray[Any]:
    wide = x.astype(np.float64)
    return np.asarray(wide * np.tanh(np.logaddexp(0, wide)))


@pytest.mark.parametrize(
    "model",
    [
        softplus_tanh(),
        softplus_tanh(swapped=True),
        thresholded(20.0),
        line([helper.make_node("Mish", ["x"], ["y"])]),
    ],
    ids=["softplus", "swapped", "threshold", "operator"],
)
def test_every_form_of_mish_becomes_the_exact_one(model: onnx.ModelProto, tmp_path: Path) -> None:
    found = rewritten(model, tmp_path)
    assert found
    assert operators(found) == ["Clip", "Exp", "Add", "Mul", "Add", "Div", "Mul"]
    onnx.checker.check_model(found, full_check=True)
    x = np.concatenate([np.linspace(-120, 120, 240_001), [-1e30, 1e30]]).astype(np.float32)
    onnx.save(found, tmp_path / "found.onnx")
    for y in (
        evaluated(found, {"x": x})[0],
        outputs(tmp_path / "found.onnx", {"x": x}, "found")[0],
    ):
        error = np.abs(y[:-2] - exact_mish(x[:-2]))
        assert error.max() <= 8e-6
        small = np.abs(x[:-2]) <= 10
        assert error[small].max() <= 8e-7
        assert y[-1] == x[-1]
        assert y[-2] == 0


@pytest.mark.parametrize(
    "model",
    [
        thresholded(1.0),
        line(
            [
                helper.make_node("Softplus", ["x"], ["s"]),
                helper.make_node("Tanh", ["s"], ["t"]),
                helper.make_node("Mul", ["s", "t"], ["y"]),
            ]
        ),
        line(
            [
                helper.make_node("Softplus", ["x"], ["s"]),
                helper.make_node("Tanh", ["s"], ["t"]),
                helper.make_node("Add", ["x", "t"], ["y"]),
            ]
        ),
        line([helper.make_node("Tanh", ["x"], ["t"]), helper.make_node("Mul", ["x", "t"], ["y"])]),
    ],
    ids=["low-threshold", "other-factor", "sum", "no-softplus"],
)
def test_what_is_not_mish_stays(model: onnx.ModelProto, tmp_path: Path) -> None:
    assert rewritten(model, tmp_path) is None


def test_a_shared_softplus_stays_for_its_other_reader(tmp_path: Path) -> None:
    model = line(
        [
            helper.make_node("Softplus", ["x"], ["s"]),
            helper.make_node("Tanh", ["s"], ["t"]),
            helper.make_node("Mul", ["x", "t"], ["m"]),
            helper.make_node("Add", ["m", "s"], ["y"]),
        ]
    )
    found = rewritten(model, tmp_path)
    assert found
    assert operators(found).count("Softplus") == 1
    assert "Tanh" not in operators(found)
    x = np.linspace(-20, 20, 999, dtype=np.float32)
    expected = exact_mish(x) + np.logaddexp(0, x.astype(np.float64))
    assert np.abs(evaluated(found, {"x": x})[0] - expected).max() < 1e-5


def test_a_shared_tanh_stays_for_its_other_readers(tmp_path: Path) -> None:
    model = line(
        [
            helper.make_node("Softplus", ["x"], ["s"]),
            helper.make_node("Tanh", ["s"], ["t"]),
            helper.make_node("Mul", ["x", "t"], ["m"]),
            helper.make_node("Mul", ["t", "x"], ["m2"]),
            helper.make_node("Add", ["m", "m2"], ["sum"]),
            helper.make_node("Sub", ["sum", "t"], ["y"]),
        ]
    )
    found = rewritten(model, tmp_path)
    assert found
    assert operators(found).count("Exp") == 2
    assert operators(found).count("Tanh") == 1
    x = np.linspace(-20, 20, 999, dtype=np.float32)
    wide = x.astype(np.float64)
    expected = 2 * exact_mish(x) - np.tanh(np.logaddexp(0, wide))
    assert np.abs(evaluated(found, {"x": x})[0] - expected).max() < 1e-5


def test_the_chain_proves_what_it_does(nets: Any, tmp_path: Path) -> None:
    model = nets.mish()
    found, done = applied(model, tmp_path)
    by_name = {each.name: each.to_data() for each in done}
    assert by_name["mish"]["count"] == 5
    assert by_name["mish"]["snr_db"] is None or by_name["mish"]["snr_db"] > 100
    assert not {"Softplus", "Tanh"} & set(operators(found))
    assert is_portable(found)
    names = [node.name for node in found.graph.node]
    assert all(names)
    assert len(set(names)) == len(names)
    assert [n.name for n in found.graph.node if n.op_type == "Conv"] == [
        n.name for n in model.graph.node if n.op_type == "Conv"
    ]
    for a, b in zip(evaluated(model, FEEDS), evaluated(found, FEEDS), strict=True):
        assert np.abs(a - b).max() < 1e-4


def test_batch_normalisation_and_constants_are_folded(nets: Any, tmp_path: Path) -> None:
    net = nets.new()
    net.conv("input", "conv", 8)
    for name in ("scale", "shift", "mean", "var"):
        net.constant(name, net.random.uniform(0.5, 1.5, 8))
    net.node("BatchNormalization", ["conv", "scale", "shift", "mean", "var"], "bn")
    net.node("Mul", ["scale", "shift"], "unused.product")
    net.node("Relu", ["bn"], "head0")
    source, target = net.save(tmp_path / "a.onnx", "head0"), tmp_path / "b.onnx"
    folded, count = fold(onnx.load(source), tmp_path)
    assert count >= 1
    assert operators(folded) == ["Conv", "Relu"]
    onnx.save(folded, target)
    near = agreement(outputs(source, FEEDS, "source"), outputs(target, FEEDS, "target"))
    assert near.snr_db > 100
    again, count = fold(folded, tmp_path)
    assert (again is folded, count) == (True, 0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.onnx", "b.onnx"]


@pytest.mark.parametrize("op", ["Identity", "Dropout", "Mul", "Add", "Cast"])
def test_what_may_be_folded_is_looked_at(nets: Any, tmp_path: Path, op: str) -> None:
    net = nets.new()
    net.conv("input", "conv", 8)
    second = [net.constant("two", np.full((1, 8, 1, 1), 2.0))] if op in {"Mul", "Add"} else []
    net.node(op, ["conv", *second], "more", **({"to": 1} if op == "Cast" else {}))
    net.node("Relu", ["more"], "head0")
    folded, count = fold(net.model("head0"), tmp_path)
    assert count == 1
    assert operators(folded) == ["Conv", "Relu"]


def test_constant_nodes_become_initialisers(nets: Any, tmp_path: Path) -> None:
    net = nets.new()
    net.conv("input", "conv", 8)
    scales = numpy_helper.from_array(np.array([1, 1, 2, 2], np.float32))
    net.nodes.append(helper.make_node("Constant", [], ["scales"], "scales", value=scales))
    net.node("Resize", ["conv", "", "scales"], "head0", mode="nearest")
    found, done = applied(net.model("head0"), tmp_path)
    assert (operators(found), done) == (["Conv", "Resize"], [])
    names = {
        tensor.name: numpy_helper.to_array(tensor).tolist() for tensor in found.graph.initializer
    }
    assert names["scales"] == [1, 1, 2, 2]


def test_an_old_operator_set_is_lifted(nets: Any, tmp_path: Path) -> None:
    model = nets.mish(opset=11)
    found, done = applied(model, tmp_path)
    assert next(each.name for each in done) == "lift"
    assert opset(found) == 17
    onnx.checker.check_model(found, full_check=True)
    onnx.save(model, tmp_path / "new.onnx")
    assert lift(found, tmp_path) == (found, 0)


@pytest.mark.parametrize("scale", [2.0, 3.0, 2.5])
@pytest.mark.parametrize("mode", ["nearest", "linear"])
@pytest.mark.parametrize(("version", "op"), [(9, "Upsample"), (10, "Resize")])
def test_a_lifted_resize_maps_pixels_as_it_did(
    tmp_path: Path, version: int, op: str, mode: str, scale: float
) -> None:
    scales = numpy_helper.from_array(np.array([1, 1, scale, scale], np.float32), "scales")
    node = helper.make_node(op, ["x", "scales"], ["y"], mode=mode)
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in (("x", [1, 2, 4, 5]), ("y", [1, 2, None, None]))
    ]
    graph = helper.make_graph([node], "resize", ends[:1], ends[1:], [scales])
    opsets = [helper.make_opsetid("", version)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=5)
    image = np.random.default_rng(0).normal(size=(1, 2, 4, 5)).astype(np.float32)

    lifted, _ = lift(model, tmp_path)

    assert opset(lifted) == 17
    before, after = (outputs_of(each, image) for each in (model, lifted))
    np.testing.assert_allclose(after, before, atol=1e-6)


def outputs_of(model: onnx.ModelProto, image: NDArray[Any]) -> NDArray[Any]:
    """What ONNX Runtime computes, unoptimised."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return np.asarray(session.run(None, {"x": image})[0])


def test_a_rewrite_that_lies_is_found_out(nets: Any, tmp_path: Path) -> None:
    def lie(model: onnx.ModelProto, _scratch: Path) -> tuple[onnx.ModelProto, int]:
        tensor = model.graph.initializer[0]
        values = numpy_helper.to_array(tensor) * np.float32(1.001)
        tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
        return model, 1

    onnx.save(nets.mish(), tmp_path / "a.onnx")
    chain = rewrite(tmp_path / "a.onnx", tmp_path / "b.onnx", FEEDS, (Rewrite("lie", lie),))
    with pytest.raises(StageError, match=r"'lie' changes what the graph computes: \d+"):
        list(chain)


def test_a_batch_frozen_by_a_rewrite_is_found_out(nets: Any, tmp_path: Path) -> None:
    def freeze(model: onnx.ModelProto, _scratch: Path) -> tuple[onnx.ModelProto, int]:
        last = model.graph.node[-1]
        name, last.output[0] = last.output[0], "before"
        for bound in (0, 1):
            tensor = numpy_helper.from_array(np.array([bound], np.int64), f"bound{bound}")
            model.graph.initializer.append(tensor)
        model.graph.node.append(helper.make_node("Slice", ["before", "bound0", "bound1"], [name]))
        return model, 1

    onnx.save(nets.mish(), tmp_path / "a.onnx")
    chain = rewrite(tmp_path / "a.onnx", tmp_path / "b.onnx", FEEDS, (Rewrite("freeze", freeze),))
    with pytest.raises(StageError, match="'freeze' changes"):
        list(chain)


@pytest.mark.parametrize("rows", [(0, 1), (1, 2), (1, 3), (-3, 2)])
def test_the_last_sample_alone_shows_what_became_of_a_batch(
    nets: Any, tmp_path: Path, rows: tuple[int, int]
) -> None:
    onnx.save(nets.mish(), tmp_path / "a.onnx")
    reference = Reference.of(tmp_path / "a.onnx", FEEDS, "a")
    both = outputs(tmp_path / "a.onnx", FEEDS, "a")
    assert reference.alone
    assert [len(array) for array in reference.outputs] == [1, 1]
    assert reference.agreement(both).snr_db > 100
    assert reference.agreement([array[::-1] for array in both]).snr_db < 60
    found = reference.agreement([array[slice(*rows)] for array in both])
    assert (found.snr_db > 100) == (rows == (-3, 2))


def noisy(values: NDArray[Any], db: float, seed: int) -> NDArray[Any]:
    """The values with a difference of so many dB below them."""
    noise = np.random.default_rng(seed).normal(size=values.shape)
    return values + noise * np.sqrt(np.mean(values**2)) * 10 ** (-db / 20)


@pytest.mark.parametrize(
    ("spread", "rewritten", "passes"),
    [(80, None, True), (80, 78, True), (80, 70, False), (120, 85, False), (50, 65, True)],
)
def test_a_graph_that_rounds_by_itself_is_no_false_alarm(
    spread: float, rewritten: float | None, passes: bool
) -> None:
    """An image alone differs from the second of two by `spread` dB, in the graph as it was given.

    80 dB is what a text detector of PaddleOCR shows; its rewritten form equals it bit by bit.
    """
    alone = np.random.default_rng(1).normal(size=(1, 4096))
    both = np.concatenate([alone, noisy(alone, spread, 2)])
    reference = Reference([alone], True, lambda: [both])
    found = reference.agreement([both if rewritten is None else noisy(both, rewritten, 3)])
    if passes:
        demand("lift", found)
        return
    with pytest.raises(StageError, match=r"'lift' changes what the graph computes: \d+\.\d dB"):
        demand("lift", found)


def test_an_output_without_a_batch_is_compared_whole(nets: Any, tmp_path: Path) -> None:
    net = nets.new()
    net.conv("input", "conv", 8)
    net.node("ReduceSum", ["conv"], "total", keepdims=0)
    path = net.save(tmp_path / "a.onnx", "conv", "total")
    reference = Reference.of(path, FEEDS, "path")
    assert not reference.alone
    assert reference.agreement(outputs(path, FEEDS, "path")).snr_db > 100


def test_nodes_get_names_of_their_own(nets: Any, tmp_path: Path) -> None:
    model = nets.mish()
    for node in model.graph.node:
        node.name = "" if node.op_type == "Conv" else "same"
    found, _ = applied(model, tmp_path)
    convolutions = [node.name for node in found.graph.node if node.op_type == "Conv"]
    assert convolutions[0] == "Conv:stem"
    names = [node.name for node in found.graph.node]
    assert len(set(names)) == len(names)


def test_a_graph_in_half_precision_keeps_its_mish(tmp_path: Path) -> None:
    model = softplus_tanh()
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.elem_type = TensorProto.FLOAT16
    assert rewritten(model, tmp_path) is None


def test_agreement_tells_shapes_and_numbers_apart() -> None:
    a = np.ones((2, 3), np.float32)
    assert agreement([a], [a]).snr_db == np.inf
    assert agreement([a], [a[:1]]).snr_db == -np.inf
    assert agreement([a], [a * np.nan]).snr_db == -np.inf
    assert agreement([a * np.nan], [a * np.nan]).snr_db == np.inf
    assert agreement([a * np.nan], [a]).snr_db == -np.inf
    assert agreement([a * np.inf], [a * -np.inf]).snr_db == -np.inf
    gap = np.where([True, False, False], np.float32(np.nan), a)
    assert agreement([gap], [gap + np.float32(0.1)]).snr_db == pytest.approx(20, abs=0.01)
    assert agreement([a * 0], [a]).snr_db == -np.inf
    assert agreement([a, a], [a]).snr_db == -np.inf
    found = agreement([a], [a + np.float32(0.1)])
    assert found.snr_db == pytest.approx(20, abs=0.01)
    assert found.max_abs == pytest.approx(0.1, abs=1e-6)


@pytest.mark.parametrize("content", [b"", b"<html>no model</html>", b"\x08\x08\x12garbage" * 9])
def test_what_is_no_graph_is_refused(content: bytes, tmp_path: Path) -> None:
    source = tmp_path / "a.onnx"
    source.write_bytes(content)
    with pytest.raises(DataError) as error:
        list(rewrite(source, tmp_path / "b.onnx", FEEDS, REWRITES))
    assert str(source) in str(error.value)


def ranking(first: int, factor: float = 1.0) -> onnx.ModelProto:
    """Two scores near 1e9 that differ by one step of float32; the row of the higher one, scaled."""
    steps = np.zeros((1, 2), np.float32)
    steps[0, first] = 64
    nodes = [
        helper.make_node("Add", ["x", "steps"], ["scores"], "one"),
        helper.make_node("TopK", ["scores", "one_of"], ["best", "index"], "two"),
        helper.make_node("Gather", ["table", "index"], ["rows"], "three"),
        helper.make_node("Mul", ["rows", "factor"], ["y"], "four"),
    ]
    constants = {
        "steps": steps,
        "table": np.array([3, 50], np.float32),
        "factor": np.array([factor], np.float32),
        "one_of": np.array([1], np.int64),
    }
    graph = helper.make_graph(
        nodes,
        "ranking",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize(("factor", "passes"), [(1.0, True), (1.01, False)])
def test_ties_that_a_rewrite_ranks_in_another_order_are_no_lie(
    tmp_path: Path, factor: float, passes: bool
) -> None:
    """The rows differ, what is ranked does not; what is computed of the rows still counts."""
    feeds = {"x": np.full((1, 2), 1e9, np.float32)}
    onnx.save(ranking(0), tmp_path / "a.onnx")
    assert outputs(tmp_path / "a.onnx", feeds, "a", plain=True)[0].tolist() == [[3]]
    changed = ranking(1, factor)
    change = Rewrite("change", lambda _model, _scratch: (changed, 1))
    chain = rewrite(tmp_path / "a.onnx", tmp_path / "b.onnx", feeds, (change,))
    if passes:
        (applied,) = chain
        assert applied.agreement.snr_db > 100
    else:
        with pytest.raises(StageError, match="'change' changes what the graph computes: 40"):
            list(chain)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.onnx", "b.onnx"]


def test_a_graph_that_ranks_something_else_is_held_to_its_outputs(tmp_path: Path) -> None:
    onnx.save(ranking(0), tmp_path / "a.onnx")
    other = ranking(1)
    other.graph.node[0].output[0] = other.graph.node[1].input[0] = "others"
    change = Rewrite("change", lambda _model, _scratch: (other, 1))
    feeds = {"x": np.full((1, 2), 1e9, np.float32)}
    with pytest.raises(StageError, match="'change' changes what the graph computes"):
        list(rewrite(tmp_path / "a.onnx", tmp_path / "b.onnx", feeds, (change,)))
