#!/usr/bin/env bash
# Package:  torchvision 0.29.1 (AnchorGenerator, as in its RetinaNet)
# Expected: The anchors of RetinaNet's levels lie 8, 16, 32, 64 and 128 pixels apart, as the strides of the levels are.
# Seen:     Their distance is the image's side divided by the number of cells, rounded down: at 800 x 800 the levels of 13
#           and 7 cells have steps of 61 and 114 pixels, so the last anchor is up to 84 pixels from where a stride puts it.
# In zoo:   the decoder retinanet-torchvision computes its steps so (zoo_dense/anchors.py)
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q torch==2.14.1 torchvision==0.29.1
"$work/venv/bin/python" - <<'EOF'
import sys

import torch
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList

cells = (100, 50, 25, 13, 7)
make = AnchorGenerator(tuple((size,) for size in (32, 64, 128, 256, 512)), ((1.0,),) * 5)
maps = [torch.zeros(1, 1, side, side) for side in cells]
anchors = make(ImageList(torch.zeros(1, 3, 800, 800), [(800, 800)]), maps)[0]
steps, at = [], 0
for side in cells:
    row = anchors[at : at + side]
    centres = (row[:, 0] + row[:, 2]) / 2
    steps.append(float(centres[1] - centres[0]))
    at += side * side
print("cells", cells, "steps", steps)
if steps != [8, 16, 32, 61, 114]:
    sys.exit("the steps are no longer the image's side over the cells")
EOF
