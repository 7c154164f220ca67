#!/usr/bin/env bash
# Package:  onnxoptimizer 0.4.2, onnx 1.23.2
# Expected: in a Reshape 0 stands for the size of its own input. [1, 3, 6, 6] by [3, 36] and then by [0,
#           -1, 6] is [3, 6, 6].
# Seen:     the pass eliminate_consecutive_idempotent_ops drops the first Reshape and keeps the second
#           one's 0, which then means the size 1 of the first input: [1, 18, 6].
# In zoo:   docs/explanation/engines.md: a file that was simplified elsewhere is compared with its
#           source before it is trusted
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q numpy==2.4.6 onnx==1.23.2 onnxruntime==1.32.0 onnxoptimizer==0.4.2
"$work/venv/bin/python" - <<'EOF'
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper
import onnxoptimizer


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


x = np.random.default_rng(0).normal(size=(1, 3, 6, 6)).astype(np.float32)
nodes = [
    helper.make_node("Reshape", ["x", "s"], ["a"]),
    helper.make_node("Reshape", ["a", "t"], ["y"]),
]
shapes = {"s": np.array([3, 36], np.int64), "t": np.array([0, -1, 6], np.int64)}
before = model(nodes, x.shape, shapes)
wrong = []
for name in onnxoptimizer.get_fuse_and_elimination_passes():
    after = run(onnxoptimizer.optimize(before, [name]), x).shape
    if after != run(before, x).shape:
        wrong.append(name)
        print(f"{name}: {run(before, x).shape} becomes {after}")
if len(wrong) != 1 or wrong[0] != "eliminate_consecutive_idempotent_ops":
    sys.exit("onnxoptimizer no longer changes the meaning of 0 in a Reshape")
EOF
