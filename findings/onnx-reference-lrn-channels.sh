#!/usr/bin/env bash
# Package:  onnx 1.23.2 (onnx.reference)
# Expected: LRN divides each channel by a power of (bias + alpha / size * the sum of squares over its
#           neighbours).
# Seen:     the reference evaluator computes these sums for as many channels as there are images in the
#           batch: of one image with 6 channels, channel 0 is right and channels 1 to 5 are
#           divided as if all squares were 0. With a batch of 6 the same image is right.
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


def formula(x, size):
    """alpha 0.5, beta 0.75, bias 1; channels are axis 1."""
    half = (size - 1) // 2
    squares = np.pad(x**2, ((0, 0), (half, half), (0, 0), (0, 0)))
    sums = sum(squares[:, shift : shift + x.shape[1]] for shift in range(size))
    return x / (1 + 0.5 / size * sums) ** 0.75


one = np.random.default_rng(0).normal(size=(1, 6, 2, 2)).astype(np.float32)
wrong = {}
for batch in (1, 6):
    x = np.repeat(one, batch, axis=0)
    model = one_node("LRN", x.shape, size=5, alpha=0.5, beta=0.75, bias=1.0)
    right = formula(x, 5)
    if not np.allclose(by_onnxruntime(model, x), right, atol=1e-5):
        sys.exit("ONNX Runtime no longer agrees with the formula")
    gaps = np.abs(by_reference(model, x) - right).max(axis=(0, 2, 3))
    wrong[batch] = np.flatnonzero(gaps > 1e-5).tolist()
print(f"channels that onnx.reference gets wrong, by batch size: {wrong}")
if wrong != {1: [1, 2, 3, 4, 5], 6: []}:
    sys.exit("onnx.reference no longer takes the batch size for the number of channels")
EOF
