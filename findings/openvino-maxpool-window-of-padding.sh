#!/usr/bin/env bash
# Package:  openvino 2026.4.1 (CPU), onnx 1.23.2
# Expected: MaxPool with ceil_mode=1, kernel 2, stride 2 and pads 1 makes 3x4 of 5x7: ONNX leaves out a
#           window that would begin in the padding at the end, and so do PyTorch, ONNX
#           Runtime and onnx.reference.
# Seen:     OpenVINO makes 4x5, the shape that onnx.shape_inference states as well; the further row and
#           column hold -3.4e38, the lowest float32, and go into the next layer.
# In zoo:   every OpenVINO build is held against ONNX Runtime without optimisation
#           (zoo_core/toolkit/similarity.py); outputs of another shape end the stage
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q numpy==2.4.6 onnx==1.23.2 onnxruntime==1.32.0 openvino==2026.4.1
"$work/venv/bin/python" - <<'EOF'
import sys

import numpy as np
import onnx
from onnx import helper, numpy_helper
import onnxruntime
import openvino


def one_node(op, shape, constants=(), opset=21, **attributes):
    """A model of one node: float32 input "x", constants (None: left out), output "y"."""
    names = ["" if array is None else f"c{n}" for n, array in enumerate(constants)]
    node = helper.make_node(op, ["x", *names], ["y"], **attributes)
    kept = [numpy_helper.from_array(a, n) for a, n in zip(constants, names) if a is not None]
    kind = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info("y", kind, None)],
        kept,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    model = onnx.shape_inference.infer_shapes(model, strict_mode=True)
    onnx.checker.check_model(model, full_check=True)
    return model


def by_onnxruntime(model, x):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"x": x})[0]


def by_openvino(model, x):
    core = openvino.Core()
    settings = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = core.compile_model(core.read_model(model.SerializeToString()), "CPU", settings)
    return np.array(compiled([x])[0])


x = np.random.default_rng(0).normal(size=(1, 1, 5, 7)).astype(np.float32)
model = one_node(
    "MaxPool", x.shape, kernel_shape=[2, 2], strides=[2, 2], pads=[1, 1, 1, 1], ceil_mode=1
)
engine, seen = by_onnxruntime(model, x)[0, 0], by_openvino(model, x)[0, 0]
lowest = np.finfo(np.float32).min
print(f"ONNX Runtime {engine.shape}, OpenVINO {seen.shape}, its last row {np.unique(seen[-1])}")
same = seen.shape == (4, 5) and np.array_equal(seen[:3, :4], engine)
if engine.shape != (3, 4) or not same or (seen[-1] != lowest).any():
    sys.exit("OpenVINO no longer makes windows of padding only")
EOF
