#!/usr/bin/env bash
# Package:  ultralytics 8.4.190
# Expected: A network that needs no NMS (YOLOv10: its yaml says `end2end: True`) is exported with its own 300 best boxes, as
#           rows of six numbers.
# Seen:     By default the ONNX file has the other head, [1, 4 + classes, cells], which needs NMS, as a YOLOv8 file has; only
#           with `nms=False` it has rows of six. The two look the same to whoever reads the documentation of YOLOv10.
# In zoo:   any-onnx and the decoders of zoo-yolo take both forms, told by shape (zoo_yolo/end_to_end.py)
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q torch==2.14.1 torchvision==0.29.1 ultralytics==8.4.190 onnx==1.23.2 onnxscript==0.7.2
cd "$work"
YOLO_CONFIG_DIR="$work" YOLO_OFFLINE=true YOLO_AUTOINSTALL=false "$work/venv/bin/python" - <<'EOF'
import sys

import onnx
from ultralytics import YOLO


def shape(**options):
    path = YOLO("yolov10n.yaml").export(format="onnx", imgsz=64, simplify=False, **options)
    output = onnx.load(path).graph.output[0]
    return [side.dim_value for side in output.type.tensor_type.shape.dim]


usual, chosen = shape(), shape(nms=False)
print("by default", usual, "with nms=False", chosen)
if (usual, chosen[-1]) != ([1, 84, 84], 6):
    sys.exit("the export of end-to-end networks has changed")
EOF
