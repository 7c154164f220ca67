#!/usr/bin/env bash
# Package:  nncf 3.4.0, onnxruntime 1.32.0
# Expected: A network of convolutions and ReLU that nncf.quantize has quantised runs in int8 on ONNX Runtime, a depthwise
#           convolution as any other.
# Seen:     Activations before a depthwise convolution get a scale for each channel. ONNX Runtime has no such kernel: it runs
#           all three convolutions of that network in float, without a word; the same network with a plain convolution in that
#           place runs two of three in int8. The accuracy that one measures is that of float arithmetic.
# In zoo:   the report counts the nodes that the engine runs in int8 (zoo_onnxruntime/precision.py); zoo's own quantiser gives
#           activations one scale
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q nncf==3.4.0 onnx==1.23.2 onnxruntime==1.32.0
cd "$work"
"$work/venv/bin/python" - <<'EOF'
import sys

import nncf
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

draw = np.random.default_rng(0)
images = [draw.random((1, 3, 32, 32), np.float32) for _ in range(16)]


def convolution(source, name, size, inputs, outputs, group):
    weights = draw.normal(0, 0.3, (outputs, inputs // group, size, size)).astype(np.float32)
    node = helper.make_node(
        "Conv", [source, f"{name}_w", f"{name}_b"], [name], pads=[size // 2] * 4, group=group
    )
    bias = np.full(outputs, 0.1, np.float32)
    return node, [numpy_helper.from_array(weights, f"{name}_w"), numpy_helper.from_array(bias, f"{name}_b")]


def network(group):
    first, weights = convolution("x", "a", 3, 3, 16, 1)
    middle, more = convolution("a_relu", "b", 3, 16, 16, group)
    last, most = convolution("b_relu", "c", 1, 16, 8, 1)
    relu = [helper.make_node("Relu", [name], [f"{name}_relu"]) for name in "ab"]
    graph = helper.make_graph(
        [first, relu[0], middle, relu[1], last],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 32, 32])],
        [helper.make_tensor_value_info("c", TensorProto.FLOAT, [1, 8, 32, 32])],
        weights + more + most,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return model


def in_int8(group):
    data = nncf.Dataset(images, lambda image: {"x": image})
    model = nncf.quantize(network(group), data, subset_size=16)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.optimized_model_filepath = "run.onnx"
    onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
    kinds = [node.op_type for node in onnx.load("run.onnx").graph.node]
    return kinds.count("QLinearConv")


counts = {"plain": in_int8(1), "depthwise": in_int8(16)}
print("convolutions of 3 that run in int8:", counts)
if counts != {"plain": 2, "depthwise": 0}:
    sys.exit("what runs in int8 has changed")
EOF
