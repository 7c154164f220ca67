#!/usr/bin/env bash
# Package:  onnxslim 0.1.98, onnx 1.23.2
# Expected: a simplifier folds a multiplication that follows a convolution into its weights only where
#           it scales output channels, shape [1, 4, 1, 1] or [4, 1, 1].
# Seen:     onnxslim also folds a constant of 4 values along the width ([4], [1, 1, 1, 4]) or the height
#           ([1, 1, 4, 1]) where the network has 4 output channels: it scales channels then.
#           The result is another network, and nothing is said.
# In zoo:   docs/explanation/engines.md: a file that was simplified elsewhere is compared with its
#           source before it is trusted
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q numpy==2.4.6 onnx==1.23.2 onnxruntime==1.32.0 onnxslim==0.1.98
"$work/venv/bin/python" - <<'EOF'
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper
import onnxslim


def model(nodes, shape, constants, opset=17):
    """Nodes from the float32 input "x" to the output "y"."""
    kind = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info("y", kind, None)],
        [numpy_helper.from_array(np.asarray(a), name) for name, a in constants.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    made = onnx.shape_inference.infer_shapes(made, strict_mode=True)
    onnx.checker.check_model(made, full_check=True)
    return made


def run(graph, x):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        graph.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"x": x})[0]


rng = np.random.default_rng(0)
x, w = (rng.normal(size=size).astype(np.float32) for size in ((1, 3, 6, 6), (4, 3, 3, 3)))
factors = np.array([0.5, 1, 2, 4], np.float32)
wrong = {}
for shape in ((4, 1, 1), (1, 4, 1, 1), (4,), (1, 1, 1, 4), (1, 1, 4, 1)):
    nodes = [helper.make_node("Conv", ["x", "w"], ["a"]), helper.make_node("Mul", ["a", "k"], ["y"])]
    before = model(nodes, x.shape, {"w": w, "k": factors.reshape(shape)})
    after = onnxslim.slim(onnx.ModelProto.FromString(before.SerializeToString()))
    gap = float(np.abs(run(before, x) - run(after, x)).max())
    print(f"factor of shape {shape}: {[n.op_type for n in after.graph.node]}, outputs differ by {gap:.1e}")
    wrong[shape] = gap > 1e-3
if list(wrong.values()) != [False, False, True, True, True]:
    sys.exit("onnxslim no longer folds factors along width and height into channels")
EOF
