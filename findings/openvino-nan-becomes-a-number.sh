#!/usr/bin/env bash
# Package:  openvino 2026.4.1 (CPU), onnx 1.23.2
# Expected: Relu, Clip, Max and HardSigmoid of NaN are NaN (onnx.reference, ONNX Runtime): a network
#           that overflows shows it in its outputs.
# Seen:     OpenVINO makes numbers of it: Relu and Max with 0 give 0, Clip(-1, 2) gives -1, HardSigmoid
#           gives 1. A broken network ends in plausible outputs.
# In zoo:   zoo checks that exported networks are finite on ONNX Runtime, before any engine is compiled
#           (zoo_core/toolkit/verify.py)
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


x = np.array([[np.nan, 3.0, -3.0]], np.float32)
cases = {
    "Relu": (one_node("Relu", x.shape), 0),
    "Max(x, 0)": (one_node("Max", x.shape, (np.zeros((1, 3), np.float32),)), 0),
    "Clip(-1, 2)": (one_node("Clip", x.shape, (np.float32(-1), np.float32(2))), -1),
    "HardSigmoid": (one_node("HardSigmoid", x.shape), 1),
}
for name, (model, number) in cases.items():
    engine, seen = by_onnxruntime(model, x)[0], by_openvino(model, x)[0]
    print(f"{name} of NaN: ONNX Runtime {engine[0]}, OpenVINO {seen[0]}")
    if not np.isnan(engine[0]) or seen[0] != number or not np.allclose(engine[1:], seen[1:]):
        sys.exit("OpenVINO no longer makes a number of NaN")
EOF
