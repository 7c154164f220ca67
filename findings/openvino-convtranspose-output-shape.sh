#!/usr/bin/env bash
# Package:  openvino 2026.4.1 (CPU), onnx 1.23.2
# Expected: ConvTranspose with output_shape and auto_pad SAME_UPPER: where the padding to remove is odd,
#           the additional one is at the end (ONNX: SAME_UPPER pads the end more).
# Seen:     OpenVINO removes it at the beginning: the output is shifted by one pixel. Without
#           output_shape, or with SAME_LOWER, engines agree.
# In zoo:   every OpenVINO build is held against ONNX Runtime without optimisation
#           (zoo_core/toolkit/similarity.py)
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


rng = np.random.default_rng(0)
x, w = rng.normal(size=(1, 1, 3, 3)).astype(np.float32), rng.normal(size=(1, 1, 3, 3)).astype(np.float32)
full = np.zeros((7, 7), np.float32)
for row in range(3):
    for column in range(3):
        full[2 * row : 2 * row + 3, 2 * column : 2 * column + 3] += x[0, 0, row, column] * w[0, 0]
model = one_node(
    "ConvTranspose", x.shape, (w,), strides=[2, 2], output_shape=[6, 6], auto_pad="SAME_UPPER"
)
first, last = full[:6, :6], full[1:, 1:]
engine, seen = by_onnxruntime(model, x)[0, 0], by_openvino(model, x)[0, 0]
print("ONNX Runtime keeps rows and columns 0 to 5 of 7:", np.allclose(engine, first, atol=1e-5))
print("OpenVINO keeps rows and columns 1 to 6 of 7:", np.allclose(seen, last, atol=1e-5))
if not (np.allclose(engine, first, atol=1e-5) and np.allclose(seen, last, atol=1e-5)):
    sys.exit("OpenVINO no longer shifts the output by one pixel")
EOF
