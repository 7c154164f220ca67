#!/usr/bin/env bash
# Package:  openvino 2026.4.1 (CPU), onnx 1.23.2
# Expected: QuantizeLinear is saturate(round(x / scale) + zero_point), where round takes ties to the
#           even number: 0.5 with zero point 3 is 3.
# Seen:     the zero point is added before rounding: 0.5 + 3 = 3.5 becomes 4. Where the zero point is
#           odd, each tie lands one step from ONNX's meaning; where it is even there is no
#           difference.
# In zoo:   every OpenVINO build is held against ONNX Runtime without optimisation
#           (zoo_core/toolkit/similarity.py); ties are common, since int8 networks quantise
#           what another layer has quantised
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
    kind, result = onnx.TensorProto.FLOAT, onnx.TensorProto.UINT8
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info("y", result, None)],
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


x = np.array([0.5, 1.5, 2.5, 3.5, 4.5, 7.5, 2.4, 2.6], np.float32)
for zero in (0, 3, 128, 131):
    model = one_node("QuantizeLinear", x.shape, (np.float32(1), np.array(zero, np.uint8)))
    right = np.rint(x) + zero
    engine, seen = by_onnxruntime(model, x), by_openvino(model, x)
    print(f"zero point {zero}: ONNX {right.astype(int).tolist()}, OpenVINO {seen.tolist()}")
    if (engine != right).any() or (seen != np.rint(x + zero)).any():
        sys.exit("OpenVINO no longer adds the zero point before it rounds")
EOF
