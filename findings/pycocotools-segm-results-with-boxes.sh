#!/usr/bin/env bash
# Package:  pycocotools 2.0.11
# Expected: Results of instance masks score the same whether each also states its `bbox` or not.
# Seen:     With `bbox`, loadRes takes the area of the box as the area of the detection, so a thin mask counts as a larger object:
#           APs of the same two masks is 0.5 without boxes and 1.0 with them.
# In zoo:   the evaluator coco-segmentation writes boxes to a file of their own, predictions-boxes.json (zoo_coco)
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q numpy==2.4.6 pycocotools==2.0.11
"$work/venv/bin/python" - <<'EOF'
import contextlib
import io
import sys

import numpy as np
from pycocotools import mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval


def stripe(start):
    """A thin diagonal: 800 pixels in a box of 107 x 100."""
    pixels = np.zeros((200, 200), np.uint8)
    for step in range(100):
        at = start + step
        pixels[at, at - 4 : at + 4] = 1
    found = mask.encode(np.asfortranarray(pixels))
    return {**found, "counts": found["counts"].decode()}


def small(results):
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {
            "images": [{"id": 1, "width": 200, "height": 200}],
            "categories": [{"id": 1, "name": "thing"}],
            "annotations": [
                {"id": 1, "image_id": 1, "category_id": 1, "segmentation": here, "area": 800, "iscrowd": 0}
            ],
        }
        truth.dataset["annotations"][0]["bbox"] = mask.toBbox(here).tolist()
        truth.createIndex()
        scored = COCOeval(truth, truth.loadRes(results), "segm")
        scored.evaluate()
        scored.accumulate()
        scored.summarize()
    return float(scored.stats[3])


here, elsewhere = stripe(10), stripe(60)
rows = [
    {"image_id": 1, "category_id": 1, "segmentation": elsewhere, "score": 0.9},
    {"image_id": 1, "category_id": 1, "segmentation": here, "score": 0.8},
]
boxed = [{**row, "bbox": mask.toBbox(row["segmentation"]).tolist()} for row in rows]
without, with_boxes = small(rows), small(boxed)
print(f"APs without bbox {without:.2f}, with bbox {with_boxes:.2f}")
if not (abs(without - 0.5) < 1e-6 and abs(with_boxes - 1) < 1e-6):
    sys.exit("loadRes no longer takes the area of the box")
EOF
