#!/usr/bin/env bash
# Package:  torchvision 0.29.1 (ops.nms)
# Expected: NMS leaves one of two equal boxes.
# Seen:     Two equal boxes without area are both kept, as their IoU is 0/0; of two equal boxes with an area one is kept. A network
#           that clips boxes to the image returns such boxes among its best 300.
# In zoo:   the decoders of zoo-dense drop boxes without area (zoo_dense/decoder.py)
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q torch==2.14.1 torchvision==0.29.1
"$work/venv/bin/python" - <<'EOF'
import sys

import torch
from torchvision.ops import nms

boxes = torch.tensor([[0.0, 5, 0, 9], [0, 5, 0, 9], [1, 1, 3, 3], [1, 1, 3, 3]])
kept = nms(boxes, torch.tensor([0.9, 0.8, 0.7, 0.6]), 0.5).tolist()
print("kept", kept)
if kept != [0, 1, 2]:
    sys.exit("nms no longer keeps both boxes without area")
EOF
