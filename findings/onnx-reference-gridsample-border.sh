#!/usr/bin/env bash
# Package:  onnx 1.23.2 (onnx.reference)
# Expected: GridSample, cubic, padding_mode border, at a point outside the image: each of its four
#           neighbours in a direction counts as the nearest pixel inside.
# Seen:     onnx.reference moves the point itself onto the border before it takes the neighbours, and
#           gives other values. ONNX Runtime, OpenVINO and PyTorch agree with the
#           definition; zeros and reflection are right.
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


def weights(t, a=-0.75):
    """The four cubic weights of a fraction t in [0, 1)."""
    d = np.array([1 + t, t, 1 - t, 2 - t])
    near, far = (a + 2) * d**3 - (a + 3) * d**2 + 1, a * (d**3 - 5 * d**2 + 8 * d - 4)
    return np.where(d <= 1, near, far)


def border(image, row, column):
    """The value at (row, column), in pixels from the first one's centre."""
    r, c = int(np.floor(row)), int(np.floor(column))
    rows = np.clip(np.arange(r - 1, r + 3), 0, image.shape[0] - 1)
    columns = np.clip(np.arange(c - 1, c + 3), 0, image.shape[1] - 1)
    return weights(row - r) @ image[np.ix_(rows, columns)] @ weights(column - c)


rng = np.random.default_rng(0)
x = rng.normal(size=(1, 1, 5, 5)).astype(np.float32)
grid = rng.uniform(-1.4, 1.4, (1, 6, 6, 2)).astype(np.float32)
model = one_node(
    "GridSample", x.shape, (grid,), mode="cubic", padding_mode="border", align_corners=1
)
pixels = (grid[0] + 1) * 2
right = [[border(x[0, 0], v, u) for u, v in line] for line in pixels]
moved = [[border(x[0, 0], *np.clip((v, u), 0, 4)) for u, v in line] for line in pixels]
engine, seen = (run(model, x)[0, 0] for run in (by_onnxruntime, by_reference))
print(f"ONNX Runtime differs by {np.abs(engine - right).max():.1e}, onnx.reference by {np.abs(seen - right).max():.2f}")
if not np.allclose(engine, right, atol=1e-4) or not np.allclose(seen, moved, atol=1e-4):
    sys.exit("onnx.reference no longer differs at the border")
EOF
