from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import zoo_onnxruntime.streamed
from onnx import TensorProto, helper, numpy_helper
from zoo_onnxruntime.histogram import HALF
from zoo_onnxruntime.observe import Observer, quantisable
from zoo_onnxruntime.segments import split

from zoo_core.errors import StageError
from zoo_core.toolkit.onnx_file import load

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from zoo_onnxruntime.calibrators import Seen


def all_values(
    model: Path, names: tuple[str, ...], images: NDArray[np.float32]
) -> dict[str, NDArray[np.float32]]:
    """Every value of every named tensor, the plain way."""
    graph = onnx.load(model)
    fetched = [n for n in names if n != "input"]
    del graph.graph.output[:]
    for name in fetched:
        graph.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    session = ort.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    found = [session.run(fetched, {"input": image[None]}) for image in images]
    values = {n: np.concatenate([f[i] for f in found]) for i, n in enumerate(fetched)}
    return values | ({"input": images} if "input" in names else {})


def observed(model: Path, images: NDArray[np.float32], *, threads: int = 2) -> dict[str, Seen]:
    observer = Observer(model, quantisable(model), histograms=True, threads=threads)
    counts = list(observer.observe(image[None] for image in images))
    assert counts == list(range(1, len(images) + 1))
    return observer.seen


@pytest.mark.parametrize("limit", [0, 40_000, 10**9])
def test_statistics_equal_those_of_all_values_at_once(
    nets: Any,
    images: NDArray[np.float32],
    tmp_path: Path,
    limit: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = tmp_path / "a.onnx"
    onnx.save(nets.mish(), model)
    monkeypatch.setattr(zoo_onnxruntime.streamed, "HELD", limit)
    found = observed(model, images)
    names = quantisable(model)
    assert names[:2] == ("input", "stem")
    assert list(found) == list(names)
    for name, values in all_values(model, names, images).items():
        seen = found[name]
        assert seen.low == pytest.approx(values.min(), abs=1e-5)
        assert seen.high == pytest.approx(values.max(), abs=1e-5)
        assert seen.histogram
        assert seen.histogram.counts.sum() == values.size
        edges = np.arange(-HALF, HALF + 1) * seen.histogram.width
        direct = np.histogram(values.astype(np.float64), edges)[0]
        moved = np.abs(np.cumsum(direct - seen.histogram.counts)).max()
        assert moved <= 1e-4 * values.size  # rounding moves values across an edge, no further


def test_two_runs_give_the_same(nets: Any, images: NDArray[np.float32], tmp_path: Path) -> None:
    model = tmp_path / "a.onnx"
    onnx.save(nets.mish(), model)
    first, second = observed(model, images), observed(model, images[::-1])
    for name, seen in first.items():
        other = second[name]
        assert (seen.low, seen.high) == (other.low, other.high)
        assert seen.histogram
        assert other.histogram
        assert seen.histogram.exponent == other.histogram.exponent
        assert np.array_equal(seen.histogram.counts, other.histogram.counts)


def test_segments_hold_little_and_leave_the_tail_out(nets: Any) -> None:
    net = nets.new()
    source = "input"
    for number in range(6):
        source = net.mish(net.conv(source, f"conv{number}", 8))
    tail = net.node("Sigmoid", [source], "sigmoid")
    net.node("Exp", [tail], "head0")
    model = net.model("head0")
    names = [f"conv{number}" for number in range(6)]
    each = 4 * 8 * 32 * 32
    pieces = list(split(model, names, {"input": (1, 3, 32, 32)}, 2 * each))
    assert [name for piece in pieces for name in piece.observed] == names
    assert max(len(piece.observed) for piece in pieces) == 2
    kept = [len(piece.kept) for piece in pieces]
    assert kept[-1] == 0
    assert max(kept) <= 2
    operators = [n.op_type for p in pieces for n in onnx.load_from_string(p.model).graph.node]
    assert "Sigmoid" not in operators
    assert "Exp" not in operators
    total = sum(len(piece.model) for piece in pieces)
    assert total < 1.5 * len(model.SerializeToString()) + 4000


def test_an_inner_graph_keeps_what_it_captures(
    nets: Any, images: NDArray[np.float32], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = nets.new()
    first = net.conv("input", "first", 8)
    net.conv(first, "second", 8)
    value = helper.make_tensor_value_info
    branches = [
        helper.make_graph(
            [helper.make_node(op, ["first", "second"], [f"{op}.out"])],
            op,
            [],
            [value(f"{op}.out", TensorProto.FLOAT, None)],
        )
        for op in ("Add", "Mul")
    ]
    net.constants.append(numpy_helper.from_array(np.array(True), "which"))
    net.nodes.append(
        helper.make_node(
            "If", ["which"], ["chosen"], "chosen", then_branch=branches[0], else_branch=branches[1]
        )
    )
    net.channels["chosen"] = 8
    net.conv("chosen", "head0", 4)
    model = tmp_path / "a.onnx"
    graph = net.model("head0")
    onnx.save(graph, model)
    monkeypatch.setattr(zoo_onnxruntime.streamed, "HELD", 0)
    found = observed(model, images)
    values = all_values(model, ("first", "second", "head0"), images)
    assert found["head0"].high == pytest.approx(values["head0"].max(), abs=1e-5)
    total = (values["first"] + values["second"]).max()
    assert found["chosen"].high == pytest.approx(total, abs=1e-5)


def test_numbers_that_are_not_finite_name_the_tensor(
    nets: Any, images: NDArray[np.float32], tmp_path: Path
) -> None:
    net = nets.new()
    net.conv("input", "sound", 8)
    net.conv("sound", "broken", 8)
    net.constants[-1].CopyFrom(
        numpy_helper.from_array(np.full(8, np.inf, np.float32), "broken.bias")
    )
    net.conv("broken", "head0", 8)
    model = net.save(tmp_path / "a.onnx", "head0")
    with pytest.raises(StageError, match="'broken' holds numbers that are not finite"):
        observed(model, images)


def test_quantisable_tensors_are_named_once(nets: Any, tmp_path: Path) -> None:
    model = tmp_path / "a.onnx"
    onnx.save(nets.mish(), model)
    names = quantisable(model)
    assert len(set(names)) == len(names)
    made = {name for node in load(model).graph.node for name in node.output}
    assert set(names) <= made | {"input"}
