#!/usr/bin/env bash
# Package:  onnx 1.23.2 (onnx.reference)
# Expected: LpNormalization with p=1 divides by the sum of absolute values.
# Seen:     the reference evaluator divides by the plain sum: [1, -2, 3, -4] becomes [-0.5, 1, -1.5, 2]
#           in place of [0.1, -0.2, 0.3, -0.4].
# In zoo:   zoo_core/toolkit/verify.py takes ONNX Runtime without optimisation as the reference, not
#           onnx.reference
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q numpy==2.4.6 onnx==1.23.2 onnxruntime==1.32.0
"$work/venv/bin/python" - <<'EOF'
import sys

import numpy as np
import onnx
import onnx.reference
from onnx import helper, numpy_helper
import onnxruntime


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


def by_reference(model, x):
    return onnx.reference.ReferenceEvaluator(model).run(None, {"x": x})[0]


x = np.array([[1, -2, 3, -4]], np.float32)
model = one_node("LpNormalization", x.shape, axis=1, p=1)
engine, seen = by_onnxruntime(model, x), by_reference(model, x)
print(f"ONNX Runtime {engine.round(3).tolist()}, onnx.reference {seen.round(3).tolist()}")
if not np.allclose(engine, x / np.abs(x).sum()) or not np.allclose(seen, x / x.sum()):
    sys.exit("onnx.reference no longer forgets the absolute values")
EOF
