#!/usr/bin/env bash
# Package:  onnx 1.23.2 (onnx.reference)
# Expected: Resize, align_corners: the first and the last pixel of input and output coincide. [0, 1, 2,
#           3, 4] by scale 0.5 is two pixels, [0, 4].
# Seen:     onnx.reference computes with the unrounded length 2.5 and gives [0, 2.667]; with sizes=2 in
#           place of scales=0.5 it gives [0, 4]. ONNX Runtime gives [0, 4] for both.
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


x = np.arange(5, dtype=np.float32)[None, None, None]
seen, engine = {}, {}
for name, constants in {
    "scales": (None, np.array([1, 1, 1, 0.5], np.float32)),
    "sizes": (None, None, np.array([1, 1, 1, 2], np.int64)),
}.items():
    model = one_node(
        "Resize", x.shape, constants, mode="linear", coordinate_transformation_mode="align_corners"
    )
    engine[name] = by_onnxruntime(model, x).ravel().round(3).tolist()
    seen[name] = by_reference(model, x).ravel().round(3).tolist()
print(f"ONNX Runtime {engine}, onnx.reference {seen}")
if engine != {"scales": [0, 4], "sizes": [0, 4]} or seen["sizes"] != [0, 4] or seen["scales"] == [0, 4]:
    sys.exit("onnx.reference no longer differs between scales and sizes")
EOF
