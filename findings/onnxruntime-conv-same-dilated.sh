#!/usr/bin/env bash
# Package:  onnxruntime 1.32.0 (CPU), onnx 1.23.2
# Expected: Conv with auto_pad SAME_UPPER and dilations [2, 2] is valid: the checker passes, shape
#           inference gives the input's size, onnx.reference and OpenVINO run it.
# Seen:     ONNX Runtime opens the model and refuses it at the first run (INVALID_ARGUMENT); with the
#           pads written out, [2, 2, 2, 2], it runs and agrees with the others.
# In zoo:   a network that only the backend's engine can run is reported as not verified, it is not
#           refused (zoo_core/toolkit/verify.py)
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q numpy==2.4.6 onnx==1.23.2 onnxruntime==1.32.0 openvino==2026.4.1
"$work/venv/bin/python" - <<'EOF'
import sys

import numpy as np
import onnx
import onnx.reference
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
x, w = rng.normal(size=(1, 3, 5, 5)).astype(np.float32), rng.normal(size=(2, 3, 3, 3)).astype(np.float32)
model = one_node("Conv", x.shape, (w,), auto_pad="SAME_UPPER", dilations=[2, 2])
plain = one_node("Conv", x.shape, (w,), pads=[2, 2, 2, 2], dilations=[2, 2])
right = by_onnxruntime(plain, x)
reference = onnx.reference.ReferenceEvaluator(model).run(None, {"x": x})[0]
same = [bool(np.allclose(y, right, atol=1e-4)) for y in (reference, by_openvino(model, x))]
try:
    by_onnxruntime(model, x)
    refused = ""
except Exception as error:
    refused = str(error).splitlines()[0]
print(f"onnx.reference and OpenVINO equal explicit pads: {same}; ONNX Runtime: {refused[:160]}")
if same != [True, True] or "INVALID_ARGUMENT" not in refused:
    sys.exit("ONNX Runtime no longer refuses SAME_UPPER with dilations")
EOF
