#!/usr/bin/env bash
# Package:  openvino 2026.4.1 (CPU), onnx 1.23.2
# Expected: NonMaxSuppression drops a box whose IoU with a kept one is above iou_threshold
#           (onnx.reference, ONNX Runtime). The attribute's default is 0: boxes that do not
#           overlap are kept.
# Seen:     OpenVINO drops a box whose IoU is equal to the threshold too. With the default of 0 it keeps
#           one box of a class, however far apart the boxes lie; with 0.9 it drops a box of
#           IoU 0.9 exactly.
# In zoo:   zoo applies NMS itself (zoo_core/toolkit/detection/nms.py, IoU above the threshold); it
#           matters for files that hold NonMaxSuppression
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q numpy==2.4.6 onnx==1.23.2 onnxruntime==1.32.0 openvino==2026.4.1
"$work/venv/bin/python" - <<'EOF'
import sys

import numpy as np
import onnx
import onnx.reference
from onnx import helper, numpy_helper
import onnxruntime
import openvino


def nms(iou_threshold):
    """Inputs "boxes" [1, n, 4] (corners) and "scores" [1, 1, n]; at most 10 boxes a class."""
    kind = onnx.TensorProto
    constants = [np.array([10], np.int64), np.array([iou_threshold], np.float32)]
    graph = helper.make_graph(
        [helper.make_node("NonMaxSuppression", ["boxes", "scores", "most", "iou"], ["kept"])],
        "g",
        [
            helper.make_tensor_value_info("boxes", kind.FLOAT, [1, 3, 4]),
            helper.make_tensor_value_info("scores", kind.FLOAT, [1, 1, 3]),
        ],
        [helper.make_tensor_value_info("kept", kind.INT64, ["n", 3])],
        [numpy_helper.from_array(a, n) for a, n in zip(constants, ("most", "iou"))],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    return model


# Boxes 0 and 1: IoU 90 / 100; box 2 overlaps none.
feeds = {
    "boxes": np.array([[[0, 0, 10, 10], [0, 0, 10, 9], [50, 50, 60, 60]]], np.float32),
    "scores": np.array([[[0.9, 0.8, 0.7]]], np.float32),
}
expected = {0.0: ([0, 2], [0]), 0.9: ([0, 1, 2], [0, 2])}
for threshold, (right, seen_before) in expected.items():
    model = nms(threshold)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    engine = session.run(None, feeds)[0][:, 2].tolist()
    reference = onnx.reference.ReferenceEvaluator(model).run(None, feeds)[0][:, 2].tolist()
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(model.SerializeToString()), "CPU")
    seen = np.array(compiled(feeds)[0])[:, 2].tolist()
    print(f"IoU threshold {threshold}: ONNX Runtime keeps {engine}, onnx.reference {reference}, OpenVINO {seen}")
    if engine != right or reference != right or seen != seen_before:
        sys.exit("OpenVINO no longer drops boxes whose IoU is equal to the threshold")
EOF
