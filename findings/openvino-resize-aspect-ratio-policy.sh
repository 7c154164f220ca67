#!/usr/bin/env bash
# Package:  openvino 2026.4.1 (CPU), onnx 1.23.2
# Expected: Resize with sizes 9x9 and keep_aspect_ratio_policy: an image of 5x7 becomes 6x9 (not_larger)
#           or 9x13 (not_smaller).
# Seen:     the attribute is ignored: OpenVINO makes 9x9, another shape than the model states. ONNX
#           Runtime gives the sizes of the standard.
# In zoo:   every OpenVINO build is held against ONNX Runtime without optimisation
#           (zoo_core/toolkit/similarity.py); outputs of another shape end the stage
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q numpy==2.4.6 onnx==1.23.2 onnxruntime==1.32.0 openvino==2026.4.1
"$work/venv/bin/python" - <<'EOF'
import sys

import numpy as np
import onnx
from onnx import helper, numpy_helper
import onnxruntime
import openvino


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


def by_openvino(model, x):
    core = openvino.Core()
    settings = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = core.compile_model(core.read_model(model.SerializeToString()), "CPU", settings)
    return np.array(compiled([x])[0])


x = np.random.default_rng(0).normal(size=(1, 2, 5, 7)).astype(np.float32)
for policy, right in (("not_larger", (6, 9)), ("not_smaller", (9, 13))):
    model = one_node(
        "Resize",
        x.shape,
        (None, None, np.array([9, 9], np.int64)),
        mode="linear",
        axes=[2, 3],
        keep_aspect_ratio_policy=policy,
    )
    engine, seen = by_onnxruntime(model, x).shape[2:], by_openvino(model, x).shape[2:]
    print(f"{policy}: ONNX Runtime {engine}, OpenVINO {seen}")
    if engine != right or seen != (9, 9):
        sys.exit("OpenVINO no longer ignores keep_aspect_ratio_policy")
EOF
