from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from zoo_tianxiaomo.attach import attach
from zoo_tianxiaomo.params import ExportSpec, NetworkSpec
from zoo_tianxiaomo.tracing import trace, wrapped
from zoo_tianxiaomo.weights import load_network

from zoo_core.errors import StageError
from zoo_core.toolkit.onnx_file import save

if TYPE_CHECKING:
    from pathlib import Path

    from onnx import ModelProto

WIDTHS = (4, 8, 8, 16, 16, 32)


def _spec(form: str = "heads", opset: int = 17) -> ExportSpec:
    network = NetworkSpec(format="random", classes=7, seed=3, widths=WIDTHS)
    scales = (1.0, 1.0, 1.0) if form == "heads" else (1.2, 1.1, 1.05)
    return ExportSpec(network=network, form=form, size=(64, 96), opset=opset, scale_x_y=scales)


def _module(spec: ExportSpec) -> torch.nn.Module:
    return wrapped(load_network(spec.network, None), spec)


def _whole(module: torch.nn.Module, spec: ExportSpec) -> ModelProto:
    """The network itself by PyTorch's exporter, which folds normalisations by its own code."""
    buffer = io.BytesIO()
    outputs = [value.name for value in spec.layout.outputs]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            (torch.zeros(1, 3, *spec.size),),
            buffer,  # type: ignore[arg-type]
            dynamo=False,
            opset_version=spec.opset,
            input_names=["input"],
            output_names=outputs,
            dynamic_axes={name: {0: "batch"} for name in ("input", *outputs)},
        )
    return onnx.load_from_string(buffer.getvalue())


def _values(model: ModelProto) -> dict[str, Any]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def _exported(spec: ExportSpec, module: torch.nn.Module, path: Path) -> ModelProto:
    model, _ = trace(spec)
    values = attach(model, module.state_dict())
    save(model, path, values)
    return onnx.load(path)


@pytest.mark.parametrize("form", ["heads", "e2e"])
@pytest.mark.parametrize("opset", [11, 17, 20])
def test_a_thin_trace_with_weights_is_what_pytorch_exports(
    form: str, opset: int, tmp_path: Path
) -> None:
    spec = _spec(form, opset)
    module = _module(spec)
    ours, theirs = _exported(spec, module, tmp_path / "model.onnx"), _whole(module, spec)

    assert ours.opset_import[0].version == opset
    assert ours.ir_version == theirs.ir_version
    ours_by_name, theirs_by_name = _values(ours), _values(theirs)
    for one, other in zip(ours.graph.node, theirs.graph.node, strict=True):
        assert (one.name, one.op_type, one.output) == (other.name, other.op_type, other.output)
        assert str(one.attribute) == str(other.attribute)
        for mine, its in zip(one.input, other.input, strict=True):
            if its in theirs_by_name:
                np.testing.assert_array_equal(ours_by_name[mine], theirs_by_name[its])
            else:
                assert mine == its


def test_the_file_is_the_one_that_protobuf_would_write(tmp_path: Path) -> None:
    spec = _spec()
    streamed = _exported(spec, _module(spec), tmp_path / "streamed.onnx")
    onnx.save(streamed, tmp_path / "whole.onnx")
    again = onnx.load(tmp_path / "whole.onnx")
    assert again == streamed
    sizes = [(tmp_path / name).stat().st_size for name in ("streamed.onnx", "whole.onnx")]
    assert sizes[0] == sizes[1]
    assert sum(value.size > 256 for value in _values(streamed).values()) > 50


def test_weights_that_are_not_there_are_named() -> None:
    spec = _spec()
    model, _ = trace(spec)
    state = dict(_module(spec).state_dict())
    del state["head.conv2.conv.0.bias"]
    with pytest.raises(StageError, match=r"'head\.conv2\.conv\.0\.bias', which the weights lack"):
        attach(model, state)


def test_a_normalisation_after_something_else_is_refused() -> None:
    spec = _spec()
    model, _ = trace(spec)
    norm = next(node for node in model.graph.node if node.op_type == "BatchNormalization")
    norm.input[0] = "input"
    with pytest.raises(StageError, match="follows no convolution"):
        attach(model, _module(spec).state_dict())
