#!/usr/bin/env bash
# Package:  onnx 1.23.2 (onnx.version_converter)
# Expected: convert_version from opset 12 to 13 keeps what a network computes. Until 12, Softmax and
#           Hardmax flatten all axes from `axis` on.
# Seen:     Softmax and LogSoftmax are rewritten so; Hardmax is not: a Hardmax-11 with axis 1 of [2, 3,
#           4] marks one value of each image, its conversion one of each column.
# In zoo:   docs/explanation/engines.md
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q numpy==2.4.6 onnx==1.23.2 onnxruntime==1.32.0
"$work/venv/bin/python" - <<'EOF'
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper, version_converter


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


x = np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float32)
sums = {}
for op in ("Softmax", "Hardmax"):
    before = model([helper.make_node(op, ["x"], ["y"], axis=1)], x.shape, {}, 11)
    after = version_converter.convert_version(before, 13)
    sums[op] = [run(graph, x).sum(axis=(1, 2)).round(3).tolist() for graph in (before, after)]
    print(f"{op}: sum of each image's outputs {sums[op][0]} before, {sums[op][1]} after")
if sums["Softmax"] != [[1, 1], [1, 1]] or sums["Hardmax"] != [[1, 1], [4, 4]]:
    sys.exit("onnx.version_converter now keeps what Hardmax computes")
EOF
