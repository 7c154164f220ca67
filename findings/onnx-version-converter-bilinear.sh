#!/usr/bin/env bash
# Package:  onnx 1.23.2 (onnx.version_converter)
# Expected: convert_version from opset 10 (or 9, with Upsample) to 11 and later keeps what a network
#           computes. Resize-10 has one coordinate rule, x / scale, which later opsets call
#           asymmetric.
# Seen:     the attribute is not set, so that the converted Resize takes the later default, half_pixel:
#           each bilinear Upsample and Resize computes other values. The converted model is
#           valid.
# In zoo:   zoo-onnxruntime states the rule before it lifts a file of an old opset
#           (zoo_onnxruntime/rewrites/opset.py)
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


x = np.random.default_rng(0).normal(size=(1, 1, 4, 5)).astype(np.float32)
told = {}
for opset, op in ((9, "Upsample"), (10, "Resize")):
    for mode in ("nearest", "linear"):
        node = helper.make_node(op, ["x", "s"], ["y"], mode=mode)
        before = model([node], x.shape, {"s": np.array([1, 1, 2, 2], np.float32)}, opset)
        after = version_converter.convert_version(before, 13)
        onnx.checker.check_model(after, full_check=True)
        gaps = [float(np.abs(run(before, x) - run(after, x)).max())]
        resize = next(n for n in after.graph.node if n.op_type == "Resize")
        rule = [a.s.decode() for a in resize.attribute if a.name.startswith("coordinate")]
        if not rule:
            resize.attribute.append(
                helper.make_attribute("coordinate_transformation_mode", "asymmetric")
            )
            gaps.append(float(np.abs(run(before, x) - run(after, x)).max()))
        told[op, mode] = gaps
        print(f"{op}-{opset} {mode}: rule stated {rule}, outputs differ by {gaps[0]:.2f}; asymmetric: {gaps[1:]}")
if any(told[op, "linear"][0] < 0.1 or told[op, "linear"][1] > 1e-6 for op in ("Upsample", "Resize")):
    sys.exit("onnx.version_converter now keeps the coordinates of a bilinear Resize")
EOF
