#!/usr/bin/env bash
# Package:  openvino 2026.4.1 (CPU), onnx 1.23.2
# Expected: LRN divides by (bias + alpha / size * sum of squares) ** beta, with bias as the model states
#           it.
# Seen:     bias is cut to an integer: 1.5 gives the result of 1.0, 0.5 that of 0.0. Nothing is said.
#           ONNX Runtime agrees with the formula.
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


def formula(x, size, alpha, beta, bias):
    """Channels are axis 1; the window holds `size` channels around each."""
    half = (size - 1) // 2
    squares = np.pad(x**2, ((0, 0), (half, half), (0, 0), (0, 0)))
    sums = sum(squares[:, shift : shift + x.shape[1]] for shift in range(size))
    return x / (bias + alpha / size * sums) ** beta


x = np.random.default_rng(0).normal(size=(1, 6, 2, 2)).astype(np.float32)
for bias, cut in ((2.0, 2.0), (1.5, 1.0), (0.5, 0.0)):
    model = one_node("LRN", x.shape, size=3, alpha=0.5, beta=0.75, bias=bias)
    right, seen = formula(x, 3, 0.5, 0.75, bias), by_openvino(model, x)
    told = [float(np.abs(y - right).max()) for y in (by_onnxruntime(model, x), seen)]
    print(f"bias {bias}: differs from the formula by {told[0]:.1e} (ONNX Runtime), {told[1]:.1e} (OpenVINO)")
    if told[0] > 1e-5 or not np.allclose(seen, formula(x, 3, 0.5, 0.75, cut), atol=1e-4):
        sys.exit(f"OpenVINO no longer takes bias {bias} as {cut}")
EOF
