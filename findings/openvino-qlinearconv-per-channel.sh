#!/usr/bin/env bash
# Package:  openvino 2026.4.1 (CPU), onnx 1.23.2
# Expected: QLinearConv with a scale and a zero point for each output channel, the usual form of
#           quantised ONNX files in operator form, is read as ONNX Runtime reads it.
# Seen:     OpenVINO refuses to read the model, with an error about shapes; with one scale for all
#           channels it reads it and agrees with ONNX Runtime to one step.
# In zoo:   docs/explanation/engines.md
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


def convolution(per_channel):
    rng = np.random.default_rng(0)
    kind, n = onnx.TensorProto, 4
    scale = np.array([0.01, 0.02, 0.03, 0.04], np.float32) if per_channel else np.float32(0.01)
    zero = np.zeros(n, np.int8) if per_channel else np.int8(0)
    constants = {
        "xs": np.float32(0.02),
        "xz": np.uint8(9),
        "w": rng.integers(-127, 127, (n, 3, 3, 3)).astype(np.int8),
        "ws": scale,
        "wz": zero,
        "ys": np.float32(0.3),
        "yz": np.uint8(8),
    }
    graph = helper.make_graph(
        [helper.make_node("QLinearConv", ["x", *constants], ["y"], pads=[1, 1, 1, 1])],
        "g",
        [helper.make_tensor_value_info("x", kind.UINT8, [1, 3, 6, 6])],
        [helper.make_tensor_value_info("y", kind.UINT8, [1, n, 6, 6])],
        [numpy_helper.from_array(np.asarray(a), name) for name, a in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    return model


x = np.random.default_rng(1).integers(0, 255, (1, 3, 6, 6)).astype(np.uint8)
told = {}
for per_channel in (False, True):
    model = convolution(per_channel)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    engine = session.run(None, {"x": x})[0].astype(int)
    try:
        core = openvino.Core()
        compiled = core.compile_model(core.read_model(model.SerializeToString()), "CPU")
        gap = int(np.abs(np.array(compiled([x])[0]).astype(int) - engine).max())
        told[per_channel] = f"differs by {gap} steps at most" if gap > 1 else "agrees"
    except Exception as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        told[per_channel] = "refused: " + lines[-1][:120]
print(f"one scale: {told[False]}; a scale per channel: {told[True]}")
if told[False] != "agrees" or not told[True].startswith("refused"):
    sys.exit("OpenVINO no longer refuses a scale per channel")
EOF
