#!/usr/bin/env bash
# Package:  onnx 1.23.2 (onnx.reference)
# Expected: MaxPool, kernel 2, stride 1, pads [0, 0, 1, 1] on 5x7 gives 5x7, as onnx.shape_inference
#           says too.
# Seen:     the reference evaluator takes pads as (begin, end) of the first axis and (begin, end) of the
#           second: it gives 4x8. AveragePool with the same pads is right.
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
how = {"kernel_shape": [2, 2], "strides": [1, 1], "pads": [0, 0, 1, 1]}
model = one_node("MaxPool", x.shape, **how)
stated = tuple(dim.dim_value for dim in model.graph.output[0].type.tensor_type.shape.dim)[2:]
engine, seen = by_onnxruntime(model, x).shape[2:], by_reference(model, x).shape[2:]
average = by_reference(one_node("AveragePool", x.shape, **how), x).shape[2:]
print(f"the model states {stated}, ONNX Runtime {engine}, onnx.reference {seen}, its AveragePool {average}")
if (stated, engine, seen, average) != ((5, 7), (5, 7), (4, 8), (5, 7)):
    sys.exit("onnx.reference no longer mixes up the pads of MaxPool")
EOF
