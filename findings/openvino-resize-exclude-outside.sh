#!/usr/bin/env bash
# Package:  openvino 2026.4.1 (CPU), onnx 1.23.2
# Expected: Resize, mode cubic, exclude_outside=1: weights of pixels outside the image are 0 and the
#           others are normalised to a sum of 1.
# Seen:     the attribute is ignored: the output is that of exclude_outside=0 at the borders. Nothing is
#           said. ONNX Runtime and onnx.reference honour it.
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


x = np.random.default_rng(0).normal(size=(1, 1, 6, 6)).astype(np.float32)
scales = np.array([1, 1, 2, 2], np.float32)
models = [
    one_node("Resize", x.shape, (None, scales), mode="cubic", exclude_outside=value) for value in (0, 1)
]
engine, seen = ([run(model, x) for model in models] for run in (by_onnxruntime, by_openvino))
gap, seen_gap = (float(np.abs(pair[0] - pair[1]).max()) for pair in (engine, seen))
print(f"exclude_outside changes the output by {gap:.3f} in ONNX Runtime, by {seen_gap} in OpenVINO")
if gap < 0.01 or seen_gap > 1e-6 or not np.allclose(engine[0], seen[0], atol=1e-5):
    sys.exit("OpenVINO no longer ignores exclude_outside")
EOF
