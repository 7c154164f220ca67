"""Our definition of YOLOv4 against the golden vectors of the original."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from zoo_tianxiaomo.network import FULL_WIDTHS, EndToEnd, Yolov4

if TYPE_CHECKING:
    from types import ModuleType

THIN = (4, 8, 16, 32, 64, 128)


def _load_rule() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "tianxiaomo_golden_rule", Path(__file__).with_name("golden_rule.py")
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


rule = _load_rule()


@pytest.fixture(scope="module")
def golden_network() -> Yolov4:
    state = rule.golden_state()
    assert rule.state_digest(state) == rule.WEIGHTS_SHA256
    with torch.device("meta"):
        network = Yolov4()
    tensors = {key: torch.from_numpy(value) for key, value in state.items()}
    network.load_state_dict(tensors, strict=True, assign=True)
    return network.eval()


def _thin(classes: int = 80) -> Yolov4:
    torch.manual_seed(0)
    return Yolov4(classes, THIN).eval()


def _close(ours: torch.Tensor, theirs: np.ndarray[Any, Any], atol: float, rtol: float) -> None:
    np.testing.assert_allclose(ours.numpy(), theirs, atol=atol, rtol=rtol)


def test_state_has_the_original_keys_shapes_and_order() -> None:
    with torch.device("meta"):
        state = Yolov4().state_dict()
    assert [(k, tuple(v.shape)) for k, v in state.items()] == rule.state_keys()
    assert len(state) == 648
    assert sum(v.numel() for v in state.values() if v.is_floating_point()) == 64_429_405


@pytest.mark.parametrize("case", rule.CASES, ids=lambda case: case.name)
def test_golden_vectors(golden_network: Yolov4, case: Any) -> None:
    blob, golden = rule.golden_input(case), rule.golden_output(case)
    assert hashlib.sha256(blob.tobytes()).hexdigest() == case.sha256
    size = (case.height, case.width)
    with torch.no_grad():
        heads = golden_network(torch.from_numpy(blob))
        boxes, confs = EndToEnd(golden_network, size)(torch.from_numpy(blob))
        moved = EndToEnd(golden_network, size, (1.2, 1.1, 1.05)).eval()
        boxes_scaled, confs_scaled = moved(torch.from_numpy(blob))
    for name, head in zip(("head8", "head16", "head32"), heads, strict=True):
        _close(head, golden[name], atol=5e-5, rtol=0)
    _close(boxes, golden["boxes"], atol=2e-5, rtol=2e-5)
    _close(confs, golden["confs"], atol=2e-5, rtol=0)
    _close(boxes_scaled, golden["boxes_scale_xy"], atol=2e-5, rtol=2e-5)
    assert torch.equal(confs, confs_scaled)
    assert float((boxes - boxes_scaled).abs().max()) > 1e-3


def test_thin_network_has_the_same_keys_and_any_class_count() -> None:
    network = _thin(classes=3)
    assert list(network.state_dict()) == [key for key, _ in rule.state_keys()]
    with torch.no_grad():
        heads = network(torch.zeros(2, 3, 32, 96))
    assert [tuple(h.shape) for h in heads] == [(2, 24, 4, 12), (2, 24, 2, 6), (2, 24, 1, 3)]


@pytest.mark.parametrize("widths", [(32, 64, 128), (4, 8, 15, 32, 64, 128), (0, *FULL_WIDTHS[1:])])
def test_bad_widths_are_refused(widths: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="widths"):
        Yolov4(widths=widths)


def test_sizes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="multiples of 32"):
        EndToEnd(_thin(), (400, 416))
    with pytest.raises(ValueError, match="promised"):
        EndToEnd(_thin(), (64, 64))(torch.zeros(1, 3, 64, 96))


def _export(model: torch.nn.Module, path: Path, names: list[str]) -> onnx.ModelProto:
    axes = {name: {0: "batch"} for name in ["input", *names]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            model,
            (torch.zeros(1, 3, 64, 96),),
            str(path),
            input_names=["input"],
            output_names=names,
            dynamic_axes=axes,
            opset_version=17,
            dynamo=False,
        )
    return onnx.load(path)


def _count(model: onnx.ModelProto, kind: str) -> int:
    return sum(node.op_type == kind for node in model.graph.node)


@pytest.mark.parametrize(
    ("end_to_end", "names"),
    [(False, ["head8", "head16", "head32"]), (True, ["boxes", "confs"])],
    ids=["heads", "e2e"],
)
def test_export_keeps_the_batch_free(tmp_path: Path, end_to_end: bool, names: list[str]) -> None:
    network = _thin()
    model: torch.nn.Module = EndToEnd(network, (64, 96)).eval() if end_to_end else network
    graph = _export(model, tmp_path / "net.onnx", names)
    assert [opset.version for opset in graph.opset_import] == [17]
    assert _count(graph, "Conv") == 110
    assert _count(graph, "LeakyRelu") == 35
    assert _count(graph, "Softplus") == _count(graph, "Tanh") == 72
    assert _count(graph, "BatchNormalization") == 0
    session = onnxruntime.InferenceSession(
        (tmp_path / "net.onnx").read_bytes(), providers=["CPUExecutionProvider"]
    )
    for batch in (1, 3):
        blob = torch.rand(batch, 3, 64, 96, generator=torch.Generator().manual_seed(batch))
        with torch.no_grad():
            expected = model(blob)
        found = session.run(names, {"input": blob.numpy()})
        for ours, theirs in zip(expected, found, strict=True):
            _close(ours, theirs, atol=1e-4, rtol=1e-4)
