#!/usr/bin/env bash
# Package:  onnx 1.23.2 (onnx.reference)
# Expected: AveragePool with ceil_mode=1 and no padding averages, in a window that reaches beyond the
#           image, the pixels inside it.
# Seen:     onnx.reference gives other values for all windows (kernel 3, stride 3, on 5x7), as if the
#           image were padded on the left too; kernel 2 is right. ONNX Runtime agrees with
#           the definition.
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


x = np.random.default_rng(0).normal(size=(1, 1, 5, 7)).astype(np.float32)
model = one_node("AveragePool", x.shape, kernel_shape=[3, 3], strides=[3, 3], ceil_mode=1)
right = [[x[0, 0, r : r + 3, c : c + 3].mean() for c in (0, 3, 6)] for r in (0, 3)]
engine, seen = by_onnxruntime(model, x)[0, 0], by_reference(model, x)[0, 0]
wrong = int((np.abs(seen - right) > 1e-3).sum())
print(f"ONNX Runtime differs by {np.abs(engine - right).max():.1e}, onnx.reference in {wrong} of 6 windows")
if not np.allclose(engine, right, atol=1e-5) or wrong != 6:
    sys.exit("onnx.reference no longer averages other pixels")
EOF
